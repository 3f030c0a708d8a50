"""The search's random numbers. They live beside the policies, whose root noise is made of them too."""

from smuzero.actions.uniforms import seeds, uniforms

__all__ = ["seeds", "uniforms"]

"""Environments behind one face: made from an id, alone (`make`) or many at once (`make_pool`)."""

from smuzero.envs.pool import make_pool
from smuzero.envs.registry import make

__all__ = ["make", "make_pool"]

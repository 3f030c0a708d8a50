"""Generates tanh_gaussian.json: log-densities of tanh-squashed Gaussians, by distrax.

Run in an environment of its own with distrax (0.1.9) installed:
python tanh_gaussian.py
"""

import json
from pathlib import Path

import distrax  # pyright: ignore[reportMissingImports]  (of an environment of its own)
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
CASES = [(0.0, 0.8), (0.7, 0.3), (-2.0, 1.5), (3.0, 0.05), (-4.9, 2.7)]
rows = []
for mean, scale in CASES:
    law = distrax.Transformed(distrax.Normal(jnp.float64(mean), jnp.float64(scale)), distrax.Tanh())
    for z in (-3.0, -1.0, 0.0, 0.4, 2.5):
        u = mean + scale * z
        # Forward in the bijector's own terms: log p(u) - log |d tanh(u)/du|.
        log_density = law.distribution.log_prob(u) - law.bijector.forward_log_det_jacobian(jnp.float64(u))
        rows.append({"mean": mean, "scale": scale, "u": u, "log_density": float(log_density)})
Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")

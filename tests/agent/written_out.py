"""The learner's step written out: one window, one step and one equation at a time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .small_learner import GAMMA, POLICY, B, N, U


def plain_norm(x, p):
    centred = x - jnp.mean(x)
    return centred / jnp.sqrt(jnp.mean(centred**2) + 1e-6) * p["scale"] + p["bias"]


def plain_linear(x, p):
    return x @ p["kernel"] + p["bias"]


def plain_tower(x, p):
    block = p["tower"]["blocks"][0]
    hidden = plain_linear(jax.nn.relu(plain_norm(x, block["norm_1"])), block["linear_1"])
    x = x + plain_linear(jax.nn.relu(plain_norm(hidden, block["norm_2"])), block["linear_2"])
    return (x - jnp.min(x)) / (jnp.max(x) - jnp.min(x))


def plain_head(latent, p):
    return plain_linear(jax.nn.relu(plain_norm(latent, p["norm"])), p["linear"])


def plain_represent(params, observation):
    p = params["represent"]
    return plain_tower(jnp.tanh(plain_norm(plain_linear(observation, p["input"]["linear"]), p["input"]["norm"])), p)


def plain_dynamics(params, latent, action):
    p = params["dynamics"]
    one_hot = jnp.array([float(a == m) for a in action for m in range(3)])
    embedding = jax.nn.relu(plain_norm(plain_linear(one_hot, p["action"]["linear"]), p["action"]["norm"]))
    latent = plain_tower(latent + embedding, p)
    return latent, plain_head(latent, p["reward"])


def plain_two_hot(scalar, low, high, bins):
    probs, position = np.zeros(bins, np.float32), (np.clip(scalar, low, high) - low) / (high - low) * (bins - 1)
    left = min(int(position), bins - 2)
    probs[left], probs[left + 1] = 1 - (position - left), position - left
    return jnp.asarray(probs)


def plain_value_target(target_params, w, b, k):
    z, product = 0.0, 1.0
    for i in range(k, k + N):
        z += product * float(w.reward[b, i])
        product *= GAMMA * float(w.discount[b, i]) if w.is_step[b, i] else 1.0
    logits = plain_head(plain_represent(target_params, jnp.asarray(w.observation[b, k + N])), target_params["predict"])
    probs = np.asarray(jax.nn.softmax(logits[6:]))
    return z + product * float(np.dot(probs, [-4, -2, 0, 2, 4]))


def plain_window_loss(params, target_params, w, b):
    """The terms of window b."""
    names = ("policy", "value", "reward", "entropy", "consistency", "reconstruction")
    terms: dict[str, Any] = dict.fromkeys(names, 0.0)
    mean = w.observation[:, : U + 1].mean(axis=(0, 1))
    latent = plain_represent(params, jnp.asarray(w.observation[b, 0]))
    for k in range(U + 1):
        scale = 1.0 if k == 0 else 1.0 / U
        known = bool(w.is_step[b, k] or w.is_terminal[b])
        if k > 0:
            halved = latent / 2 + jax.lax.stop_gradient(latent / 2)
            latent, reward_logits = plain_dynamics(params, halved, w.action[b, k - 1])
            if w.is_step[b, k - 1] or w.is_terminal[b]:
                target = plain_two_hot(w.reward[b, k - 1], -1, 1, 3)
                terms["reward"] -= scale * jnp.sum(target * jax.nn.log_softmax(reward_logits))
            if w.is_step[b, k - 1]:
                met = plain_represent(target_params, jnp.asarray(w.observation[b, k]))
                terms["consistency"] += jnp.mean((latent - met) ** 2) / U
        if k == 0 or w.is_step[b, k - 1]:
            error = plain_linear(latent, params["reconstruct"]["linear"]) - (w.observation[b, k] - mean)
            terms["reconstruction"] += scale * jnp.sum(error**2) / 2
        output = plain_head(latent, params["predict"])
        log_pi = [jax.nn.log_softmax(output[0:3]), jax.nn.log_softmax(output[3:6])]
        if w.is_step[b, k]:
            for words, visits in zip(w.words[b, k], w.visits[b, k], strict=True):
                first, second = POLICY.unpack(jnp.asarray(words))
                log_prob = log_pi[0][int(first)] + log_pi[1][int(second)]
                terms["policy"] -= scale * float(visits / w.visits[b, k].sum()) * log_prob
            terms["entropy"] += scale * sum(jnp.sum(jnp.exp(row) * row) for row in log_pi)
        if known:
            z = plain_value_target(target_params, w, b, k) if w.is_step[b, k] else 0.0
            terms["value"] -= scale * jnp.sum(plain_two_hot(z, -4, 4, 5) * jax.nn.log_softmax(output[6:]))
    return terms


def plain_loss(params, target_params, w):
    per_window = [plain_window_loss(params, target_params, w, b) for b in range(B)]
    means = {name: sum(terms[name] for terms in per_window) / B for name in per_window[0]}
    total = 0.0
    for terms, weight in zip(per_window, (1.0, 0.5, 0.25), strict=True):
        weighted = 1.5 * terms["policy"] + 0.5 * terms["value"] + 2.0 * terms["reward"] + 0.05 * terms["entropy"]
        weighted += 3.0 * terms["consistency"] + 0.2 * terms["reconstruction"]
        total += weight * weighted / B
    return total, means

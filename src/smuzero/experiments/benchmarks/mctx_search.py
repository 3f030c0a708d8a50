"""The same sampled search built on mctx, for comparison: what one would write without a search of one's own.

mctx searches over a fixed set of actions. Sampled actions fit in as the numbers
0 … K-1 of slots, with the drawn actions kept in each node's embedding: the
recurrent function looks the chosen one up, calls the model, and draws K more
for the new node. Draws, their merging, priors and root noise are those of
`smuzero.search`, from JAX's own random numbers under the keys that mctx hands
out; the tree, PUCT and its constants are mctx's `muzero_policy`.
The root's actions are not evaluated beforehand, which saves mctx K calls of
the network for each state.
"""

# chex dataclasses, of which mctx is made, are opaque to pyright.
# pyright: reportCallIssue=false, reportArgumentType=false

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from smuzero.search import expand, proposal
from smuzero.search.plan import Model
from smuzero.search.settings import SearchSettings


def is_installed() -> bool:
    return importlib.util.find_spec("mctx") is not None


def search(key: Array, root: Any, model: Model, settings: SearchSettings) -> Int[Array, "B K"]:
    """Visits of the K slots at the root, from `root`, a batch of model states. Needs mctx."""
    import mctx

    noise_key, draw_key, search_key = jax.random.split(key, 3)
    logits, value = jax.vmap(model.predict)(root)
    noise_keys = jax.random.split(noise_key, value.shape[0])
    noisy = jax.vmap(model.policy.noisy, in_axes=(0, 0, None, None))
    logits = noisy(noise_keys, logits, settings.noise_fraction, settings.noise_concentration)
    log_prior, words = slots(draw_key, logits, model, settings)

    def recurrent(params: None, key: Array, slot: Int[Array, " B"], embedding: tuple[Any, Array]) -> Any:
        state, words = embedding
        chosen = jnp.take_along_axis(words, slot[:, None, None], axis=1)[:, 0]
        state, reward, discount = jax.vmap(model.dynamics)(state, model.policy.unpack(chosen))
        logits, value = jax.vmap(model.predict)(state)
        log_prior, words = slots(key, logits, model, settings)
        output = mctx.RecurrentFnOutput(reward=reward, discount=discount, prior_logits=log_prior, value=value)
        return output, (state, words)

    found = mctx.muzero_policy(
        params=None,
        rng_key=search_key,
        root=mctx.RootFnOutput(prior_logits=log_prior, value=value, embedding=(root, words)),
        recurrent_fn=recurrent,
        num_simulations=settings.num_simulations,
        invalid_actions=jnp.isneginf(log_prior).astype(jnp.float32),
        dirichlet_fraction=0.0,  # mixed in above, before the draws, as Section 5.5 has it
        pb_c_init=settings.c1,
        pb_c_base=settings.c2,
    )
    return jnp.asarray(found.search_tree.summary().visit_counts, jnp.int32)


def slots(
    key: Array, logits: Float[Array, "B P"], model: Model, settings: SearchSettings
) -> tuple[Float[Array, "B K"], UInt32[Array, "B K W"]]:
    """The log priors of K drawn actions, -inf for a repeat, and the actions, packed."""
    shape = (logits.shape[0], proposal.num_uniforms(model.policy, settings), settings.num_samples)
    numbers = jax.random.uniform(key, shape)

    def one(logits: Array, numbers: Array) -> tuple[Array, Array]:
        words = proposal.draw(model.policy, logits, numbers, settings)
        # A maximum of two equal arrays: XLA does not repeat what is below a reduction, and would otherwise
        # repeat the sampling in each of the K² comparisons of draws (`smuzero.search` reads its tree instead).
        words = jnp.max(jnp.stack([words, words]), axis=0)
        prior = expand.weigh(model.policy, logits, words, settings).prior
        return jnp.log(jnp.maximum(prior, 0.0)), words

    return jax.vmap(one)(logits, numbers)

"""The same sampled search built on mctx, for comparison: what one would write without a search of one's own.

mctx searches over a fixed set of actions. Sampled actions fit in as the numbers
0 … K-1 of slots, with the drawn actions kept in each node's embedding: the
recurrent function looks the chosen one up, calls the model, and draws K more
for the new node. Draws are `jax.random.categorical`'s, under the keys that mctx
hands out; repeated ones are merged, and the prior is their frequency, which is
π̂_β for β = π. The tree, PUCT and its constants are mctx's `muzero_policy`.
The root's actions are not evaluated beforehand, which saves mctx K calls of
the network for each state.

With `fast_draws` the draws, their merging and priors are those of
`smuzero.search`, only the numbers come from JAX's generator: what remains is
the tree alone.
"""

# chex dataclasses, of which mctx is made, are opaque to pyright.
# pyright: reportCallIssue=false, reportArgumentType=false

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search import expand, proposal
from smuzero.search.plan import Model
from smuzero.search.settings import SearchSettings


def is_installed() -> bool:
    return importlib.util.find_spec("mctx") is not None


def search(
    key: Array, root: Any, model: Model, settings: SearchSettings, fast_draws: bool = False
) -> Int[Array, "B K"]:
    """Visits of the K slots at the root, from `root`, a batch of model states. Needs mctx."""
    import mctx

    policy = model.policy
    draw = fast_slots if fast_draws else plain_slots
    noise_key, draw_key, search_key = jax.random.split(key, 3)
    logits, value = jax.vmap(model.predict)(root)
    noise_keys = jax.random.split(noise_key, value.shape[0])
    noisy = jax.vmap(policy.noisy, in_axes=(0, 0, None, None))
    logits = noisy(noise_keys, logits, settings.noise_in_each(policy.size), settings.noise_concentration)
    log_prior, actions = draw(draw_key, logits, policy, settings)

    def recurrent(params: None, key: Array, slot: Int[Array, " B"], embedding: tuple[Any, Array]) -> Any:
        state, actions = embedding
        chosen = jnp.take_along_axis(actions, slot[:, None, None], axis=1)[:, 0]
        chosen = policy.unpack(chosen) if fast_draws else chosen
        state, reward, discount = jax.vmap(model.dynamics)(state, chosen)
        logits, value = jax.vmap(model.predict)(state)
        log_prior, actions = draw(key, logits, policy, settings)
        output = mctx.RecurrentFnOutput(reward=reward, discount=discount, prior_logits=log_prior, value=value)
        return output, (state, actions)

    found = mctx.muzero_policy(
        params=None,
        rng_key=search_key,
        root=mctx.RootFnOutput(prior_logits=log_prior, value=value, embedding=(root, actions)),
        recurrent_fn=recurrent,
        num_simulations=settings.num_simulations,
        invalid_actions=jnp.isneginf(log_prior).astype(jnp.float32),
        dirichlet_fraction=0.0,  # mixed in above, before the draws, as Section 5.5 has it
        pb_c_init=settings.c1,
        pb_c_base=settings.c2,
    )
    return jnp.asarray(found.search_tree.summary().visit_counts, jnp.int32)


def plain_slots(
    key: Array, logits: Float[Array, "B P"], policy: FactoredCategorical, settings: SearchSettings
) -> tuple[Float[Array, "B K"], Int[Array, "B K A"]]:
    """The log priors of K drawn actions, -inf for a repeat, and the actions."""
    batch_size, size = logits.shape[0], settings.num_samples
    by_dim = logits.reshape(batch_size, 1, policy.num_dims, policy.num_choices)
    actions = jax.random.categorical(key, by_dim, shape=(batch_size, size, policy.num_dims))
    is_same = jnp.all(actions[:, :, None] == actions[:, None, :], axis=-1)
    is_first = jnp.argmax(is_same, axis=-1) == jnp.arange(size)[None]
    prior = jnp.where(is_first, jnp.sum(is_same, axis=-1) / size, 0.0)
    return jnp.log(prior), actions


def fast_slots(
    key: Array, logits: Float[Array, "B P"], policy: FactoredCategorical, settings: SearchSettings
) -> tuple[Float[Array, "B K"], UInt32[Array, "B K W"]]:
    """The same with the draws of `smuzero.search`; the actions are packed."""
    shape = (logits.shape[0], proposal.num_uniforms(policy, settings), settings.num_samples)
    numbers = jax.random.uniform(key, shape)

    def one(logits: Array, numbers: Array) -> tuple[Array, Array]:
        words = proposal.draw(policy, logits, numbers, settings).T
        # A maximum of two equal arrays: XLA does not repeat what is below a reduction, and would otherwise
        # repeat the sampling in each of the K² comparisons of draws (`smuzero.search` has them in its loop's state).
        words = jnp.max(jnp.stack([words, words]), axis=0)
        prior = expand.weigh(policy, logits, words, expand.merged_counts(words), settings).prior
        return jnp.log(jnp.maximum(prior, 0.0)), words

    return jax.vmap(one)(logits, numbers)

"""Where independent components are not enough: two couriers and a guard.

Two couriers choose one of four doors each and deliver only through the same one.
A guard, who knows their habits but not today's choice, watches the door they
deliver through most often. The best they can do is to go together through a door
that is anyone's guess: they deliver with probability 1 - 1/4.

Couriers who choose independently, with probabilities p and q, deliver with
probability Σ_d r_d − max_d r_d at most, where r_d = p_d·q_d. With s_d = √r_d we have
Σ_d s_d ≤ 1 (Cauchy–Schwarz), so the sum without its largest term m² is at most
m·(1 − m) ≤ 1/4. No factored policy can do better, whatever it learns; one in which
the second courier is told what the first one chose can.

Both are trained here in the same way: the library's search improves the policy,
the library's loss teaches the improvement, and the guard keeps watching.
"""

import jax
import jax.numpy as jnp
import optax

import smuzero
from smuzero.actions.distributions import make_policy
from smuzero.actions.spaces import MultiDiscrete
from smuzero.agent.losses import policy_loss

DOORS, BATCH, STEPS = 4, 64, 400
SPACE = MultiDiscrete(nvec=(DOORS, DOORS), start=(0, 0), shape=(2,))
SETTINGS = smuzero.SearchSettings(num_samples=8, num_simulations=16)


def deliveries(policy, logits):
    """How probable it is that both couriers choose door d, for each door."""
    both = jnp.stack([jnp.arange(DOORS)] * 2, axis=-1)
    return jnp.exp(policy.log_prob_words(logits, policy.pack(both)))


def worth(policy, logits):
    """The probability of a delivery while the guard watches the likeliest door."""
    probs = deliveries(policy, logits)
    return jnp.sum(probs) - jnp.max(probs)


def make_update(policy, optimiser):
    def update(key, logits, opt_state):
        # The guard is where the deliveries are, the more often the likelier the door.
        guard = jax.nn.softmax(8.0 * deliveries(policy, logits))

        def dynamics(state, action):
            reward = jnp.where(action[0] == action[1], 1.0 - guard[action[0]], 0.0)
            return state, reward, jnp.float32(0.0)

        model = smuzero.Model(policy, dynamics, lambda state: (logits, jnp.float32(0.0)))
        found = smuzero.search(key, jnp.zeros((BATCH, 1)), model, SETTINGS)
        targets = found.visits / SETTINGS.num_simulations

        def loss(logits):
            return jnp.mean(jax.vmap(policy_loss, (None, None, 0, 0))(policy, logits, found.words, targets))

        change, opt_state = optimiser.update(jax.grad(loss)(logits), opt_state)
        return optax.apply_updates(logits, change), opt_state

    return jax.jit(update)


def train(structure, seed=0):
    """The worth of the policy after training."""
    policy, optimiser = make_policy(SPACE, structure), optax.adam(0.02)
    update = make_update(policy, optimiser)
    logits = jnp.zeros(policy.num_logits)
    opt_state = optimiser.init(logits)
    for key in jax.random.split(jax.random.key(seed), STEPS):
        logits, opt_state = update(key, logits, opt_state)
    return float(worth(policy, logits))


if __name__ == "__main__":
    print(f"independent couriers deliver {train('factored'):.2f} of the time; no such pair can exceed 0.25")
    print(f"couriers who tell each other deliver {train('autoregressive'):.2f} of the time; the best is 0.75")

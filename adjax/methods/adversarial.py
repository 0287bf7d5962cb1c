"""Adversarial training: losses, turns of two players, and the sign of collapse.

Networks, parameters and optimiser states of the players are dicts by name, see `networks`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from adjax.methods.networks import relative_spread
from adjax.methods.stage import Limit, TrainState, Variables, descend, norm

SPREAD = "spread"
_FLAT = 1e-12  # added to a squared norm, whose root has no derivative at zero

# `(variables of the stage) -> (loss, (metrics, model_state))`; the loss is the mean over the
# device's images, `model_state` holds the other collections of all networks of the stage.
Objective = Callable[[Variables], tuple[jax.Array, tuple[dict, dict]]]
# `(state, image, key) -> (state, metrics)`: one player's step.
Turn = Callable[[TrainState, jax.Array, jax.Array], tuple[TrainState, dict]]


def to_signed(image: jax.Array) -> jax.Array:
    """Map images from [0, 1] to [-1, 1], the range of tanh."""
    return 2 * image - 1


def to_unit(image: jax.Array) -> jax.Array:
    """Map images from [-1, 1] to [0, 1]."""
    return (image + 1) / 2


def binary_cross_entropy(logit: jax.Array, target: float) -> jax.Array:
    """Return `-t log p - (1 - t) log (1 - p)` with `p = sigmoid(logit)`, elementwise."""
    return target * jax.nn.softplus(-logit) + (1 - target) * jax.nn.softplus(logit)


def discriminator_loss(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Return the sum of the mean cross-entropies of logits of real and of made images."""
    return binary_cross_entropy(real, 1.0).mean() + binary_cross_entropy(fake, 0.0).mean()


def generator_loss(fake: jax.Array) -> jax.Array:
    """Return the non-saturating loss (Goodfellow et al. 2014) of logits of made images."""
    return binary_cross_entropy(fake, 1.0).mean()


def gradient_penalty(
    critic: Callable[[jax.Array], jax.Array], real: jax.Array, fake: jax.Array, mix: jax.Array
) -> jax.Array:
    """Penalise a critic whose slope between real and made images is not one (Gulrajani 2017).

    Args:
      critic: `[B, H, W, C] -> [B]`; the value of an image must not depend on those beside it.
      real: images.
      fake: images.
      mix: `[B]` in [0, 1], where between `real` (0) and `fake` (1) the slope is taken.

    Returns:
      `(|gradient| - 1)^2` at each image, `[B]`.

    """
    between = real + mix[:, None, None, None] * (fake - real)
    gradient = jax.grad(lambda image: critic(image).sum())(between)
    slope = jnp.sqrt(jnp.square(gradient).sum((1, 2, 3)) + _FLAT)
    return jnp.square(slope - 1)


def split_batch(image: jax.Array, parts: int) -> jax.Array:
    """Split `[parts * B, ...]` into `[parts, B, ...]`, each image in one part.

    Parts are interleaved, so that each has the same images however many devices share the batch.
    """
    return image.reshape(-1, parts, *image.shape[1:]).swapaxes(0, 1)


def step_network(
    state: TrainState,
    name: str,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    rate: jax.Array | float,
    weight_decay: jax.Array | float = 0.0,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Take one step with one network of a stage; the others stay as they are.

    Args:
      state: the stage's, as `networks.init_networks` makes it; its step is not counted here.
      name: the network that moves.
      objective: what it descends.
      optimizer: gives the direction of descent for a learning rate of one.
      rate: the learning rate.
      weight_decay: decoupled, as in AdamW.

    Returns:
      The state and the metrics: the objective's, `NAME_loss` and `NAME_grad_norm`.

    """

    def objective_of(params: Any):
        return objective({**state.variables, "params": {**state.params, name: params}})

    params, opt_state, (loss, (metrics, model_state)), grad_norm = descend(
        objective_of, state.params[name], optimizer, state.opt_state[name], rate, weight_decay
    )
    state = state.replace(
        params={**state.params, name: params},
        opt_state={**state.opt_state, name: opt_state},
        model_state=model_state,
    )
    return state, {**metrics, f"{name}_loss": loss, f"{name}_grad_norm": grad_norm}


def in_turns(critic: Turn, generator: Turn, critic_steps: int = 1) -> Turn:
    """Return an update in which the critic takes `critic_steps` steps and then the generator one.

    The batch is split: each of the critic's steps sees images that no other sees, so that an update
    takes `critic_steps` times the images of a step. The generator's sees those of the last.

    Returns:
      `(state, image, key) -> (state, metrics)`; the critic's metrics are means over its steps. The
      norm of all parameters is `param_norm`, and the update is counted in `state.step`.

    """

    def update(state, image, key):
        critic_key, generator_key = jax.random.split(key)
        parts = split_batch(image, critic_steps)

        def turn(state, part):
            return critic(state, *part)

        keys = jax.random.split(critic_key, critic_steps)
        state, metrics = lax.scan(turn, state, (parts, keys))
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
        state, more = generator(state, parts[-1], generator_key)
        more = more | {"param_norm": norm(state.params)}
        return state.replace(step=state.step + 1), metrics | more

    return update


def spread_of(made: jax.Array, real: jax.Array) -> dict[str, jax.Array]:
    """Return `networks.relative_spread`, without a gradient, as the metric of `spread_limit`."""
    return {SPREAD: lax.stop_gradient(relative_spread(made, real))}


def spread_limit(least: float, after: int) -> Limit:
    """Return the limit below which a generator has collapsed: its images hardly differ.

    Args:
      least: value of `spread_of`; healthy generators are near 1.
      after: steps that do not count; a generator begins with images that are much alike.

    """
    return Limit(SPREAD, least, after, "the generator's images are nearly alike, it has collapsed")

"""Generators that reproduce images against a discriminator, for GANomaly and Skip-GANomaly.

As in the authors' released code, both networks step at once from the same state, and a
discriminator that has won (a loss below 1e-5) begins anew, while its statistics and its optimiser's
moments stay. Images are padded with black to a square of a power of two (28 px to the published
32) and taken to [-1, 1], the range of tanh, here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import lax

from adjax.methods.adversarial import spread_limit, spread_of, to_signed, to_unit
from adjax.methods.networks import Network, init_networks, variables_of, with_state
from adjax.methods.reproducing_settings import ReproducingGAN
from adjax.methods.stage import Stage, TrainState, Variables, descend, dynamic_keys, norm

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
_WON = 1e-5
_LEAST_SIZE = 8  # of images in pixels
_LEAST_SPREAD = 0.01  # [D] of reconstructions


class Reproduction(NamedTuple):
    """A batch, its reconstruction, and what the discriminator sees; in [-1, 1].

    Attributes:
      image: framed, `[B, S, S, C]`.
      made: the generator's reconstruction, the same shape.
      out: the generator's intermediates, by name.
      real: the discriminator's logit `[B]` and features `[B, ...]` of the image.
      fake: logit and features of the reconstruction.

    """

    image: jax.Array
    made: jax.Array
    out: dict[str, jax.Array]
    real: tuple[jax.Array, jax.Array]
    fake: tuple[jax.Array, jax.Array]


# Terms of the generator's loss, weighted, by name, `[B]` each; their sum is the loss.
Terms = Callable[[Reproduction], dict[str, jax.Array]]
Loss = Callable[[Reproduction], jax.Array]  # the discriminator's, [B]


class Players(NamedTuple):
    """The two networks of a stage.

    Attributes:
      generator: images `[B, S, S, C]` in [-1, 1] to `(reconstruction, out)`.
      discriminator: such images to `(logit [B], features [B, ...])`.

    """

    generator: nn.Module
    discriminator: nn.Module

    def reproduce(self, variables: Variables, image: jax.Array) -> Reproduction:
        """Apply both to images `[B, H, W, C]` in [0, 1], with the statistics of training."""

        def look(image):
            return self.discriminator.apply(variables_of(variables, DISCRIMINATOR), image)

        framed = to_frame(image)
        made, out = self.generator.apply(variables_of(variables, GENERATOR), framed)
        return Reproduction(framed, made, out, look(framed), look(made))


def to_frame(image: jax.Array) -> jax.Array:
    """Put images `[B, H, W, C]` of [0, 1] on black squares of a power of two, in [-1, 1]."""
    size = max(_LEAST_SIZE, 1 << (max(image.shape[1:3]) - 1).bit_length())
    pads = [((size - n) // 2, size - n - (size - n) // 2) for n in image.shape[1:3]]
    return to_signed(jnp.pad(image, ((0, 0), *pads, (0, 0))))


def crop_frame(framed: jax.Array, image: jax.Array) -> jax.Array:
    """Cut from a framed batch what lies where `image` `[B, H, W, C]` does; still in [-1, 1]."""
    top, left = ((framed.shape[axis] - image.shape[axis]) // 2 for axis in (1, 2))
    height, width = image.shape[1:3]
    return framed[:, top : top + height, left : left + width]


def from_frame(framed: jax.Array, image: jax.Array) -> jax.Array:
    """Cut from a framed batch what lies where `image` `[B, H, W, C]` does, in [0, 1]."""
    return to_unit(crop_frame(framed, image))


def reproducing_stage(
    name: str, own: ReproducingGAN, players: Players, terms: Terms, loss: Loss, dtype: str
) -> Stage:
    """Return the training of both networks.

    Args:
      name: the stage's and its section's.
      own: that section.
      players: the networks; their `train` computes batch statistics.
      terms: the generator's; validation is by their sum.
      loss: the discriminator's.
      dtype: of activations in training.

    """
    adam = optax.scale_by_adam(b1=0.5)  # b2 is 0.999
    networks = {
        GENERATOR: Network(players.generator, to_frame, adam),
        DISCRIMINATOR: Network(players.discriminator, to_frame, adam),
    }
    trained = Players(*(model.copy(dtype=dtype) for model in players))
    rate, decay = dynamic_keys(name)

    def update(state, frozen, batch, key, member):
        image = to_frame(batch["image"])

        def objective(params):
            return _both_losses(trained, state, params, image, terms, loss)

        params, opt_state, (_, (metrics, model_state)), grad_norm = descend(
            objective, state.params, _each(networks), state.opt_state, member[rate], member[decay]
        )
        params[DISCRIMINATOR], renewed = _renewed_if_won(
            players.discriminator, params[DISCRIMINATOR], metrics["discriminator_loss"], image, key
        )
        metrics |= {
            "renewed": renewed,
            "grad_norm": grad_norm,
            "param_norm": norm(params),
        }
        return TrainState(state.step + 1, params, model_state, opt_state), metrics

    def validate(variables, frozen, image):
        return sum(terms(players.reproduce(variables, image)).values())

    return Stage(
        name=name,
        steps=own.steps,
        batch_size=own.batch_size,
        images_per_update=own.batch_size,
        depends_on=("data", name),
        init=init_networks(networks),
        update=update,
        validate=validate,
        limits=(spread_limit(_LEAST_SPREAD, max(200, own.steps // 10)),),
    )


def _both_losses(players: Players, state: TrainState, params, image, terms: Terms, loss: Loss):
    """Return the sum of both losses, of which each network's parameters see their own alone."""
    held = lax.stop_gradient(params[DISCRIMINATOR])

    def run(name, model, params, model_state, image):
        variables = variables_of(model_state, name, params)
        output, own = model.apply(variables, image, train=True, mutable=["batch_stats"])
        return output, with_state(model_state, name, own)

    def look(params, model_state, image):
        return run(DISCRIMINATOR, players.discriminator, params, model_state, image)

    (made, out), model_state = run(
        GENERATOR, players.generator, params[GENERATOR], state.model_state, image
    )
    (real, _), (fake, _) = look(held, model_state, image), look(held, model_state, made)
    own = {k: v.mean() for k, v in terms(Reproduction(image, made, out, real, fake)).items()}
    made = lax.stop_gradient(made)
    real, model_state = look(params[DISCRIMINATOR], model_state, image)
    fake, model_state = look(params[DISCRIMINATOR], model_state, made)
    others = loss(Reproduction(image, made, out, real, fake)).mean()
    metrics = {"loss": sum(own.values()), "discriminator_loss": others, **own}
    metrics |= spread_of(made, image)
    return metrics["loss"] + others, (metrics, model_state)


def _each(networks: dict[str, Network]) -> optax.GradientTransformation:
    """Return the optimiser of all networks, each by its own, for states of `init_networks`."""

    def init(params):
        return {name: own.optimizer.init(params[name]) for name, own in networks.items()}

    def update(updates, states, params):
        directions, new = {}, {}
        for name, own in networks.items():
            directions[name], new[name] = own.optimizer.update(
                updates[name], states[name], params[name]
            )
        return directions, new

    return optax.GradientTransformation(init, update)


def _renewed_if_won(model, params, loss: jax.Array, image, key) -> tuple[Any, jax.Array]:
    """Draw parameters anew if the loss leaves nothing to learn; beside them 1 if so, else 0."""

    def draw():
        return model.init(key, image[:1])["params"]

    renewed = loss < _WON
    # Of branches `count_flops` takes the last: the one that mostly runs.
    params = lax.cond(~renewed, lambda: params, draw)
    return params, renewed.astype(jnp.float32)

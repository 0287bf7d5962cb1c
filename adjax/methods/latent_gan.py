"""Generators of images from drawn latents, for AnoGAN and f-AnoGAN."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from adjax.methods import adversarial
from adjax.methods.networks import Network, init_networks, variables_of, with_state
from adjax.methods.precision import in_training
from adjax.methods.stage import TrainState, Variables, drawn_share

GENERATOR = "generator"


class LatentGAN(NamedTuple):
    """A generator and the network that judges what it makes.

    Attributes:
      generator: `image shape -> module` from `z [B, Z]` to images in [-1, 1].
      judge: module of images in [-1, 1], a discriminator or a critic.
      judge_name: names its parameters in the stage.
      latent_size: Z.
      draw: `(key, shape) -> latents`.
      optimizer: both have it, each with its own state.

    """

    generator: Callable[..., nn.Module]
    judge: nn.Module
    judge_name: str
    latent_size: int
    draw: Callable[[jax.Array, tuple[int, ...]], jax.Array]
    optimizer: optax.GradientTransformation

    def init(self, key: jax.Array, image: jax.Array) -> TrainState:
        """Make the state of an untrained stage, see `Stage.init`."""
        networks = {
            GENERATOR: Network(
                self.generator(image.shape[1:]),
                lambda image: jnp.zeros((1, self.latent_size)),
                self.optimizer,
            ),
            self.judge_name: Network(self.judge, lambda image: image, self.optimizer),
        }
        return init_networks(networks)(key, image)

    def generate(self, variables: Variables, z: jax.Array, image: jax.Array) -> jax.Array:
        """Make images of latents in the shape of `image`, with the statistics of training."""
        own = variables_of(variables, GENERATOR)
        return self.generator(image.shape[1:]).apply(own, z)[0]

    def make(
        self, variables: Variables, image: jax.Array, key: jax.Array, precision: str
    ) -> tuple[jax.Array, Any]:
        """Make as many images of fresh latents as `image` has; return G's new statistics too."""
        z = drawn_share(self.draw, key, (len(image), self.latent_size))
        model = in_training(self.generator(image.shape[1:]), precision)
        own = variables_of(variables, GENERATOR)
        (made, _), statistics = model.apply(own, z, train=True, mutable=["batch_stats"])
        return made, statistics

    def generator_turn(
        self, loss_of: Callable, precision: str, *rates: jax.Array
    ) -> adversarial.Turn:
        """Return the generator's step.

        Args:
          loss_of: `(variables of the stage, made images) -> loss []`.
          precision: of the generator in training.
          *rates: learning rate and weight decay.

        """

        def turn(state, image, key):
            def objective(variables):
                made, statistics = self.make(variables, image, key, precision)
                metrics = adversarial.spread_of(made, adversarial.to_signed(image))
                model_state = with_state(state.model_state, GENERATOR, statistics)
                return loss_of(variables, made), (metrics, model_state)

            return adversarial.step_network(state, GENERATOR, objective, self.optimizer, *rates)

        return turn

"""Several networks that one stage trains: generators, critics, encoders.

Their parameters, other collections and optimiser states are dicts by the networks' names within one
`TrainState`, so that checkpoints, populations and devices see a stage like any other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from adjax.methods.stage import DATA_AXIS, TrainState, Variables


class Network(NamedTuple):
    """One of the networks of a stage.

    Attributes:
      model: takes `(input)`, and `train=True` where it is trained.
      example: `image [1, H, W, C] -> input`, from which the shapes of its parameters follow.
      optimizer: gives the direction of descent for a learning rate of one.

    """

    model: nn.Module
    example: Callable[[jax.Array], jax.Array]
    optimizer: optax.GradientTransformation


def init_networks(networks: dict[str, Network]) -> Callable[[jax.Array, jax.Array], TrainState]:
    """Return `Stage.init` of several networks."""

    def init(key: jax.Array, image: jax.Array) -> TrainState:
        params, opt_state, model_state = {}, {}, {}
        for number, (name, network) in enumerate(networks.items()):
            own_key = jax.random.fold_in(key, number)
            collections = dict(network.model.init(own_key, network.example(image)))
            params[name] = collections.pop("params")
            opt_state[name] = network.optimizer.init(params[name])
            for collection, tree in collections.items():
                model_state.setdefault(collection, {})[name] = tree
        return TrainState(jnp.zeros((), jnp.int32), params, model_state, opt_state)

    return init


def variables_of(variables: Variables, name: str, params: Any = None) -> Variables:
    """Return one network's variables out of a stage's, with `params` for its own if given."""
    own = {key: trees[name] for key, trees in variables.items() if name in trees}
    return own if params is None else {**own, "params": params}


def with_state(model_state: dict, name: str, collections: dict) -> dict:
    """Return a stage's other collections with those of one network replaced."""
    return {
        key: {**trees, name: collections[key]} if key in collections else trees
        for key, trees in model_state.items()
    }


def relative_spread(made: jax.Array, real: jax.Array) -> jax.Array:
    """Return how much made images `[B, ...]` differ from each other, relative to real ones.

    It is the standard deviation over all images of all devices, root mean square over pixels, of
    the made ones over that of the real ones: near 0 if all are made alike, which is collapse.
    """

    def spread(x):
        mean, square = jax.lax.pmean((x.mean(0), jnp.square(x).mean(0)), DATA_AXIS)
        return jnp.sqrt(jnp.maximum(square - jnp.square(mean), 0).mean())

    return spread(made) / spread(real)

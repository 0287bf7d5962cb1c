"""Variables of a model without compiling its initialisation."""

import jax
import jax.numpy as jnp
import numpy as np


def shapes_of(model, image_shape):
    """Shapes of the variables for images `[H, W, C]`."""
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), image)


def random_variables(model, image_shape, seed=0):
    """Variables with every leaf drawn at random, those that start at zero or one too."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape, np.float32)
        if path[-1].key == "kernel":
            return value / np.float32(np.sqrt(2 * np.prod(leaf.shape[:-1])))
        return 0.5 + np.abs(value) if path[-1].key in ("var", "scale") else 0.1 * value

    return jax.tree_util.tree_map_with_path(draw, shapes_of(model, image_shape))

"""Variables of a model without compiling its initialisation; layers written out."""

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


def count(model, image_shape):
    """How many parameters a model has for images `[H, W, C]`."""
    return sum(x.size for x in jax.tree.leaves(shapes_of(model, image_shape)["params"]))


def assert_returns_float32(model, image, dtype=jnp.bfloat16):
    """Activations of another type change neither the variables nor the type of what is returned."""
    half = model.clone(dtype=dtype)
    variables = shapes_of(half, image.shape[1:])
    assert variables == shapes_of(model, image.shape[1:])
    found = jax.eval_shape(half.apply, variables, image)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}


def halved(x, kernel):
    """A 4 x 4 convolution of stride 2 with PyTorch's padding of 1."""
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    return jax.lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), **layout)


def doubled(x, kernel):
    """Its transpose: the kernel `[4, 4, O, I]` added, weighted, at every second pixel."""
    size = 2 * x.shape[1]
    y = jnp.zeros((len(x), size + 2, size + 2, kernel.shape[2]), jnp.float32)
    for row in range(4):
        for column in range(4):
            part = jnp.einsum("bhwi,oi->bhwo", x, kernel[row, column])
            y = y.at[:, row : row + size : 2, column : column + size : 2].add(part)
    return y[:, 1:-1, 1:-1]


def normalised(x, variables, name):
    """Batch normalisation by running statistics, with an epsilon of 1e-5."""
    mean, var, scale, bias = (
        variables[collection][name][key].reshape(1, 1, 1, -1)
        for collection, key in (
            ("batch_stats", "mean"),
            ("batch_stats", "var"),
            ("params", "scale"),
            ("params", "bias"),
        )
    )
    return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias

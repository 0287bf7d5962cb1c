"""Precision of products: what a GPU or a TPU makes of float32 operands.

Left to itself XLA has their fast units multiply them: a GPU rounds operands to TF32, with 10 bits
of mantissa, a TPU to bfloat16, with 7. Programs of ours are traced in a context that says what is
meant; it stands at every product and convolution, in exported programs too. On CPU all of them are
float32.
"""

import contextlib

import jax

_PRODUCTS = {
    "float32": "highest",
    "tf32": "tensorfloat32",  # on a TPU three passes of bfloat16, which are no worse
    "bfloat16": "default",  # operands are bfloat16 already
}


def products_in(precision: str) -> contextlib.AbstractContextManager:
    """Return a context in which programs are traced with products of this precision.

    Args:
      precision: "float32", "tf32" or "bfloat16".

    """
    return jax.default_matmul_precision(_PRODUCTS[precision])


def precision_of_products() -> str | None:
    """Return the precision of the context, as `jax.lax` takes it; None outside of any.

    What has a gradient of its own keeps it, as the gradient is traced elsewhere.
    """
    return jax.config.jax_default_matmul_precision

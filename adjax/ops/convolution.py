"""The convolution of every network: NHWC images, HWIO kernels, its own gradients.

A strided convolution `y = conv(x, w)` is bilinear, and so are its two adjoints:

    conv(x, w)            -> y      the strided convolution
    conv_input(y, w)      -> x      adjoint in x: the transposed convolution
    conv_kernel(x, y)     -> w      adjoint in w: the weight gradient

The derivative of each of the three consists of the other two, so the family is closed: gradients of
gradients (a WGAN gradient penalty) run through the same kernels. Every adjoint is written as a
plain convolution in XLA's canonical layout, because XLA's CPU backend only rewrites convolutions
at the top level of a program: autodiff's own weight gradients fall back to a naive loop inside
`scan` and `map` (85 times slower), and those of transposed convolutions do so everywhere.

The CPU forms are chosen when a program is lowered for CPU; other platforms lower the adjoints to
the transposes of `lax.conv_general_dilated`, which their libraries recognise. With the optional
package `native/` installed, oneDNN computes all three on CPU (`adjax.ops.convolution_backend`).
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import initializers
from jax.typing import DTypeLike

from adjax.ops.backend import chosen_library
from adjax.ops.members import by_member
from adjax.ops.precision import precision_of_products

Initializer = initializers.Initializer
Padding = tuple[tuple[int, int], tuple[int, int]]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_FEW = 4  # so few channels leave most of a vector empty
# Axes along which more operands make more results: more images, or more channels.
_WIDER = {
    "conv": ((0, 0), (3, 3)),
    "conv_input": ((0, 0), (2, 3)),
    "conv_kernel": ((3, 2), (3, 3)),
}


def conv(
    x: jax.Array,
    w: jax.Array,
    strides: tuple[int, int] = (1, 1),
    padding: str | Sequence[tuple[int, int]] = "SAME",
) -> jax.Array:
    """Strided convolution (correlation).

    Args:
      x: `[B, H, W, I]`.
      w: kernel `[kh, kw, I, O]`, same dtype as `x`.
      strides: `(sh, sw)`.
      padding: "SAME", "VALID" or `((top, bottom), (left, right))`.

    Returns:
      `[B, H', W', O]`.

    """
    padding = _explicit_padding(x.shape[1:3], w.shape[:2], strides, padding)
    return _conv(x, w, tuple(strides), padding, precision_of_products())


def conv_transpose(
    y: jax.Array,
    w: jax.Array,
    strides: tuple[int, int] = (1, 1),
    padding: str | Sequence[tuple[int, int]] = "SAME",
) -> jax.Array:
    """Transposed convolution: the adjoint of `conv` with respect to its image.

    Args:
      y: `[B, H, W, I]`.
      w: kernel `[kh, kw, O, I]` of the convolution that this transposes (it maps O to I channels).
      strides: `(sh, sw)`, the factors by which the image grows.
      padding: "SAME": the image grows to exactly `(sh H, sw W)`; "VALID" or the explicit padding of
        the convolution that this transposes: to the smallest image it maps to `(H, W)`, that is
        `((H - 1) sh + kh - top - bottom, (W - 1) sw + kw - left - right)`.

    Returns:
      `[B, H', W', O]`.

    """
    if padding == "SAME":
        size = tuple(n * s for n, s in zip(y.shape[1:3], strides, strict=True))
    else:
        pads = ((0, 0), (0, 0)) if padding == "VALID" else padding
        size = tuple(
            (n - 1) * s + k - sum(p)
            for n, s, k, p in zip(y.shape[1:3], strides, w.shape[:2], pads, strict=True)
        )
    padding = _explicit_padding(size, w.shape[:2], strides, padding)
    return _conv_input(y, w, tuple(strides), padding, size, precision_of_products())


def conv_of_upsampled(x: jax.Array, w: jax.Array) -> jax.Array:
    """Compute `conv(upsample_nearest(x), w)` with a smaller kernel and no upsampled image.

    Pixels of the upsampled image that share a source share a product: per pixel, a 5 x 5 kernel
    costs as much as 3 x 3, and a 3 x 3 kernel as much as 2 x 2.

    Args:
      x: `[B, H, W, I]`.
      w: kernel `[kh, kw, I, O]`, same dtype as `x`.

    Returns:
      `[B, 2 H, 2 W, O]`.

    """
    # Doubling an image is the transpose of a stride-2 convolution with a 2 x 2 box; together with
    # the convolution that follows it is a single one, whose kernel is one tap larger.
    w = w[::-1, ::-1]
    w = _pad_rows(w, 0, 1) + _pad_rows(w, 1, 0)
    w = w.swapaxes(0, 1)
    w = (_pad_rows(w, 0, 1) + _pad_rows(w, 1, 0)).swapaxes(0, 1)
    after = [(k - 2) // 2 for k in w.shape[:2]]
    padding = tuple((k - 2 - p, p) for k, p in zip(w.shape[:2], after, strict=True))
    return conv_transpose(x, w.swapaxes(2, 3), (2, 2), padding)


def _pad_rows(w: jax.Array, before: int, after: int) -> jax.Array:
    return jnp.pad(w, ((before, after), (0, 0), (0, 0), (0, 0)))


def _explicit_padding(size, kernel, strides, padding) -> Padding:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(size, kernel, strides, padding)
    if min(map(min, padding)) < 0:
        raise ValueError(f"padding {padding} is negative: crop the image instead")
    return tuple((int(lo), int(hi)) for lo, hi in padding)


# The three bilinear maps. `strides` and `padding` are always those of the convolution; `size` is
# the height and width of its image, `kernel` of its kernel: its output determines neither.
# `precision` is that of its products, for gradients are traced out of the context of `conv`.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv(x, w, strides, padding, precision):
    default = functools.partial(_lax_conv, strides=strides, padding=padding, precision=precision)
    return _per_platform("conv", x, w, default, default, strides, padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _conv_input(y, w, strides, padding, size, precision):
    def default(y, w):
        x = jax.ShapeDtypeStruct((y.shape[0], *size, w.shape[2]), y.dtype)
        convolve = functools.partial(
            _lax_conv, w=w, strides=strides, padding=padding, precision=precision
        )
        return jax.linear_transpose(convolve, x)(y)[0]

    cpu = functools.partial(_conv_input_cpu, strides=strides, padding=padding, size=size)
    return _per_platform("conv_input", y, w, default, cpu, strides, padding, size)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _conv_kernel(x, y, strides, padding, kernel, precision):
    def default(x, y):
        w = jax.ShapeDtypeStruct((*kernel, x.shape[3], y.shape[3]), y.dtype)
        convolve = functools.partial(
            _lax_conv, x, strides=strides, padding=padding, precision=precision
        )
        return jax.linear_transpose(convolve, w)(y)[0]

    cpu = functools.partial(_conv_kernel_cpu, strides=strides, padding=padding, kernel=kernel)
    return _per_platform("conv_kernel", x, y, default, cpu, strides, padding, kernel)


def _per_platform(name, a, b, default, cpu, strides, padding, *static):
    """Apply one of the three maps, on CPU with oneDNN where that is selected and faster."""
    library = chosen_library()
    is_better = a.dtype in (jnp.float32, jnp.bfloat16)
    if name == "conv_input" and strides != (1, 1):
        is_better &= b.shape[2] > _FEW  # its forward kernels are faster in phases
    if library is not None and is_better:

        def cpu(a, b):
            return getattr(library, name)(a, b, strides, padding, *static)

    def apply(a, b):
        return lax.platform_dependent(a, b, cpu=cpu, default=default)

    return by_member(apply, a, b, *_WIDER[name])


def _keeping_operands(bilinear):
    return lambda a, b, *static: (bilinear(a, b, *static), (a, b))


def _conv_backward(strides, padding, precision, operands, y):
    x, w = operands
    return (
        _conv_input(y, w, strides, padding, x.shape[1:3], precision),
        _conv_kernel(x, y, strides, padding, w.shape[:2], precision),
    )


def _conv_input_backward(strides, padding, size, precision, operands, x):
    y, w = operands
    return (
        _conv(x, w, strides, padding, precision),
        _conv_kernel(x, y, strides, padding, w.shape[:2], precision),
    )


def _conv_kernel_backward(strides, padding, kernel, precision, operands, w):
    x, y = operands
    return (
        _conv_input(y, w, strides, padding, x.shape[1:3], precision),
        _conv(x, w, strides, padding, precision),
    )


_conv.defvjp(_keeping_operands(_conv), _conv_backward)
_conv_input.defvjp(_keeping_operands(_conv_input), _conv_input_backward)
_conv_kernel.defvjp(_keeping_operands(_conv_kernel), _conv_kernel_backward)


def _lax_conv(x, w, strides, padding, precision):
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=_LAYOUT, precision=precision
    )


def _conv_input_cpu(y, w, *, strides, padding, size):
    """Compute all phases of a transposed convolution at once.

    Row `i` of the image takes tap `t` of output row `o` where `o s + t = i + p`. With
    `i + p = q s + r` the taps of phase `r` are `r, r + s, r + 2 s ...`: a stride-1 convolution
    over `q`. Interleaving the `s * s` phases gives the image.
    """
    (sh, sw), (kh, kw), features = strides, w.shape[:2], w.shape[2]
    taps = -(-kh // sh), -(-kw // sw)
    w = jnp.pad(w, ((0, taps[0] * sh - kh), (0, taps[1] * sw - kw), (0, 0), (0, 0)))
    w = w.reshape(taps[0], sh, taps[1], sw, features, -1)
    by_products = features == 1 and y.dtype == jnp.float32
    x = (_phases_of_one_channel if by_products else _phases)(y, w)
    rows = x.shape[1:3]
    if strides != (1, 1):
        x = x.reshape(-1, *rows, sh, sw, features).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(-1, rows[0] * sh, rows[1] * sw, features)
    starts = [lo for lo, _ in padding]
    # The last rows of an image may touch no output.
    missing = [
        max(0, lo + n - have) for lo, n, have in zip(starts, size, x.shape[1:3], strict=True)
    ]
    if any(missing):
        x = jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    (top, left), (height, width) = starts, size
    return x[:, top : top + height, left : left + width]


def _phases(y, w):
    """Compute the channels of all phases by one stride-1 convolution.

    `y [B, H, W, I]`, `w [ta, sh, tb, sw, O, I]` -> `[B, H + ta - 1, W + tb - 1, sh * sw * O]`.
    """
    ta, sh, tb, sw, features, inputs = w.shape
    w = w[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)  # a convolution takes the last tap first
    w = w.reshape(ta, tb, inputs, sh * sw * features)
    padding = (ta - 1, ta - 1), (tb - 1, tb - 1)
    return _conv(y, w, (1, 1), padding, precision_of_products())


def _phases_of_one_channel(y, w):
    """Compute the same for O = 1 as one product for all taps, whose shifted parts are summed.

    A convolution to so few channels would leave most of every vector empty.
    """
    ta, sh, tb, sw, _, inputs = w.shape
    product = (y.reshape(-1, inputs) @ w.reshape(-1, inputs).T).reshape(
        *y.shape[:3], ta, sh, tb, sw
    )
    parts = [
        jnp.pad(
            product[:, :, :, a, :, b],
            ((0, 0), (a, ta - 1 - a), (b, tb - 1 - b), (0, 0), (0, 0)),
        )
        for a in range(ta)
        for b in range(tb)
    ]
    x = functools.reduce(jnp.add, parts)
    return x.reshape(*x.shape[:3], sh * sw)


def _conv_kernel_cpu(x, y, *, strides, padding, kernel):
    """Compute the weight gradient by convolving images with output gradients, channels as batch.

    The transposes to NHWC and HWIO are explicit: with them XLA needs no rewrite to reach its fast
    kernel, in a loop body as anywhere else.
    """
    # The last rows of an image may touch no output; only the first `kernel` shifts are needed.
    pads = tuple(
        (lo, (n - 1) * s + k - size - lo)
        for (lo, _), n, s, k, size in zip(
            padding, y.shape[1:3], strides, kernel, x.shape[1:3], strict=True
        )
    )
    w = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        y.transpose(1, 2, 0, 3),
        (1, 1),
        pads,
        rhs_dilation=strides,
        dimension_numbers=_LAYOUT,
    )
    return w.transpose(1, 2, 0, 3)


class Conv(nn.Module):
    """Convolution layer: `[B, H, W, C]` -> `[B, H', W', features]`; parameters stay float32.

    With `upsample` it convolves `upsample_nearest` of its input, with stride 1 and padding "SAME".
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str | Padding = "SAME"
    use_bias: bool = True
    dtype: DTypeLike | None = None
    kernel_init: Initializer = initializers.lecun_normal()
    upsample: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        if not self.upsample:
            return _with_bias(self, conv, x, kernel)
        if self.strides != (1, 1) or self.padding != "SAME":
            raise ValueError("a convolution that upsamples has stride 1 and padding 'SAME'")
        return _with_bias(self, lambda x, w, *_: conv_of_upsampled(x, w), x, kernel)


class ConvTranspose(nn.Module):
    """Transposed convolution layer: `[B, H, W, C]` -> `[B, sh H, sw W, features]` for "SAME".

    The kernel is that of the convolution it transposes, `[kh, kw, features, C]`.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str | Padding = "SAME"
    use_bias: bool = True
    dtype: DTypeLike | None = None
    kernel_init: Initializer = initializers.lecun_normal(in_axis=-1, out_axis=-2)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer."""
        shape = (*self.kernel_size, self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        return _with_bias(self, conv_transpose, x, kernel)


def _with_bias(layer, convolve, x, kernel):
    """Convolve in the layer's dtype (that of `x` by default) and add its bias, if it has one."""
    dtype = layer.dtype or x.dtype
    y = convolve(x.astype(dtype), kernel.astype(dtype), layer.strides, layer.padding)
    if layer.use_bias:
        bias = layer.param("bias", initializers.zeros, (layer.features,), jnp.float32)
        y = _add_bias(y, bias.astype(dtype))
    return y


@jax.custom_vjp
def _add_bias(y: jax.Array, bias: jax.Array) -> jax.Array:
    return y + bias.reshape(1, 1, 1, -1)


def _add_bias_backward(_, y):
    # A product with ones: XLA's CPU backend fuses a sum over positions into the loop that makes
    # its operand, where it runs column by column.
    columns = y.reshape(-1, y.shape[-1])
    return y, (jnp.ones((1, columns.shape[0]), y.dtype) @ columns)[0]


_add_bias.defvjp(lambda y, bias: (_add_bias(y, bias), None), _add_bias_backward)

"""Batch normalisation whose sums are products, which XLA's CPU backend computes far faster."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from adjax.ops.backend import for_cpu


class BatchNorm(nn.Module):
    """`flax.linen.BatchNorm` over all axes but the last: the same variables, the same numbers.

    Attributes:
      use_running_average: normalise by the running statistics, and leave them unchanged.
      momentum: momentum of the running statistics.
      epsilon: added to the variance.
      axis_name: mesh axis over which batch statistics are averaged, if any.
      dtype: dtype of the result; by default that of the input. Statistics are float32.
      scale_init: initialiser of the scale.
      use_scale: whether normalised channels are multiplied by a parameter.
      use_bias: whether a parameter is added to them.

    """

    use_running_average: bool
    momentum: float = 0.99
    epsilon: float = 1e-5
    axis_name: str | None = None
    dtype: DTypeLike | None = None
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    use_scale: bool = True
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise `[..., C]`."""
        shape = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        variance = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        scale = bias = None
        if self.use_scale:
            scale = self.param("scale", self.scale_init, shape, jnp.float32)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        if self.use_running_average:
            moments = mean.value, variance.value
        else:
            first, second = _moments(x)
            if self.axis_name is not None and not self.is_initializing():
                first, second = lax.pmean((first, second), self.axis_name)
            moments = first, jnp.maximum(second - jnp.square(first), 0)
            if not self.is_initializing():
                for running, new in zip((mean, variance), moments, strict=True):
                    running.value = self.momentum * running.value + (1 - self.momentum) * new
        factor = lax.rsqrt(moments[1] + self.epsilon)
        factor = factor if scale is None else scale * factor
        offset = -moments[0] * factor if bias is None else bias - moments[0] * factor
        y = _scale_and_shift(x.astype(jnp.float32), factor, offset)
        return y.astype(self.dtype or x.dtype)


def _moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the means of an array and of its square over all axes but the last, `[C]`."""
    count = x.size // x.shape[-1]
    if for_cpu():
        return _sum(x) / count, _sum(jnp.square(x.astype(jnp.float32))) / count
    first, second = _sums(x, jnp.square(x.astype(jnp.float32)))
    return first / count, second / count


def _sums(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the sums of two arrays over all axes but the last, float32 `[C]` each.

    An accelerator starts fewer kernels for one reduction of both. On CPU even the order of
    operations stays as it was: another one rounds otherwise.
    """
    if for_cpu():
        return _sum(x), _sum(y)
    return _together(x.astype(jnp.float32), y.astype(jnp.float32))


@jax.custom_jvp
def _together(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    def add(one, other):
        return one[0] + other[0], one[1] + other[1]

    zero = jnp.zeros((), jnp.float32)
    return lax.reduce((x, y), (zero, zero), add, tuple(range(x.ndim - 1)))


@_together.defjvp
def _together_jvp(operands, tangents):
    return _together(*operands), tuple(t.sum(tuple(range(t.ndim - 1))) for t in tangents)


def _sum(x: jax.Array) -> jax.Array:
    """Return the sum over all axes but the last, float32 `[C]`.

    A product with ones: XLA's CPU backend fuses a sum over positions into the loop that makes its
    operand, where it runs column by column.
    """

    def cpu(x):
        x = x.reshape(-1, x.shape[-1]).astype(jnp.float32)
        return (jnp.ones((1, x.shape[0]), jnp.float32) @ x)[0]

    def default(x):
        return x.sum(tuple(range(x.ndim - 1)), dtype=jnp.float32)

    return lax.platform_dependent(x, cpu=cpu, default=default)


@jax.custom_vjp
def _scale_and_shift(x: jax.Array, factor: jax.Array, offset: jax.Array) -> jax.Array:
    """Return `x * factor + offset`, with one factor and one offset per channel."""
    shape = (1,) * (x.ndim - 1) + factor.shape
    return x * factor.reshape(shape) + offset.reshape(shape)


def _scale_and_shift_forward(x, factor, offset):
    return _scale_and_shift(x, factor, offset), (x, factor)


def _scale_and_shift_backward(operands, y):
    x, factor = operands
    of_x = y * factor.reshape((1,) * (x.ndim - 1) + factor.shape)
    return of_x, *_sums(x * y, y)


_scale_and_shift.defvjp(_scale_and_shift_forward, _scale_and_shift_backward)

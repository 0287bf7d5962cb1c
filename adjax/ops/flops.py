"""Floating-point operations of a program, whatever computes them.

XLA counts what it compiled: also the zeros of a transposed convolution, the body of a loop only
once, a library call not at all. Here every multiply-add of a product or convolution counts as two
operations, and nothing else counts.
"""

import math

from jax.extend import core


def count_flops(jaxpr: core.Jaxpr) -> int:
    """Return the operations of one run of a traced program: `jax.make_jaxpr(f)(...).jaxpr`.

    A loop of unknown length counts once; of several branches the last one counts, which is the
    default of `lax.platform_dependent`.
    """
    return sum(_COUNTS.get(e.primitive.name, _inner_flops)(e) for e in jaxpr.eqns)


def _product_flops(equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * equation.outvars[0].aval.size * math.prod(left[d] for d in contracted)


def _convolution_flops(equation) -> int:
    kernel, output = equation.invars[1].aval.shape, equation.outvars[0].aval
    _, inputs, *spatial = equation.params["dimension_numbers"].rhs_spec
    taps = math.prod(kernel[d] for d in spatial) / math.prod(equation.params["lhs_dilation"])
    return int(2 * output.size * kernel[inputs] * taps)


def _loop_flops(equation) -> int:
    return equation.params["length"] * _inner_flops(equation)


def _branch_flops(equation) -> int:
    return count_flops(equation.params["branches"][-1].jaxpr)


def _inner_flops(equation) -> int:
    """Return the operations of the programs inside an equation."""
    values = equation.params.values()
    inner = [v.jaxpr if isinstance(v, core.ClosedJaxpr) else v for v in values]
    return sum(count_flops(v) for v in inner if isinstance(v, core.Jaxpr))


_COUNTS = {
    "dot_general": _product_flops,
    "conv_general_dilated": _convolution_flops,
    "scan": _loop_flops,
    "cond": _branch_flops,
}

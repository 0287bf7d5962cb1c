"""Floating-point operations that a program asks for, whatever computes them.

XLA's own count is of what it compiled: the zeros of a transposed convolution too, a loop's body
once, a library call not at all. This one counts two for each multiply-add of every product and
convolution, and nothing else.
"""

import math

from jax.extend import core


def count_flops(jaxpr: core.Jaxpr) -> int:
    """Operations of one run of a traced program: `jax.make_jaxpr(f)(...).jaxpr`.

    A loop of unknown length counts once; of branches the last one counts: what
    `lax.platform_dependent` does by default.
    """
    return sum(_COUNTS.get(e.primitive.name, _of_called)(e) for e in jaxpr.eqns)


def _of_product(equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * equation.outvars[0].aval.size * math.prod(left[d] for d in contracted)


def _of_convolution(equation) -> int:
    kernel, output = equation.invars[1].aval.shape, equation.outvars[0].aval
    _, inputs, *spatial = equation.params["dimension_numbers"].rhs_spec
    taps = math.prod(kernel[d] for d in spatial) / math.prod(equation.params["lhs_dilation"])
    return int(2 * output.size * kernel[inputs] * taps)


def _of_loop(equation) -> int:
    return equation.params["length"] * _of_called(equation)


def _of_branches(equation) -> int:
    return count_flops(equation.params["branches"][-1].jaxpr)


def _of_called(equation) -> int:
    """What the programs inside an equation count."""
    values = equation.params.values()
    inner = [v.jaxpr if isinstance(v, core.ClosedJaxpr) else v for v in values]
    return sum(count_flops(v) for v in inner if isinstance(v, core.Jaxpr))


_COUNTS = {
    "dot_general": _of_product,
    "conv_general_dilated": _of_convolution,
    "scan": _of_loop,
    "cond": _of_branches,
}

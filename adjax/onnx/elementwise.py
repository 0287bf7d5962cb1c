"""Operations on each element by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adjax.onnx.graph import Graph, Value

# Primitives of JAX -> operators of ONNX, of as many arrays.
_OPERATORS = {
    "abs": "Abs",
    "add": "Add",
    "add_any": "Add",
    "ceil": "Ceil",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "sub": "Sub",
    "tanh": "Tanh",
}
_ON_BOOLS = {"and": "And", "or": "Or", "xor": "Xor", "not": "Not", "eq": "Equal"}
_ON_BITS = {"and": "BitwiseAnd", "or": "BitwiseOr", "xor": "BitwiseXor", "not": "BitwiseNot"}
_SHIFTS = {"shift_left": "LEFT", "shift_right_logical": "RIGHT"}
# Runtimes calculate with few types of whole numbers: in which these are calculated, and what
# overflows there is cut off again.
_CALCULATED = {"uint32": np.dtype(np.int64), "uint8": np.dtype(np.int32)}


def _number(graph: Graph, dtype, number) -> str:
    return graph.store(np.asarray(number, dtype))


def _unary(graph, dtype, x, primitive, params) -> str:
    """Add the nodes of what ONNX has under no name of its own."""
    if primitive == "rsqrt":
        return graph.node("Reciprocal", graph.node("Sqrt", x))
    if primitive == "square":
        return graph.node("Mul", x, x)
    if primitive == "integer_pow":
        return _integer_power(graph, dtype, x, params["y"])
    if primitive == "exp2":
        return graph.node("Pow", _number(graph, dtype, 2), x)
    if primitive == "log1p":
        return graph.node("Log", graph.node("Add", x, _number(graph, dtype, 1)))
    if primitive == "expm1":
        return graph.node("Sub", graph.node("Exp", x), _number(graph, dtype, 1))
    if primitive == "is_finite":
        infinite = graph.node("Or", graph.node("IsNaN", x), graph.node("IsInf", x))
        return graph.node("Not", infinite)
    raise KeyError(primitive)


def _integer_power(graph, dtype, x, exponent: int) -> str:
    if exponent == 2:
        return graph.node("Mul", x, x)
    if exponent == 3:
        return graph.node("Mul", graph.node("Mul", x, x), x)
    if exponent == -1:
        return graph.node("Reciprocal", x)
    return graph.node("Pow", x, _number(graph, dtype, exponent))


def _operate(graph: Graph, primitive: str, dtype: np.dtype, names: list[str], params) -> str:
    """Add the nodes of one operation on arrays of one dtype; return the name of the result."""
    if primitive == "ne":
        return graph.node("Not", _operate(graph, "eq", dtype, names, params))
    if dtype.name == "bool" and primitive in _ON_BOOLS:
        return graph.node(_ON_BOOLS[primitive], *names)
    if primitive in _ON_BITS:
        return graph.node(_ON_BITS[primitive], *names)
    if primitive in _SHIFTS:
        return graph.node("BitShift", *names, direction=_SHIFTS[primitive])
    if dtype.name in _CALCULATED:
        wide = _CALCULATED[dtype.name]
        names = [graph.cast(name, wide) for name in names]
        result = _operate(graph, primitive, wide, names, params)
        is_comparison = primitive in ("eq", "ge", "gt", "le", "lt")
        return result if is_comparison else graph.cast(result, dtype)
    if primitive == "rem":
        return graph.node("Mod", *names, fmod=1)
    if primitive in _OPERATORS:
        return graph.node(_OPERATORS[primitive], *names)
    return _unary(graph, dtype, *names, primitive, params)


NAMES = (
    *_OPERATORS,
    *_ON_BITS,
    *_SHIFTS,
    *("ne", "rem", "rsqrt", "square", "integer_pow", "exp2", "log1p", "expm1", "is_finite"),
)


def rule_of(primitive: str) -> Callable:
    """Return the rule of an operation that gives each element a result of its own."""

    def rule(graph: Graph, result, *operands: Value, **params) -> Value:
        names = [graph.name(operand) for operand in operands]
        dtype = np.dtype(operands[0].dtype)
        if primitive == "pow":  # of a power of whole numbers, whose type ONNX allows to differ
            dtype = np.dtype(result.dtype)
        name = _operate(graph, primitive, dtype, names, params)
        stored = broadcast(*(operand.stored for operand in operands))
        return Value(name, result.shape, stored, result.dtype)

    return rule


def broadcast(*shapes: Any) -> tuple:
    """Return the shape that arrays have together, axes of 1 repeated."""
    rank = max(map(len, shapes))
    filled = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((s for s in sizes if s != 1), 1) for sizes in zip(*filled, strict=True))


def select(graph: Graph, result: Any, which: Value, *cases: Value) -> Value:
    """Choose between two arrays by a bool."""
    if len(cases) != 2 or which.dtype != bool:
        raise NotImplementedError("a choice between more than two arrays")
    first, second = (graph.name(case) for case in cases)
    stored = broadcast(which.stored, *(case.stored for case in cases))
    dtype = np.dtype(result.dtype)
    narrow = {"bool": np.uint8, "uint32": np.int64}.get(dtype.name)
    if narrow is not None:  # runtimes choose between few types
        first, second = (graph.cast(name, narrow) for name in (first, second))
    name = graph.node("Where", graph.name(which), second, first)
    name = name if narrow is None else graph.cast(name, dtype)
    return Value(name, result.shape, stored, dtype)


def clamp(graph: Graph, result: Any, least: Value, x: Value, most: Value) -> Value:
    """Bound an array from below and above."""
    if np.dtype(result.dtype).name in _CALCULATED:
        raise NotImplementedError(f"bounds of {result.dtype}")
    above = graph.node("Max", graph.name(x), graph.name(least))
    name = graph.node("Min", above, graph.name(most))
    stored = broadcast(least.stored, x.stored, most.stored)
    return Value(name, result.shape, stored, result.dtype)


def convert(graph: Graph, result: Any, x: Value, **_: Any) -> Value:
    """Convert to another dtype."""
    if np.dtype(x.dtype) == np.dtype(result.dtype):
        return x._replace(dtype=result.dtype)
    name = graph.cast(graph.name(x), result.dtype)
    return Value(name, result.shape, x.stored, result.dtype)


def round_even(graph: Graph, result: Any, x: Value, *, rounding_method: Any) -> Value:
    """Round to the nearest whole number, halves to the even one."""
    if rounding_method.name != "TO_NEAREST_EVEN":
        raise NotImplementedError("halves rounded away from zero")
    return Value(graph.node("Round", graph.name(x)), result.shape, x.stored, result.dtype)


RULES = {name: rule_of(name) for name in NAMES} | {
    "clamp": clamp,
    "convert_element_type": convert,
    "round": round_even,
    "select_n": select,
}

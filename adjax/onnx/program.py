"""The walk through a program, which is JAX's own intermediate form, and its loops."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from jax.extend import core
from onnx import helper

from adjax.onnx import arrays, elementwise, products, random
from adjax.onnx.arrays import held
from adjax.onnx.graph import BATCH_SIZE, OPSET, Graph, Value, constant

RULES: dict[str, Callable] = {**elementwise.RULES, **arrays.RULES, **products.RULES}
# Primitives that do what a program inside them does -> which parameter has it.
_WRAPPERS = {
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
    "jit": "jaxpr",
    "remat2": "jaxpr",
}
_SAME = ("copy", "copy_p", "optimization_barrier", "random_wrap", "random_unwrap", "stop_gradient")
_ONE, _MANTISSA = 0x3F800000, 23  # the bits of 1.0 in float32; how many are the mantissa
_FOLDED = 2**20  # bytes up to which what is known beforehand is calculated beforehand


def to_onnx(
    function: Callable[..., dict[str, jax.Array]],
    image: jax.ShapeDtypeStruct,
    defaults: dict[str, np.ndarray],
) -> onnx.ModelProto:
    """Translate a function of images and some numbers.

    Args:
      function: `(image, **numbers) -> results by name`; arrays whose first axis is the batch.
      image: shape and dtype of the images; the first axis is a symbol of `jax.export`.
      defaults: the numbers, which whoever runs the graph may give as inputs of these names.

    Returns:
      A model with the input `image` and the outputs by their names.

    Raises:
      NotImplementedError: for a program that there are no operators for; nothing is left out.

    """
    batch = image.shape[0]
    numbers = {name: jax.ShapeDtypeStruct((), value.dtype) for name, value in defaults.items()}
    closed, results = jax.make_jaxpr(
        lambda image, numbers: function(image, **numbers), return_shape=True
    )(image, numbers)
    graph = Graph(batch)
    graph.nodes.append(helper.make_node("Shape", ["image"], [BATCH_SIZE], start=0, end=1))
    inputs = [Value("image", image.shape, image.shape, np.dtype(image.dtype))]
    inputs += [Value(name, (), (), np.dtype(defaults[name].dtype)) for name in sorted(defaults)]
    found = _walk(graph, closed.jaxpr, closed.consts, inputs)
    names = sorted(results)
    for name, value in zip(names, found, strict=True):
        graph.nodes.append(helper.make_node("Identity", [graph.full(value)], [name]))
    described = [graph.described("image", image.dtype, image.shape)]
    described += [graph.described(name, defaults[name].dtype, ()) for name in sorted(defaults)]
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in defaults.items()]
    outputs = [graph.described(name, results[name].dtype, results[name].shape) for name in names]
    nodes = _used(graph.nodes, names)
    kept = _names_in(nodes)
    initializers = [tensor for tensor in graph.initializers if tensor.name in kept]
    return helper.make_model(
        helper.make_graph(nodes, "program", described, outputs, [*stored, *initializers]),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="adjax",
    )


def _walk(graph: Graph, jaxpr, consts: Sequence, inputs: Sequence[Value]) -> list[Value]:
    """Translate the equations of a program in turn; return its results."""
    values = dict(zip(jaxpr.constvars, map(_known, consts), strict=True))
    values |= dict(zip(jaxpr.invars, inputs, strict=True))
    makers = {out: equation for equation in jaxpr.eqns for out in equation.outvars}

    def read(atom) -> Value:
        if isinstance(atom, core.Literal):
            return constant(np.asarray(atom.val, atom.aval.dtype))
        return values[atom]

    for equation in _needed(jaxpr):
        operands = [read(atom) for atom in equation.invars]
        results = _translate(graph, equation, operands, makers)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _needed(jaxpr) -> list:
    """Return the equations on which the results of a program depend."""
    needed, kept = {v for v in jaxpr.outvars if isinstance(v, core.Var)}, []
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            kept.append(equation)
            needed.update(v for v in equation.invars if isinstance(v, core.Var))
    return kept[::-1]


def _known(array) -> Value:
    if _is_key(array):
        array = jax.random.key_data(array)
    return constant(array)


def _is_key(aval) -> bool:
    return jax.dtypes.issubdtype(getattr(aval, "dtype", np.float32), jax.dtypes.prng_key)


def _translate(graph: Graph, equation, operands: list[Value], makers) -> list[Value]:
    """Return the results of an equation."""
    name, params = equation.primitive.name, equation.params
    avals = [_plain(variable.aval) for variable in equation.outvars]
    if name in _WRAPPERS:
        inner = params[_WRAPPERS[name]]
        return _walk(graph, getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), operands)
    if name in _SAME:
        return operands
    if name == "platform_index":  # what is computed on every platform
        return [constant(np.int32(params["platforms"].index(None)))]
    if name == "cond" and operands[0].is_constant:
        branch = params["branches"][int(operands[0].held)]
        return _walk(graph, branch.jaxpr, branch.consts, operands[1:])
    if name in random.FUNCTIONS:
        return _translate_function(graph, random.FUNCTIONS[name], operands, params)
    if all(operand.is_constant for operand in operands) and _is_small(equation, avals):
        return _calculate(equation, operands)
    if name == "scan":
        return _scan(graph, avals, operands, **params)
    if name == "bitcast_convert_type":
        return [_mantissa(graph, equation, avals[0], operands[0], makers)]
    if name not in RULES:
        raise NotImplementedError(f"the operation {name}")
    several = equation.primitive.multiple_results
    result = RULES[name](graph, avals if several else avals[0], *operands, **params)
    return result if several else [result]


def _plain(aval) -> jax.ShapeDtypeStruct:
    """Return shape and dtype; keys are pairs of words."""
    if _is_key(aval):
        return jax.ShapeDtypeStruct((*aval.shape, 2), np.uint32)
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


def _is_small(equation, avals) -> bool:
    """Whether what follows from constants is calculated here, and becomes a constant itself."""
    known = [variable.aval for variable in equation.invars]
    if not known or any(map(_is_key, known)) or equation.primitive.name == "broadcast_in_dim":
        return False
    if not all(isinstance(size, int) for aval in (*known, *avals) for size in aval.shape):
        return False
    made, given = (
        sum(math.prod(aval.shape) * aval.dtype.itemsize for aval in group)
        for group in (avals, known)
    )
    return made <= max(given, _FOLDED)


def _calculate(equation, operands: list[Value]) -> list[Value]:
    """Return the results of an equation of constants."""
    known = [jax.numpy.asarray(operand.array) for operand in operands]
    results = equation.primitive.bind(*known, **equation.params)
    results = results if equation.primitive.multiple_results else [results]
    return [constant(np.asarray(result)) for result in results]


def _translate_function(graph: Graph, function, operands: list[Value], params) -> list[Value]:
    """Translate a JAX function of plain arrays."""
    shapes = [jax.ShapeDtypeStruct(operand.shape, operand.dtype) for operand in operands]
    closed = jax.make_jaxpr(lambda *arrays: function(*arrays, **params))(*shapes)
    return _walk(graph, closed.jaxpr, closed.consts, operands)


def _mantissa(graph: Graph, equation, aval, bits: Value, makers) -> Value:
    """Read words as float32, if they are those of numbers in [1, 2), as for random numbers.

    They are if a program shifts all but the mantissa out and puts the bits of 1.0 in.
    """
    (atom,), made = equation.invars, []
    for name in ("or", "shift_right_logical"):
        maker = makers.get(atom) if isinstance(atom, core.Var) else None
        if maker is None or maker.primitive.name != name:
            break
        made += [int(v.val) for v in maker.invars if isinstance(v, core.Literal)]
        atom = next((v for v in maker.invars if isinstance(v, core.Var)), None)
    if aval.dtype != np.float32 or made != [_ONE, 32 - _MANTISSA]:
        raise NotImplementedError("bits read as numbers")
    mask, unit = np.uint32(2**_MANTISSA - 1), np.float32(2**-_MANTISSA)
    fraction = graph.node("BitwiseAnd", graph.name(bits), graph.store(mask))
    fraction = graph.node("Mul", graph.cast(fraction, np.float32), graph.store(unit))
    name = graph.node("Add", fraction, graph.store(np.float32(1)))
    return Value(name, aval.shape, bits.stored, np.dtype(np.float32))


def _scan(
    graph: Graph,
    avals,
    operands: list[Value],
    *,
    jaxpr,
    length: int,
    reverse: bool,
    num_consts: int,
    num_carry: int,
    **_,
) -> list[Value]:
    """Translate a loop; what does not change in it is seen from outside."""
    fixed, carried = operands[:num_consts], operands[num_consts : num_consts + num_carry]
    stacked = operands[num_consts + num_carry :]
    body = graph.body()
    inner = [_plain(variable.aval) for variable in jaxpr.jaxpr.invars[num_consts:]]
    inputs = [held(body.new_name(), aval) for aval in inner]
    results = _walk(body, jaxpr.jaxpr, jaxpr.consts, [*fixed, *inputs])
    described = [body.described(v.held, v.dtype, v.shape) for v in inputs]
    outer = [graph.full(value) for value in (*carried, *stacked)]
    if not stacked:  # ONNX counts rounds by what goes in
        described.append(body.described(body.new_name(), np.int32, ()))
        outer.append(graph.store(np.arange(length, dtype=np.int32)))
    outputs = [body.node("Identity", body.full(value)) for value in results]
    insides = [_plain(variable.aval) for variable in jaxpr.jaxpr.outvars]
    returned = [
        body.described(name, aval.dtype, aval.shape)
        for name, aval in zip(outputs, insides, strict=True)
    ]
    nodes = _used(body.nodes, outputs)
    rounds, made = len(outer) - num_carry, len(results) - num_carry
    names = graph.node(
        "Scan",
        *outer,
        outputs=len(results),
        body=helper.make_graph(nodes, graph.new_name(), described, returned),
        num_scan_inputs=rounds,
        scan_input_directions=[int(reverse)] * rounds,
        **({"scan_output_directions": [int(reverse)] * made} if made else {}),
    )
    names = [names] if isinstance(names, str) else names
    return [held(name, aval) for name, aval in zip(names, avals, strict=True)]


def _used(nodes: list[onnx.NodeProto], results: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the nodes of a graph on which its results depend."""
    needed, kept = set(results), []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed |= _names_in([node])
    return kept[::-1]


def _names_in(nodes: Sequence[onnx.NodeProto]) -> set[str]:
    """Return the names that nodes read, those in their loops included."""
    names: set[Any] = set()
    for node in nodes:
        names.update(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names |= _names_in(attribute.g.node)
    return names

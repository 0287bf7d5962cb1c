"""Shapes, parts, sums and order of arrays."""

import itertools
import math
from typing import Any

import numpy as np

from adjax.onnx.graph import Graph, Value, constant

_END = np.iinfo(np.int64).max
_REDUCTIONS = {
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
}


def held(name: str, result: Any) -> Value:
    """Return a value that is stored in full."""
    return Value(name, tuple(result.shape), tuple(result.shape), np.dtype(result.dtype))


def broadcast_in_dim(
    graph: Graph, result: Any, x: Value, *, shape: Any, broadcast_dimensions: Any, **_: Any
) -> Value:
    """Repeat an array: it is only given axes of 1, operators repeat along them."""
    stored: list = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, x.stored, strict=True):
        stored[axis] = size
    if x.is_constant:
        return Value(x.held.reshape(stored), tuple(shape), tuple(stored), x.dtype)
    name = x.held if len(stored) == len(x.stored) else graph.reshape(x.held, tuple(stored))
    return Value(name, tuple(shape), tuple(stored), x.dtype)


def reshape(graph: Graph, result: Any, x: Value, *, dimensions: Any, **_: Any) -> Value:
    """Give an array another shape."""
    if dimensions is not None:
        raise NotImplementedError("a reshape in another order")
    return held(graph.reshape(graph.full(x), result.shape), result)


def squeeze(graph: Graph, result: Any, x: Value, *, dimensions: Any) -> Value:
    """Drop axes of 1."""
    stored = tuple(s for axis, s in enumerate(x.stored) if axis not in dimensions)
    name = graph.node("Squeeze", graph.name(x), graph.indices(dimensions))
    return Value(name, tuple(result.shape), stored, x.dtype)


def transpose(graph: Graph, result: Any, x: Value, *, permutation: Any) -> Value:
    """Reorder axes."""
    name = graph.node("Transpose", graph.name(x), perm=list(permutation))
    stored = tuple(x.stored[axis] for axis in permutation)
    return Value(name, tuple(result.shape), stored, x.dtype)


def concatenate(graph: Graph, result: Any, *parts: Value, dimension: Any) -> Value:
    """Put arrays behind each other along an axis."""
    parts = [part for part in parts if part.shape[dimension] != 0]
    return held(graph.node("Concat", *map(graph.full, parts), axis=dimension), result)


def stack(graph: Graph, result: Any, *parts: Value, axis: Any) -> Value:
    """Put arrays side by side along a new axis."""
    where = graph.indices([axis])
    names = [graph.node("Unsqueeze", graph.full(part), where) for part in parts]
    return held(graph.node("Concat", *names, axis=axis), result)


def split(graph: Graph, results: Any, x: Value, *, sizes: Any, axis: Any) -> list[Value]:
    """Cut an array into parts along an axis."""
    name, ends = graph.full(x), list(itertools.accumulate(sizes))
    return [
        held(_cut(graph, name, {axis: (end - size, end)}), result)
        for end, size, result in zip(ends, sizes, results, strict=True)
    ]


def _cut(graph: Graph, name: str, bounds: dict[int, tuple], steps=None) -> str:
    """Slice along axes, from a first index to before a last one."""
    if not bounds:
        return name
    first, last = zip(*bounds.values(), strict=True)
    inputs = [graph.shape(first), graph.shape(last), graph.indices(list(bounds))]
    if steps is not None:
        inputs.append(graph.indices([steps[axis] for axis in bounds]))
    return graph.node("Slice", name, *inputs)


def slice_(
    graph: Graph, result: Any, x: Value, *, start_indices: Any, limit_indices: Any, strides: Any
) -> Value:
    """Cut a part out, at a place that is known."""
    steps = strides or (1,) * len(x.shape)
    bounds = {}
    for axis, (start, limit, step) in enumerate(
        zip(start_indices, limit_indices, steps, strict=True)
    ):
        if start == 0 and limit == x.shape[axis] and step == 1:
            continue
        bounds[axis] = start, limit
    return held(_cut(graph, graph.full(x), bounds, steps), result)


def reverse(graph: Graph, result: Any, x: Value, *, dimensions: Any) -> Value:
    """Turn axes around."""
    bounds = dict.fromkeys(dimensions, (-1, -_END))
    return held(_cut(graph, graph.full(x), bounds, dict.fromkeys(dimensions, -1)), result)


def pad(graph: Graph, result: Any, x: Value, filling: Value, *, padding_config: Any) -> Value:
    """Surround an array by one number, or cut its borders off."""
    if any(inner for _, _, inner in padding_config):
        raise NotImplementedError("zeros between the elements of an array")
    bounds = {
        axis: (max(-low, 0), high if high < 0 else _END)
        for axis, (low, high, _) in enumerate(padding_config)
        if min(low, high) < 0
    }
    name = _cut(graph, graph.full(x), bounds)
    around = [max(low, 0) for low, _, _ in padding_config]
    around += [max(high, 0) for _, high, _ in padding_config]
    if any(around):
        name = graph.node("Pad", name, graph.indices(around), graph.name(filling))
    return held(name, result)


def iota(graph: Graph, result: Any, *, dtype: Any, shape: Any, dimension: Any, **_: Any) -> Value:
    """Count along an axis."""
    stored: list = [1] * len(shape)
    stored[dimension] = shape[dimension]
    numbers = counted(graph, shape[dimension])
    name = graph.cast(graph.reshape(numbers, tuple(stored)), dtype)
    return Value(name, tuple(shape), tuple(stored), np.dtype(dtype))


def counted(graph: Graph, size: Any) -> str:
    """Return the name of the numbers from 0 to before a size, int64."""
    zero, one = (graph.store(np.int64(number)) for number in (0, 1))
    return graph.node("Range", zero, _number(graph, size), one)


def _number(graph: Graph, size) -> str:
    """Return the name of a size, int64 `[]`."""
    if isinstance(size, int):
        return graph.store(np.int64(size))
    return graph.node("Squeeze", graph.shape((size,)), graph.indices([0]))


def size_as_value(graph: Graph, result: Any, *, dim: Any) -> Value:
    """Calculate with a size."""
    return held(graph.cast(_number(graph, dim), result.dtype), result)


def positions(graph: Graph, results: Any, *, shape: Any) -> list[Value]:
    """Number all elements of an array, in two words of 32 bits."""
    if math.prod(shape) >= 2**32:
        raise NotImplementedError("so many random numbers")
    name = graph.reshape(counted(graph, math.prod(shape)), tuple(shape))
    high = constant(np.zeros((1,) * len(shape), np.uint32), tuple(shape))
    return [high, held(graph.cast(name, np.uint32), results[1])]


def dynamic_slice(graph: Graph, result: Any, x: Value, *starts: Value, slice_sizes: Any) -> Value:
    """Cut a part out, at a place that is known when the graph runs."""
    axes = [axis for axis, size in enumerate(slice_sizes) if size != x.shape[axis]]
    name = graph.full(x)
    for axis in axes:
        first, last = _place(graph, starts[axis], x.shape[axis], slice_sizes[axis])
        name = graph.node("Slice", name, first, last, graph.indices([axis]))
    return held(name, result)


def _place(graph: Graph, start: Value, size, part) -> tuple[str, str]:
    """Return first and last index of a part, which is moved so that it fits, int64 `[1]`."""
    first = graph.reshape(graph.cast(graph.name(start), np.int64), (1,))
    first = graph.node("Max", first, graph.indices([0]))
    first = graph.node("Min", first, graph.shape((size - part,)))
    return first, graph.node("Add", first, graph.shape((part,)))


def dynamic_update_slice(graph: Graph, result: Any, x: Value, part: Value, *starts: Value) -> Value:
    """Put a part into an array, at a place that is known when the graph runs."""
    axes = [axis for axis, size in enumerate(part.shape) if size != x.shape[axis]]
    places = [_place(graph, starts[axis], x.shape[axis], part.shape[axis]) for axis in axes]

    def put(name: str, depth: int) -> str:
        if depth == len(axes):
            return graph.full(part)
        axis, (first, last) = graph.indices([axes[depth]]), places[depth]
        before = graph.node("Slice", name, graph.indices([0]), first, axis)
        middle = graph.node("Slice", name, first, last, axis)
        behind = graph.node("Slice", name, last, graph.indices([_END]), axis)
        return graph.node("Concat", before, put(middle, depth + 1), behind, axis=axes[depth])

    return held(put(graph.full(x), 0), result)


def gather(
    graph: Graph,
    result: Any,
    x: Value,
    index: Value,
    *,
    dimension_numbers: Any,
    slice_sizes: Any,
    **_: Any,
) -> Value:
    """Take parts of an array at indices, which lie within it: a runtime refuses others."""
    numbers, rank = dimension_numbers, len(x.shape)
    taken, batching = tuple(numbers.start_index_map), tuple(numbers.operand_batching_dims)
    places = graph.cast(graph.full(index), np.int64)
    others = [axis for axis in range(rank) if axis not in taken]
    last = range(len(result.shape) - len(others), len(result.shape))
    if (
        not batching
        and numbers.collapsed_slice_dims == taken
        and tuple(numbers.offset_dims) == tuple(last)
        and all(slice_sizes[axis] == x.shape[axis] for axis in others)
    ):
        moved = graph.node("Transpose", graph.full(x), perm=[*taken, *others])
        return held(graph.node("GatherND", moved, places), result)
    count = len(index.shape) - 1
    offsets = (*range(taken[0]), *range(taken[0] + count, len(result.shape)))
    if (
        not batching
        and count
        and len(taken) == 1
        and numbers.collapsed_slice_dims == taken
        and tuple(numbers.offset_dims) == offsets
        and all(slice_sizes[axis] == x.shape[axis] for axis in others)
    ):
        places = graph.node("Squeeze", places, graph.indices([count]))
        return held(graph.node("Gather", graph.full(x), places, axis=taken[0]), result)
    if (
        taken == (rank - 1,)
        and numbers.collapsed_slice_dims == taken
        and batching == tuple(numbers.start_indices_batching_dims) == tuple(range(rank - 1))
        and len(index.shape) == rank + 1
    ):
        places = graph.node("Squeeze", places, graph.indices([rank]))
        return held(graph.node("GatherElements", graph.full(x), places, axis=rank - 1), result)
    if not batching and len(index.shape) == 1:
        return _part(graph, result, x, places, taken, numbers.collapsed_slice_dims, slice_sizes)
    raise NotImplementedError(f"a gather by {numbers}")


def _part(graph, result, x: Value, places: str, taken, dropped, sizes) -> Value:
    """Cut one part out of an array, at a place int64 `[len(taken)]`, and drop axes of 1."""
    name = graph.full(x)
    for axis, size in enumerate(sizes):
        if size == x.shape[axis]:
            continue
        first = graph.indices([0])
        if axis in taken:
            first = graph.node("Gather", places, graph.indices([taken.index(axis)]))
        last = graph.node("Add", first, graph.shape((size,)))
        name = graph.node("Slice", name, first, last, graph.indices([axis]))
    if dropped:
        name = graph.node("Squeeze", name, graph.indices(dropped))
    return held(name, result)


def reduction(operator: str) -> Any:
    """Return the rule of what makes one number of all along some axes."""

    def rule(graph: Graph, result, x: Value, *, axes, **_) -> Value:
        name = graph.node(operator, graph.full(x), graph.indices(axes), keepdims=0)
        return held(name, result)

    return rule


def _of_bools(operator: str):
    def rule(graph: Graph, result, x: Value, *, axes, **_) -> Value:
        name = graph.cast(graph.full(x), np.int32)
        name = graph.node(operator, name, graph.indices(axes), keepdims=0)
        return held(graph.cast(name, bool), result)

    return rule


def _index_of(operator: str):
    def rule(graph: Graph, result, x: Value, *, axes, index_dtype) -> Value:
        name = graph.node(operator, graph.full(x), axis=axes[0], keepdims=0)
        return held(graph.cast(name, index_dtype), result)

    return rule


def sort(
    graph: Graph, results: Any, *operands: Value, dimension: Any, num_keys: Any, **_: Any
) -> list[Value]:
    """Sort along an axis by the first array; others are brought into the same order."""
    if num_keys != 1:
        raise NotImplementedError("an order by several arrays")
    size = graph.shape((operands[0].shape[dimension],))
    keys, order = graph.node(
        "TopK", graph.full(operands[0]), size, axis=dimension, largest=0, outputs=2
    )
    others = [
        graph.node("GatherElements", graph.full(other), order, axis=dimension)
        for other in operands[1:]
    ]
    return [held(name, result) for name, result in zip((keys, *others), results, strict=True)]


def tile(graph: Graph, result: Any, x: Value, *, reps: Any) -> Value:
    """Repeat a whole array along its axes."""
    return held(graph.node("Tile", graph.full(x), graph.indices(reps)), result)


def top_k(graph: Graph, results: Any, x: Value, *, k: Any, axis: Any = -1, **_: Any) -> list[Value]:
    """Find the largest numbers along an axis, and where they are."""
    axis = axis % len(x.shape)
    found, where = graph.node("TopK", graph.full(x), graph.indices([k]), axis=axis, outputs=2)
    return [held(found, results[0]), held(graph.cast(where, results[1].dtype), results[1])]


def cumsum(graph: Graph, result: Any, x: Value, *, axis: Any, reverse: Any) -> Value:
    """Sum up to each element along an axis."""
    axis = graph.store(np.int64(axis))
    return held(graph.node("CumSum", graph.full(x), axis, reverse=int(reverse)), result)


RULES = {
    "argmax": _index_of("ArgMax"),
    "argmin": _index_of("ArgMin"),
    "broadcast_in_dim": broadcast_in_dim,
    "concatenate": concatenate,
    "cumsum": cumsum,
    "dim_as_value": size_as_value,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "gather": gather,
    "iota": iota,
    "iota_2x32_shape": positions,
    "pad": pad,
    "reduce_and": _of_bools("ReduceMin"),
    "reduce_or": _of_bools("ReduceMax"),
    "reshape": reshape,
    "rev": reverse,
    "slice": slice_,
    "sort": sort,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "tile": tile,
    "top_k": top_k,
    "transpose": transpose,
} | {name: reduction(operator) for name, operator in _REDUCTIONS.items()}

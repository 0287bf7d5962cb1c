"""Matrix products and convolutions."""

import string
from typing import Any

import numpy as np

from adjax.onnx.arrays import held
from adjax.onnx.graph import Graph, Value


def dot_general(
    graph: Graph, result: Any, a: Value, b: Value, *, dimension_numbers: Any, **_: Any
) -> Value:
    """Multiply matrices, or sum products over any axes."""
    (over_a, over_b), (batch_a, batch_b) = dimension_numbers
    names = graph.full(a), graph.full(b)
    batch = tuple(range(len(batch_a)))
    rank_a, rank_b = len(a.shape), len(b.shape)
    is_plain = (
        tuple(over_a) == (rank_a - 1,)
        and tuple(batch_a) == tuple(batch_b) == batch
        and tuple(over_b) == (len(batch),)
        and rank_b == len(batch) + 2
        and (not batch or rank_a == rank_b)
    )
    if is_plain:
        return held(graph.node("MatMul", *names), result)
    letters = iter(string.ascii_lowercase)
    of_a = {axis: next(letters) for axis in range(rank_a)}
    shared = dict(zip((*batch_b, *over_b), (of_a[x] for x in (*batch_a, *over_a)), strict=True))
    of_b = {axis: shared.get(axis) or next(letters) for axis in range(rank_b)}
    kept = [of_a[x] for x in batch_a]
    kept += [of_a[x] for x in range(rank_a) if x not in (*batch_a, *over_a)]
    kept += [of_b[x] for x in range(rank_b) if x not in (*batch_b, *over_b)]
    equation = f"{''.join(of_a.values())},{''.join(of_b.values())}->{''.join(kept)}"
    return held(graph.node("Einsum", *names, equation=equation), result)


def convolution(
    graph: Graph,
    result: Any,
    x: Value,
    w: Value,
    *,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    dimension_numbers: Any,
    feature_group_count: Any,
    batch_group_count: Any,
    **_: Any,
) -> Value:
    """Convolve (correlate), also with zeros between pixels, which makes it a transposed one."""
    if batch_group_count != 1:
        raise NotImplementedError("a convolution in groups of images")
    numbers = dimension_numbers
    image = _turned(graph, graph.full(x), numbers.lhs_spec)
    if all(step == 1 for step in lhs_dilation):
        padding = np.array(padding)
        if (padding < 0).any():
            raise NotImplementedError("a convolution of a cut image")
        name = graph.node(
            "Conv",
            image,
            _kernel(graph, w, numbers.rhs_spec),
            strides=list(window_strides),
            pads=[*map(int, padding[:, 0]), *map(int, padding[:, 1])],
            dilations=list(rhs_dilation),
            group=feature_group_count,
        )
    else:
        if (*window_strides, *rhs_dilation, feature_group_count) != (1,) * (
            len(window_strides) + len(rhs_dilation) + 1
        ):
            raise NotImplementedError("a transposed convolution with strides")
        name = _transposed(graph, image, w, numbers.rhs_spec, padding, lhs_dilation)
    back = np.argsort(numbers.out_spec)
    return held(_turned(graph, name, back), result)


def _transposed(graph: Graph, image: str, w: Value, spec, padding, strides) -> str:
    """Compute what a stride-1 convolution does to an image with zeros between its pixels."""
    sizes = [w.shape[axis] for axis in spec[2:]]
    before = [k - 1 - low for k, (low, _) in zip(sizes, padding, strict=True)]
    after = [k - 1 - high for k, (_, high) in zip(sizes, padding, strict=True)]
    if min(before) < 0:
        raise NotImplementedError("a transposed convolution of a padded image")
    kernel = _kernel(graph, w, (spec[1], spec[0], *spec[2:]), turned_around=True)
    return graph.node(
        "ConvTranspose",
        image,
        kernel,
        strides=list(strides),
        pads=[*before, *(max(n, 0) for n in after)],
        output_padding=[max(-n, 0) for n in after],
    )


def _kernel(graph: Graph, w: Value, spec, turned_around: bool = False) -> str:
    """Return the kernel's name, output channels first."""
    if w.is_constant:
        array = w.array.transpose(spec)
        return graph.store(array[:, :, ::-1, ::-1] if turned_around else array)
    name = _turned(graph, graph.full(w), spec)
    if not turned_around:
        return name
    ends = [graph.indices(numbers) for numbers in ([-1, -1], [-(2**62)] * 2, [2, 3], [-1, -1])]
    return graph.node("Slice", name, *ends)


def _turned(graph: Graph, name: str, permutation) -> str:
    order = [int(axis) for axis in permutation]
    return name if order == sorted(order) else graph.node("Transpose", name, perm=order)


RULES = {"conv_general_dilated": convolution, "dot_general": dot_general}

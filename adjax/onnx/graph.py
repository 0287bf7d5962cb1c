"""Graphs under construction: values, nodes, constants, and shapes that depend on the batch."""

import hashlib
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper

BATCH = "batch"  # names the axis of inputs and outputs whose size is free
BATCH_SIZE = "batch_size"  # names that size, int64 [1]
OPSET = 18

Shape = tuple[Any, ...]  # of numbers, and of multiples of the batch


class Value(NamedTuple):
    """An array of a program: a constant, or the result of a node.

    Attributes:
      held: the constant, or the node's name of the result.
      shape: the array's shape in the program.
      stored: that of what is held: where it has 1 the array may have more, all alike.
      dtype: the array's dtype.

    """

    held: np.ndarray | str
    shape: Shape
    stored: Shape
    dtype: np.dtype

    @property
    def is_constant(self) -> bool:
        """Whether the value is known."""
        return not isinstance(self.held, str)

    @property
    def array(self) -> np.ndarray:
        """Return the constant in its full shape."""
        return np.broadcast_to(self.held, self.shape)


def constant(array: Any, shape: Shape | None = None) -> Value:
    """Return a constant, which may stand for a larger `shape`, all alike."""
    array = np.asarray(array)
    return Value(array, array.shape if shape is None else shape, array.shape, array.dtype)


def element_type(dtype: Any) -> int:
    """Return ONNX's number of a dtype."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class Graph:
    """Nodes of a graph or of a loop's body; constants are kept once, by the outermost.

    Attributes:
      nodes: in order.
      initializers: of the outermost graph.

    """

    def __init__(self, batch: Any, outer: "Graph | None" = None):
        """Begin a graph.

        Args:
          batch: the symbol that stands for the batch in shapes.
          outer: the graph in whose loop this is.

        """
        self.nodes: list[onnx.NodeProto] = []
        self._symbol = batch
        if outer is None:
            self.initializers: list[onnx.TensorProto] = []
            self._numbers = itertools.count()
            self._stored: dict[Any, str] = {}
        else:
            self.initializers, self._numbers = outer.initializers, outer._numbers
            self._stored = outer._stored

    def body(self) -> "Graph":
        """Return an empty graph in this one: it sees all that is here."""
        return Graph(self._symbol, self)

    def new_name(self) -> str:
        """Return a name that nothing has."""
        return f"v{next(self._numbers)}"

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or the names of several."""
        names = [self.new_name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def store(self, array: np.ndarray) -> str:
        """Store a constant; return its name."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._stored:
            name = self._stored[key] = self.new_name()
            self.initializers.append(onnx.numpy_helper.from_array(array, name))
        return self._stored[key]

    def indices(self, numbers: Sequence[int]) -> str:
        """Store whole numbers as most operators ask for them, int64."""
        return self.store(np.array(numbers, np.int64))

    def name(self, value: Value) -> str:
        """Return the name of a value as it is stored, constants included."""
        return self.store(value.held) if value.is_constant else value.held

    def full(self, value: Value) -> str:
        """Return the name of a value in its full shape."""
        if value.stored == value.shape:
            return self.name(value)
        return self.node("Expand", self.name(value), self.shape(value.shape))

    def of_batch(self, size: Any) -> tuple[int, int] | None:
        """Return what is multiplied with the batch in a size, and what is added; None for a number.

        Raises:
          NotImplementedError: for a size that is neither.

        """
        if isinstance(size, int | np.integer):
            return None
        form = re.fullmatch(rf"(?:(\d+)\*)?{self._symbol}(?: ([+-]) (\d+))?", str(size))
        if form is not None:
            factor, added = int(form[1] or 1), int(f"{form[2] or '+'}{form[3] or 0}")
            if size == factor * self._symbol + added:
                return factor, added
        raise NotImplementedError(f"an axis of size {size}")

    def shape(self, shape: Shape) -> str:
        """Return the name of a shape, int64 `[rank]`."""
        if all(self.of_batch(size) is None for size in shape):
            return self.indices([int(size) for size in shape])
        return self.node("Concat", *map(self._size, shape), axis=0)

    def _size(self, size) -> str:
        if self.of_batch(size) is None:
            return self.indices([size])
        factor, added = self.of_batch(size)
        name = BATCH_SIZE
        if factor != 1:
            name = self.node("Mul", name, self.indices([factor]))
        return self.node("Add", name, self.indices([added])) if added else name

    def reshape(self, name: str, shape: Shape) -> str:
        """Reshape; at most one size that depends on the batch is left to be found."""
        free = [self.of_batch(size) is not None for size in shape]
        if sum(free) > 1:
            return self.node("Reshape", name, self.shape(shape))
        sizes = [-1 if f else int(size) for f, size in zip(free, shape, strict=True)]
        return self.node("Reshape", name, self.indices(sizes))

    def cast(self, name: str, dtype: Any) -> str:
        """Convert to another dtype."""
        return self.node("Cast", name, to=element_type(dtype))

    def described(self, name: str, dtype: Any, shape: Shape) -> onnx.ValueInfoProto:
        """Return type and shape of an input or an output."""
        sizes = [size if self.of_batch(size) is None else self._named(size) for size in shape]
        return helper.make_tensor_value_info(name, element_type(dtype), sizes)

    def _named(self, size) -> str:
        return str(size).replace(str(self._symbol), BATCH)

"""Reading of tensors out of a PyTorch file without PyTorch.

The format is that of `torch.save` before version 1.6: pickles of a magic number, of the format's
version and of the writer's number sizes, a pickle of the tensors by name, one of the keys of their
storages, and the storages in that order, each a count and its raw values. A pickle may ask for any
function to be called: this reader knows four names, all of which only describe tensors, and refuses
a file that asks for another.
"""

import io
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adjax.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage(NamedTuple):
    """A block of values, in which tensors lie."""

    key: str
    dtype: np.dtype
    count: int


class _Tensor(NamedTuple):
    """A tensor whose values are not read yet."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in values


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read all tensors of a file, float32 or int64, by name.

    Raises:
      UserError: if the file is not there, or holds anything but float32 and int64 tensors as
        PyTorch before 1.6 wrote them.

    """
    try:
        return _read(io.BytesIO(Path(path).read_bytes()))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (
        # A damaged pickle may raise any of these; `_require` raises the first.
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        MemoryError,
        OverflowError,
        TypeError,
        UnicodeDecodeError,
        ValueError,
    ) as error:
        raise UserError(
            f"{path} is no file of tensors as PyTorch before 1.6 wrote them: {error}"
        ) from error


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    magic, version, system, tensors, keys = (_Unpickler(file).load() for _ in range(5))
    _require(magic == _MAGIC and version == _VERSION, "its first numbers are others")
    _require(system["little_endian"] is True, "its numbers are big-endian")
    _require(isinstance(tensors, OrderedDict), "it holds no dict of tensors")
    for name, tensor in tensors.items():
        is_named = isinstance(name, str) and isinstance(tensor, _Tensor)
        _require(is_named, f"{name!r} is no named tensor")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    _require(sorted(keys) == sorted(storages), "tensors and storages do not belong together")
    values = {key: _read_storage(file, storages[key]) for key in keys}
    _require(not file.read(1), "it is longer than its tensors")
    return {name: _values_of(tensor, values) for name, tensor in tensors.items()}


def _read_storage(file: io.BytesIO, storage: _Storage) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little", signed=True)
    _require(count == storage.count, f"storage {storage.key} has {count} values")
    data = file.read(count * storage.dtype.itemsize)
    return np.frombuffer(data, storage.dtype, count)


def _values_of(tensor: _Tensor, values: dict[str, np.ndarray]) -> np.ndarray:
    size = math.prod(tensor.shape)
    steps = ((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    stop = tensor.start + (sum(steps) + 1 if size else 0)
    inside = max(stop, tensor.start + size) <= tensor.storage.count
    _require(inside, f"a tensor of {tensor.shape} is not within its storage")
    source = values[tensor.storage.key][tensor.start : stop]
    strides = [step * source.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(source, tensor.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Reader of the pickles in such a file."""

    def find_class(self, module: str, name: str):
        """Return what a global name stands for."""
        _require((module, name) in _GLOBALS, f"it asks for {module}.{name}")
        return _GLOBALS[module, name]

    def persistent_load(self, pid) -> _Storage:
        """Return the storage that a tensor refers to; `view` was used by PyTorch before 0.4."""
        kind, dtype, key, _, count, view = pid
        _require(kind == "storage" and isinstance(dtype, np.dtype), "it refers to no storage")
        _require(isinstance(key, str) and isinstance(count, int), "a storage has no key or size")
        _require(view is None, "its storages are views of others")
        return _Storage(key, dtype, count)


def _rebuild_tensor(storage, start, shape, strides, *_) -> _Tensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    numbers = (start, *shape, *strides)
    _require(isinstance(storage, _Storage), "a tensor has no storage")
    _require(all(type(n) is int and n >= 0 for n in numbers), "a tensor's shape is no shape")
    return _Tensor(storage, start, tuple(shape), tuple(strides))


_GLOBALS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise pickle.UnpicklingError(reason)

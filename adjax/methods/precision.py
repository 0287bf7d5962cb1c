"""The precision of networks in training: of their activations alone, all else is float32."""

from typing import Any

from flax import linen as nn

from adjax.ops import products_in


def dtype_in(precision: str) -> str:
    """Return the dtype of activations in "float32", "tf32" or "bfloat16"."""
    return "bfloat16" if precision == "bfloat16" else "float32"


class Trained:
    """A network as it is trained: what it computes, and its gradients, in a precision."""

    def __init__(self, model: nn.Module, precision: str):
        """Take a network whose activations are of the precision's dtype."""
        self._model, self._precision = model, precision

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `nn.Module.apply` does."""
        with products_in(self._precision):
            return self._model.apply(*args, **kwargs)


def in_training(model: nn.Module, precision: str) -> Trained:
    """Return a network, by its attribute `dtype`, as it is trained in a precision."""
    return Trained(model.copy(dtype=dtype_in(precision)), precision)

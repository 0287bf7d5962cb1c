"""Image functions of the input pipeline, keyed by stateless seeds.

Each takes float32 images `[N, H, W, C]` in [0, 1] and int32 seeds `[N, 3]`, one an image, and is
vectorised over the batch: the same image and seed give the same result in any batch.
"""

from adjax.corruptions.geometry import rotation

AUXILIARY = {"rotation": rotation}

__all__ = ["AUXILIARY", "rotation"]

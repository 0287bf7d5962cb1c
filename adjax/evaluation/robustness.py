"""Robustness of thresholds to changes of the light: fixed thresholds on altered test images.

The changes and their strengths are our defaults [D]: what a camera on a production line sees when a
lamp ages, is moved or is replaced. Every draw is determined by a seed, the change and the number of
the image, so an image changes in the same way in any batch.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from adjax.evaluation.pixel_metrics import count_pixels, pixel_auroc
from adjax.evaluation.thresholds import pixel_rates

Generators = Sequence[np.random.Generator]  # one an image


def brightness(image: np.ndarray, strength: float, generators: Generators) -> np.ndarray:
    """Add `strength` to every pixel of images float32 `[N, H, W, C]` in [0, 1]."""
    return image + np.float32(strength)


def contrast(image: np.ndarray, strength: float, generators: Generators) -> np.ndarray:
    """Scale by `1 + strength` about the mean of each image; -1 would leave it uniform."""
    mean = image.mean((1, 2, 3), keepdims=True)
    return mean + np.float32(1 + strength) * (image - mean)


def gradient(image: np.ndarray, strength: float, generators: Generators) -> np.ndarray:
    """Light each image from a random side: multiply by a ramp from 1 - strength to 1 + strength."""
    angle = np.array([g.uniform(0, 2 * np.pi) for g in generators])[:, None, None]
    height, width = image.shape[1:3]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    span = np.abs(np.cos(angle)) + np.abs(np.sin(angle))
    ramp = (np.cos(angle) * x + np.sin(angle) * y) / span
    return image * (1 + strength * ramp).astype(np.float32)[..., None]


def noise(image: np.ndarray, strength: float, generators: Generators) -> np.ndarray:
    """Add normal noise of standard deviation `strength`, independent for each pixel and channel."""
    drawn = [g.standard_normal(image.shape[1:], np.float32) for g in generators]
    return image + np.float32(strength) * np.stack(drawn)


CHANGES = {"brightness": brightness, "contrast": contrast, "gradient": gradient, "noise": noise}
STRENGTHS = {
    "brightness": (-0.1, -0.05, 0.05, 0.1),
    "contrast": (-0.4, -0.2, 0.2, 0.4),
    "gradient": (0.1, 0.2, 0.4),
    "noise": (0.01, 0.02, 0.05),
}


def change_images(
    image: np.ndarray, change: str, strength: float, *, seed: int = 0, first: int = 0
) -> np.ndarray:
    """Apply one change to images, and clip them to their range.

    Args:
      image: uint8, or float32 in [0, 1]: `[N, H, W, C]`.
      change: a key of `CHANGES`.
      strength: argument of the change.
      seed: seed of the random draws.
      first: number of the first image, if these are part of a larger set.

    Returns:
      New images of the same dtype and shape.

    """
    generators = [
        np.random.default_rng([seed, zlib.crc32(change.encode()), first + row])
        for row in range(len(image))
    ]
    whole = image.dtype == np.uint8
    light = image / np.float32(255) if whole else image
    changed = CHANGES[change](light, strength, generators).clip(0, 1)
    return np.rint(changed * 255).astype(np.uint8) if whole else changed


def robustness_table(
    score_maps: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    masks: np.ndarray,
    thresholds: Mapping[str, float],
    *,
    strengths: Mapping[str, Sequence[float]] = STRENGTHS,
    seed: int = 0,
    batch_size: int = 32,
) -> list[dict]:
    """Measure F1 at fixed thresholds, and pixel AUROC, on altered test images.

    Args:
      score_maps: images like `images` -> anomaly maps float32 `[n, H, W]`; n is at most
        `batch_size`.
      images: test images, uint8 or float32 in [0, 1]: `[N, H, W, C]`.
      masks: bool `[N, H, W]`.
      thresholds: chosen on unaltered normal validation images, by name.
      strengths: strengths to try, by change.
      seed: seed of the random draws.
      batch_size: images changed and scored at once.

    Returns:
      Rows of `change`, `strength`, `pixel_auroc` and `f1` (by the name of the threshold). The first
      is for unaltered images: change "none", strength 0.

    """
    starts = range(0, len(images), batch_size)

    def row(change: str, strength: float) -> dict:
        maps = np.empty(masks.shape, np.float32)
        for start in starts:
            part = images[start : start + batch_size]
            if change != "none":
                part = change_images(part, change, strength, seed=seed, first=start)
            maps[start : start + batch_size] = score_maps(part)
        return {
            "change": change,
            "strength": strength,
            "pixel_auroc": pixel_auroc(count_pixels(maps, masks)),
            "f1": {n: r["f1"] for n, r in pixel_rates(maps, masks, thresholds).items()},
        }

    tried = [(change, strength) for change in strengths for strength in strengths[change]]
    return [row(*change) for change in [("none", 0.0), *tried]]

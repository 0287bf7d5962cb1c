"""Colours of anomaly maps over photographs: clear at 0, strong from the threshold on."""

import functools

import numpy as np

BRIGHTEST = 2  # times the threshold: where the colours end
_OPACITY = 0.85  # from the threshold on


@functools.cache
def colours() -> np.ndarray:
    """Return the colours of 256 levels, uint8 RGBA `[256, 4]`: 0 is clear, 255 the brightest.

    Up to the threshold opacity grows with the square, so that what lies well below it leaves the
    photograph as it is, and what reaches it is seen.
    """
    from matplotlib import colormaps

    level = np.arange(256)
    opacity = _OPACITY * np.minimum(1, level * BRIGHTEST / 255) ** 2
    return np.rint(255 * np.c_[colormaps["inferno"](level)[:, :3], opacity]).astype(np.uint8)


def levels(anomaly_map: np.ndarray, threshold: float) -> np.ndarray:
    """Return the level of each value of a map, uint8: 255 from `BRIGHTEST` times the threshold."""
    brightest = max(BRIGHTEST * threshold, np.finfo(np.float32).tiny)
    return (np.clip(anomaly_map / brightest, 0, 1) * 255).astype(np.uint8)

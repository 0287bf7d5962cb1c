"""Anomaly maps and masks for tests."""

import numpy as np


def a_test_set(images=12, size=32, seed=0, defects=3):
    """Smooth maps float32 `[N, H, W]` and masks with up to so many rectangles an image."""
    rng = np.random.default_rng(seed)
    maps = rng.random((images, size, size), np.float32)
    masks = np.zeros(maps.shape, bool)
    for mask in masks[images // 3 :]:
        for _ in range(rng.integers(1, defects + 1)):
            y, x = rng.integers(0, size - 2, 2)
            height, width = rng.integers(1, size // 3, 2)
            mask[y : y + height, x : x + width] = True
    maps += np.where(masks, rng.random(maps.shape, np.float32), 0)
    return maps, masks

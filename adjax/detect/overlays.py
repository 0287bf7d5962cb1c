"""Pictures of detections, drawn on a photograph at its own size."""

import numpy as np
from PIL import Image

from adjax.reports import heat

_OUTLINE = (0, 229, 255)
_THUMBNAIL = 192  # pixels
_PIXELS_AT_ONCE = 2**20  # that are drawn; large photographs are drawn in strips


def heat_map(
    photo: Image.Image, anomaly_map: np.ndarray, mask: np.ndarray, threshold: float
) -> Image.Image:
    """Draw heat over a photograph and outline the regions of the mask.

    Args:
      photo: a photograph of any size.
      anomaly_map: float32 `[S, S]`, in the colours of `reports.heat`.
      mask: bool `[S, S]`.
      threshold: the pixel threshold.

    """
    level = Image.fromarray(heat.levels(anomaly_map, threshold))
    level = level.resize(photo.size, Image.Resampling.BILINEAR)
    palette = heat.colours()
    opacities = palette[:, 3].tolist()
    drawn = Image.new("RGB", photo.size)
    breadth, height = photo.size
    at_once = max(1, _PIXELS_AT_ONCE // breadth)
    for top in range(0, height, at_once):
        rows = range(top, min(top + at_once, height))
        box = (0, rows.start, breadth, rows.stop)
        colour = level.crop(box)
        opacity = colour.point(opacities)
        colour.putpalette(palette[:, :3].tobytes())
        strip = Image.composite(colour.convert("RGB"), photo.crop(box).convert("RGB"), opacity)
        strip.paste(_OUTLINE, mask=Image.fromarray(_outline(mask, photo.size, rows)))
        drawn.paste(strip, box)
    return drawn


def _outline(mask: np.ndarray, size: tuple[int, int], rows: range) -> np.ndarray:
    """Return some rows of the rim inside a mask that is stretched to a size, bool `[h, W]`."""
    width = 1 + min(max(size) // 500, min(size) // 2)  # pixels of the rim
    within = np.arange(rows.start - width, rows.stop + width)
    across, down = nearest(size[0], mask.shape[1]), nearest(size[1], mask.shape[0])
    padded = mask[down[within.clip(0, size[1] - 1)][:, None], across]
    padded[(within < 0) | (within >= size[1])] = True  # the picture's border is no rim
    padded = np.pad(padded, ((0, 0), (width, width)), constant_values=True)
    height, breadth = len(rows), size[0]
    corners = (0, width), (2 * width, width), (width, 0), (width, 2 * width)
    inside = padded[width : width + height, width : width + breadth]
    kept = inside.copy()
    for top, left in corners:
        kept &= padded[top : top + height, left : left + breadth]
    return inside & ~kept


def stretched(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to a size (width, height) by nearest neighbour: bool `[height, width]`."""
    width, height = size
    rows, columns = nearest(height, mask.shape[0]), nearest(width, mask.shape[1])
    return mask[rows[:, None], columns]


def nearest(side: int, of: int) -> np.ndarray:
    """Return the index, among `of` pixels, of the one under each of `side` pixels: int `[side]`."""
    return ((np.arange(side) + 0.5) * of / side).astype(int)


def thumbnail(photo: Image.Image) -> Image.Image:
    """Return a small picture of a photograph."""
    scale = _THUMBNAIL / max(photo.size)
    size = tuple(max(1, round(side * scale)) for side in photo.size)
    return photo.resize(size).convert("RGB")

"""Pictures of detections, drawn on a photograph at its own size."""

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageOps

_OPACITY = 0.65  # of the heat at its strongest
_OUTLINE = (0, 229, 255)
_THUMBNAIL = 180  # pixels
# RGB palette of 256 levels.
_HEAT = (colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8).tobytes()


def heat_map(
    photo: Image.Image, anomaly_map: np.ndarray, mask: np.ndarray, threshold: float
) -> Image.Image:
    """Draw heat over a photograph and outline the regions of the mask.

    Args:
      photo: a photograph of any size.
      anomaly_map: float32 `[S, S]`; 0 is transparent, twice the threshold the strongest heat.
      mask: bool `[S, S]`.
      threshold: the pixel threshold.

    """
    heat = np.clip(anomaly_map / max(2 * threshold, np.finfo(np.float32).tiny), 0, 1)
    heat = Image.fromarray((heat * 255).astype(np.uint8))
    heat = heat.resize(photo.size, Image.Resampling.BILINEAR)
    colour = heat.copy()
    colour.putpalette(_HEAT)
    opacity = heat.point([round(_OPACITY * level) for level in range(256)])
    drawn = Image.composite(colour.convert("RGB"), photo.convert("RGB"), opacity)
    outline = _outline(stretched(mask, photo.size), 1 + max(photo.size) // 500)
    drawn.paste(_OUTLINE, mask=Image.fromarray(outline))
    return drawn


def _outline(mask: np.ndarray, width: int) -> np.ndarray:
    """Return the rim inside a mask, bool `[H, W]`, `width` pixels wide."""
    padded = np.pad(mask, width, constant_values=True)
    height, breadth = mask.shape
    corners = (0, width), (2 * width, width), (width, 0), (width, 2 * width)
    shifted = [padded[top : top + height, left : left + breadth] for top, left in corners]
    return mask & ~np.logical_and.reduce(shifted)


def stretched(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to a size (width, height) by nearest neighbour: bool `[height, width]`."""
    width, height = size
    rows, columns = nearest(height, mask.shape[0]), nearest(width, mask.shape[1])
    return mask[rows[:, None], columns]


def nearest(side: int, of: int) -> np.ndarray:
    """Return the index, among `of` pixels, of the one under each of `side` pixels: int `[side]`."""
    return ((np.arange(side) + 0.5) * of / side).astype(int)


def side_by_side(photo: Image.Image, heat: Image.Image) -> Image.Image:
    """Return a small picture of a photograph and its heat map."""
    small = [
        ImageOps.contain(picture, (_THUMBNAIL, _THUMBNAIL)).convert("RGB")
        for picture in (photo, heat)
    ]
    width, height = small[0].size
    both = Image.new("RGB", (2 * width, height))
    for place, picture in enumerate(small):
        both.paste(picture, (place * width, 0))
    return both

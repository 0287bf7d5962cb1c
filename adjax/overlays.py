"""What a detector found, drawn on the photograph at its own size."""

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageOps

_OPACITY = 0.65  # of the heat at its strongest
_OUTLINE = (0, 229, 255)
_THUMBNAIL = 180  # pixels
# RGB of 256 levels, in the form of a palette.
_HEAT = (colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8).tobytes()


def heat_map(
    photo: Image.Image, anomaly_map: np.ndarray, mask: np.ndarray, threshold: float
) -> Image.Image:
    """The photograph with heat over it and the regions of the mask outlined.

    Args:
      photo: of any size.
      anomaly_map: float32 `[S, S]`; 0 is transparent, twice the threshold the strongest heat.
      mask: bool `[S, S]`.
      threshold: of pixels.

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
    """The rim inside a mask, bool `[H, W]`, that many pixels wide."""
    padded = np.pad(mask, width, constant_values=True)
    height, breadth = mask.shape
    corners = (0, width), (2 * width, width), (width, 0), (width, 2 * width)
    shifted = [padded[top : top + height, left : left + breadth] for top, left in corners]
    return mask & ~np.logical_and.reduce(shifted)


def stretched(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at the size (width, height) of a photograph, by nearest neighbour: bool `[H, W]`."""
    width, height = size
    rows, columns = nearest(height, mask.shape[0]), nearest(width, mask.shape[1])
    return mask[rows[:, None], columns]


def nearest(side: int, of: int) -> np.ndarray:
    """Which of `of` pixels in a row lies under each of `side`: int `[side]`."""
    return ((np.arange(side) + 0.5) * of / side).astype(int)


def side_by_side(photo: Image.Image, heat: Image.Image) -> Image.Image:
    """A small picture of both."""
    small = [
        ImageOps.contain(picture, (_THUMBNAIL, _THUMBNAIL)).convert("RGB")
        for picture in (photo, heat)
    ]
    width, height = small[0].size
    both = Image.new("RGB", (2 * width, height))
    for place, picture in enumerate(small):
        both.paste(picture, (place * width, 0))
    return both

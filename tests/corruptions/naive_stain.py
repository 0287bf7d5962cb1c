"""Stains drawn slowly, one at a time and a point at a time, by libraries where there are any."""

import numpy as np
from scipy.interpolate import interp1d
from skimage.draw import polygon


def rim(semi_x, semi_y, angle):
    """Pixels `[n, 2]` of the rim of an ellipse about (0, 0), met on a walk along the curve.

    A pixel is met where the curve passes a column and is flatter than 45 degrees, or a row and is
    steeper. The walk begins where the curve rises at 45 degrees to where y is greatest.
    """
    turn = -np.linspace(0, 2 * np.pi, 200_001)
    cos, sin = np.cos(angle), np.sin(angle)
    x = semi_x * np.cos(turn) * cos - semi_y * np.sin(turn) * sin
    y = semi_x * np.cos(turn) * sin + semi_y * np.sin(turn) * cos
    slope_x, slope_y = np.gradient(x), np.gradient(y)
    flat = np.abs(slope_y) < np.abs(slope_x)
    start = np.flatnonzero(flat[1:] & ~flat[:-1] & (slope_x[1:] > 0))
    start = start[0] + 1 if len(start) else 0
    x, y, flat = (np.roll(values[:-1], -start) for values in (x, y, flat))
    own, other = np.where(flat, x, y), np.where(flat, y, x)
    following = np.where(flat, np.roll(x, -1), np.roll(y, -1))
    met = []
    for k in np.flatnonzero(np.floor(own) != np.floor(following)):
        passed, nearest = round((own[k] + following[k]) / 2), np.floor(other[k] + 0.5)
        met.append((passed, nearest) if flat[k] else (nearest, passed))
    return np.array(met)


def kept(pixels):
    """Every floor(n / 20)-th pixel of a rim."""
    return pixels[:: max(1, len(pixels) // 20)]


def curve(points):
    """Vertices of the curve through points `[n, 2]` about (0, 0), in the order of their angles."""
    order = np.argsort(np.arctan2(points[:, 1], points[:, 0]), kind="stable")
    points = np.append(points[order], points[order[:1]], 0)
    places = np.linspace(0, len(points) - 1, 10 * len(points))
    vertices = interp1d(np.arange(len(points)), points, "cubic", axis=0)(places)
    return np.floor(vertices + 0.5).astype(int)


def filled(vertices, size):
    """Mask `[size, size]` of a polygon."""
    mask = np.zeros((size, size), bool)
    mask[polygon(vertices[:, 1], vertices[:, 0], mask.shape)] = True
    return mask


def overlap(one, other):
    """Intersection over union."""
    return (one & other).sum() / (one | other).sum()

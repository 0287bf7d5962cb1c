"""The losses of `adjax.losses` in PyTorch, images `[B, C, H, W]`.

Two forms of SSIM: by the same matrix products as ours, the fastest of those tried (depthwise
convolutions of one, of five and of all maps as channels, in both memory formats), and as commonly
written. The first is what adjax is compared with, so that a ratio says nothing about algorithms.
"""

import functools

import torch
import torch.nn.functional as F

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def mean_squared_error(a, b):
    """Mean over pixels and channels: `[B]`."""
    return (a - b).square().mean((1, 2, 3))


def dssim(a, b):
    """`(1 - SSIM) / 2` by banded matrix products, mean over positions and channels: `[B]`."""
    level_a, level_b = (x.detach().mean((2, 3), keepdim=True) for x in (a, b))
    a, b = a - level_a, b - level_b
    maps = torch.cat([a, b, a * b, a * a + b * b])
    rows, columns = (_band(n, maps.device) for n in maps.shape[2:])
    mean_a, mean_b, product, squares = (rows @ maps @ columns.T).chunk(4)
    covariance = product - mean_a * mean_b
    variances = squares - mean_a**2 - mean_b**2
    return _dssim(mean_a + level_a, mean_b + level_b, covariance, variances)


def dssim_by_windows(a, b):
    """The same by five pairs of separable depthwise convolutions."""
    channels = a.shape[1]
    weight = _gaussian(a.device).expand(channels, 1, 1, WINDOW)

    def local_mean(x):
        x = F.conv2d(x, weight, groups=channels)
        return F.conv2d(x, weight.transpose(2, 3), groups=channels)

    mean_a, mean_b = local_mean(a), local_mean(b)
    covariance = local_mean(a * b) - mean_a * mean_b
    variances = local_mean(a * a) - mean_a**2 + local_mean(b * b) - mean_b**2
    return _dssim(mean_a, mean_b, covariance, variances)


def _dssim(mean_a, mean_b, covariance, variances):
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return (1 - luminance * (2 * covariance + C2) / (variances + C2)).mean((1, 2, 3)) / 2


@functools.cache
def _gaussian(device):
    weight = torch.exp(-((torch.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    return (weight / weight.sum()).to(device)


@functools.cache
def _band(size: int, device):
    band = torch.zeros(size - WINDOW + 1, size)
    for i in range(len(band)):
        band[i, i : i + WINDOW] = _gaussian("cpu")
    return band.to(device)

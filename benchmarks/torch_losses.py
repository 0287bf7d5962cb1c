"""The losses of `adjax.losses` in PyTorch, images `[B, C, H, W]`.

SSIM has two forms: by the same matrix products as ours, the fastest of those tried (depthwise
convolutions of one, of five and of all maps as channels, in both memory formats), and as commonly
written. adjax is compared with the first, so that ratios compare frameworks, not algorithms.
"""

import functools

import torch
import torch.nn.functional as F

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def mean_squared_error(a, b):
    """Average over pixels and channels: `[B]`."""
    return (a - b).square().mean((1, 2, 3))


def mean_absolute_error(a, b):
    """Average over pixels and channels: `[B]`."""
    return (a - b).abs().mean((1, 2, 3))


def ssim(a, b):
    """Compute the SSIM of every window by banded matrix products: `[B, C, H - 10, W - 10]`."""
    level_a, level_b = (x.detach().mean((2, 3), keepdim=True) for x in (a, b))
    a, b = a - level_a, b - level_b
    maps = torch.cat([a, b, a * b, a * a + b * b])
    rows, columns = (_band(n, maps.device) for n in maps.shape[2:])
    mean_a, mean_b, product, squares = (rows @ maps @ columns.T).chunk(4)
    covariance = product - mean_a * mean_b
    variances = squares - mean_a**2 - mean_b**2
    return _similarity(mean_a + level_a, mean_b + level_b, covariance, variances)


def ssim_by_windows(a, b):
    """Compute the same by five pairs of separable depthwise convolutions."""
    channels = a.shape[1]
    weight = _gaussian(a.device).expand(channels, 1, 1, WINDOW)

    def local_mean(x):
        x = F.conv2d(x, weight, groups=channels)
        return F.conv2d(x, weight.transpose(2, 3), groups=channels)

    mean_a, mean_b = local_mean(a), local_mean(b)
    covariance = local_mean(a * b) - mean_a * mean_b
    variances = local_mean(a * a) - mean_a**2 + local_mean(b * b) - mean_b**2
    return _similarity(mean_a, mean_b, covariance, variances)


def ssim_map(a, b):
    """Compute the SSIM of images mirrored at their borders: `[B, C, H, W]`."""
    return ssim(*(F.pad(x, (WINDOW // 2,) * 4, mode="reflect") for x in (a, b)))


def _similarity(mean_a, mean_b, covariance, variances):
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * covariance + C2) / (variances + C2)


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

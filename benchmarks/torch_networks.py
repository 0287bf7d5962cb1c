"""Networks of `adjax.models` in PyTorch, NCHW, layer for layer; `--against=torch` times them.

Each is written as a user of PyTorch would write it; the tests carry parameters over and compare.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SSIMAutoencoder(nn.Module):
    """`adjax.models.SSIMAutoencoder` for images of 128 px."""

    def __init__(self, channels: int, code_size: int = 100):
        """Make it for images `[B, channels, 128, 128]`."""
        super().__init__()
        features = (channels, 32, 32, 32, 64, 64, 128, 64, 32)
        kernels = (4, 4, 3, 4, 3, 4, 3, 3)
        pairs = list(zip(features[:-1], features[1:], kernels, strict=True))
        encoder, decoder = [], []
        for i, o, k in pairs:
            encoder += [
                nn.Conv2d(i, o, k, 2 if k == 4 else 1, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        encoder.append(nn.Conv2d(32, code_size, 8))
        decoder.append(nn.ConvTranspose2d(code_size, 32, 8))
        for i, o, k in reversed(pairs):
            decoder += [
                nn.LeakyReLU(0.2, inplace=True),
                nn.ConvTranspose2d(o, i, k, 2 if k == 4 else 1, padding=1),
            ]
        self.layers = nn.Sequential(*encoder, *decoder, nn.Sigmoid())

    def forward(self, image):
        """Reconstruct `[B, C, 128, 128]`."""
        return self.layers(image)


class ConvAutoencoder(nn.Module):
    """`adjax.models.ConvAutoencoder`."""

    def __init__(self, channels: int, size: int, code_size: int = 16, widths=(32, 64, 128)):
        """Make it for images `[B, channels, size, size]`."""
        super().__init__()
        *strided, last = widths
        layers, before = [], channels
        for features in strided:
            layers += _block(before, features, kernel=4, stride=2)
            before = features
        layers += _block(before, last)
        small = size // 2 ** len(strided)
        layers += [
            nn.Flatten(),
            nn.Linear(last * small * small, code_size),
            nn.Linear(code_size, last * small * small),
            nn.Unflatten(1, (last, small, small)),
        ]
        before = last
        for features in reversed(strided):
            layers += [*_block(before, features), nn.Upsample(scale_factor=2)]
            before = features
        layers += [*_block(before, strided[0]), nn.Conv2d(strided[0], channels, 3, padding=1)]
        self.layers = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, image):
        """Reconstruct `[B, C, H, W]`."""
        return self.layers(image)


def _block(before: int, features: int, kernel: int = 3, stride: int = 1):
    return (
        nn.Conv2d(before, features, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(features),
        nn.LeakyReLU(0.2, inplace=True),
    )


class RNAN(nn.Module):
    """`adjax.models.RNAN`."""

    def __init__(self, channels: int, groups: int = 2, nonlocal_groups=(0, -1), features: int = 32):
        """Make it for images `[B, channels, H, W]`, H and W even."""
        super().__init__()
        chosen = {g % groups for g in nonlocal_groups}
        self.head = nn.Conv2d(channels, features, 3, padding=1)
        *first, last = (AttentionGroup(features, group in chosen) for group in range(groups))
        self.body = nn.Sequential(*first, nn.Conv2d(features, features, 3, padding=1), last)
        self.tail = nn.Conv2d(features, channels, 3, padding=1)

    def forward(self, image):
        """Reconstruct `[B, C, H, W]`."""
        return image + self.tail(self.body(self.head(image)))


class AttentionGroup(nn.Module):
    """Trunk and mask branch, see `adjax.models.rnan`."""

    def __init__(self, features: int, is_nonlocal: bool):
        """Make it for `features` channels, with or without attention."""
        super().__init__()
        self.residual = nn.ModuleList(ResidualBlock(features) for _ in range(9))
        self.attend = NonLocalBlock(features) if is_nonlocal else nn.Identity()
        self.down = nn.Conv2d(features, features, 3, 2, padding=1)
        self.up = nn.ConvTranspose2d(features, features, 6, 2, padding=2)
        self.mask = nn.Conv2d(features, features, 1)
        self.out = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x):
        """Map `[B, F, H, W]` to the same shape."""
        block = self.residual
        r = block[0](x)
        trunk = block[1](block[2](r))
        shallow = block[3](self.attend(r))
        deep = block[4](block[5](self.down(shallow)))
        mask = torch.sigmoid(self.mask(block[6](self.up(deep) + shallow)))
        return self.out(block[7](block[8](trunk * mask + r)))


class ResidualBlock(nn.Module):
    """`x + conv(relu(conv(x)))`."""

    def __init__(self, features: int):
        """Make it for `features` channels."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, padding=1),
        )

    def forward(self, x):
        """Map `[B, F, H, W]` to the same shape."""
        return x + self.layers(x)


class NonLocalBlock(nn.Module):
    """Attention of every position over all positions, added to its input."""

    def __init__(self, features: int):
        """Make it for `features` channels."""
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(features, features // 2) for _ in range(3))
        self.out = nn.Linear(features // 2, features)
        nn.init.zeros_(self.out.weight)

    def forward(self, x):
        """Map `[B, F, H, W]` to the same shape."""
        b, features, h, w = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(b, 1, h * w, features)
        y = F.scaled_dot_product_attention(
            self.query(flat), self.key(flat), self.value(flat), scale=1.0
        )
        return x + self.out(y).reshape(b, h, w, features).permute(0, 3, 1, 2)


class HalfResolutionResNet(nn.Module):
    """`adjax.models.HalfResolutionResNet` for images of even size."""

    def __init__(self, channels: int, blocks: int = 8, features: int = 32):
        """Make it for images `[B, channels, H, W]`."""
        super().__init__()
        self.head = nn.Conv2d(4 * channels, features, 3, padding=1)
        self.blocks = nn.Sequential(*(PreActivationBlock(features) for _ in range(blocks)))
        self.tail = nn.Conv2d(features, 4 * channels, 3, padding=1)

    def forward(self, image):
        """Reconstruct `[B, C, H, W]`."""
        x = self.tail(self.blocks(self.head(F.pixel_unshuffle(image, 2))))
        return image + F.pixel_shuffle(x, 2)


class PreActivationBlock(nn.Module):
    """`x + conv(relu(conv(relu(x))))`."""

    def __init__(self, features: int):
        """Make it for `features` channels."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, padding=1),
        )

    def forward(self, x):
        """Map `[B, F, H, W]` to the same shape."""
        return x + self.layers(x)

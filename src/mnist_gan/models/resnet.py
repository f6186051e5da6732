"""Normalization-free residual networks for the relativistic loss with R1 and R2 (Huang et al. 2024).

Without normalization the gradient of a logit depends on its own image only. The initialization keeps deep stacks stable
(Fixup, Zhang et al. 2019): every residual branch starts at zero.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models.base import Discriminator, Generator, ImageShape, ProjectionHead, coarsest_resolution
from mnist_gan.models.layers import (
    HIDDEN_GAIN,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    LeakyReLU,
    ResidualBlock,
    Unflatten,
    normal_,
)


class ResNetGenerator(Generator):
    """z to `channels[0]` maps at the coarsest resolution, then nearest upsampling; a residual block per resolution."""

    def __init__(self, config: GeneratorConfig, shape: ImageShape) -> None:
        super().__init__(z_dim=config.z_dim, shape=shape, overshoot=config.overshoot)
        coarsest = coarsest_resolution(shape, config.channels, network="generator")
        first, last = config.channels[0], config.channels[-1]
        layers: list[nn.Module] = [
            Dense(self.in_features, first * coarsest**2),
            Unflatten(channels=first, resolution=coarsest),
            ResidualBlock(first),
        ]
        for width, next_width in itertools.pairwise(config.channels):
            # 1x1 before upsampling: the same result for a quarter of the work
            layers += [Conv(width, next_width, kernel=1), nn.Upsample(scale_factor=2), ResidualBlock(next_width)]
        to_image = Conv(last, shape.channels, kernel=3)
        self.trunk = nn.Sequential(*layers, LeakyReLU(), to_image)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ =======================================
        from z, 1x1 convolutions     N(0, 1 / fan_in)
        first of a block             N(0, HIDDEN_GAIN**2 / fan_in / blocks)
        last of a block              0
        to the image                 N(0, 1 / fan_in)
        label embedding              N(0, 1), like z
        biases                       0
        ============================ =======================================
        """
        if self.embedding is not None:
            normal_(self.embedding, gain=1.0, fan_in=1, generator=generator)
        _init_trunk(self.trunk, generator)


class ResNetDiscriminator(Discriminator):
    """Mirror image of the generator: a residual block per resolution, then average pooling."""

    def __init__(self, config: DiscriminatorConfig, shape: ImageShape) -> None:
        super().__init__(shape=shape)
        coarsest = coarsest_resolution(shape, config.channels, network="discriminator")
        spectral = config.norm == "spectral"
        first, last = config.channels[0], config.channels[-1]
        layers: list[nn.Module] = [
            Conv(shape.channels, first, kernel=3, spectral=spectral),
            ResidualBlock(first, spectral=spectral),
        ]
        for width, next_width in itertools.pairwise(config.channels):
            layers += [
                AvgPool(),
                Conv(width, next_width, kernel=1, spectral=spectral),
                ResidualBlock(next_width, spectral=spectral),
            ]
        self.trunk = nn.Sequential(*layers, LeakyReLU(), Flatten())
        self.head = ProjectionHead(last * coarsest**2, num_classes=shape.num_classes, spectral=spectral)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ =======================================
        from the image, 1x1          N(0, 1 / fan_in)
        first of a block             N(0, HIDDEN_GAIN**2 / fan_in / blocks)
        last of a block              0; under spectral normalization N(0, 1 / fan_in)
        logit, label projection      N(0, 1 / features)
        biases                       0
        ============================ =======================================
        """
        _init_trunk(self.trunk, generator)
        self.head.init_weights(generator)


def _init_trunk(trunk: nn.Sequential, generator: torch.Generator) -> None:
    blocks = sum(isinstance(layer, ResidualBlock) for layer in trunk)
    for layer in trunk:
        if isinstance(layer, Dense | Conv):
            normal_(layer.weight, gain=1.0, fan_in=layer.fan_in, generator=generator)
        elif isinstance(layer, ResidualBlock):
            first, last = layer.first, layer.last
            # Fixup, rule 2: blocks**(-1 / (2 m - 2)) for the m = 2 layers of a branch
            normal_(first.weight, gain=HIDDEN_GAIN * blocks**-0.5, fan_in=first.fan_in, generator=generator)
            if last.spectral is None:
                nn.init.zeros_(last.weight)
            else:  # spectral normalization divides by the norm, which must not be zero
                normal_(last.weight, gain=1.0, fan_in=last.fan_in, generator=generator)

"""DCGAN: the convolutional networks of Radford et al. (2016), compact and for any even image size."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models.base import Discriminator, Generator, ImageShape, ProjectionHead, coarsest_resolution
from mnist_gan.models.layers import (
    HIDDEN_GAIN,
    Conv,
    ConvUp,
    Dense,
    Flatten,
    LeakyReLU,
    Unflatten,
    WithProfiles,
    normal_,
)


class DCGANGenerator(Generator):
    """z to `channels[0]` maps at the coarsest resolution, then transposed convolutions that double it.

    `channels[i]` is the width at resolution / 2**(n - 1 - i): three widths give 7, 14 and 28 pixels. With an
    `image_stride` of 2 the layer at the image doubles, too, as in the paper: two widths give 7 and 14, then 28. With a
    `dense_width`, a dense layer comes first.
    """

    def __init__(self, config: GeneratorConfig, shape: ImageShape) -> None:
        super().__init__(z_dim=config.z_dim, shape=shape, overshoot=config.overshoot)
        coarsest = coarsest_resolution(shape, config.channels, network="generator", image_stride=config.image_stride)
        normalize = config.norm == "batch"
        first, last = config.channels[0], config.channels[-1]

        def activate(width: int) -> list[nn.Module]:
            return [nn.BatchNorm2d(width), LeakyReLU()] if normalize else [LeakyReLU()]

        dense, in_features = config.dense_width, self.in_features
        layers: list[nn.Module] = [Dense(in_features, dense), LeakyReLU()] if dense else []
        layers += [
            Dense(dense or in_features, first * coarsest**2, bias=not normalize),
            Unflatten(channels=first, resolution=coarsest),
            *activate(first),
        ]
        for width, next_width in itertools.pairwise(config.channels):
            layers += [ConvUp(width, next_width, bias=not normalize), *activate(next_width)]
        upsample = config.image_stride == 2
        to_image = ConvUp(last, shape.channels) if upsample else Conv(last, shape.channels, kernel=3)
        self.trunk = nn.Sequential(*layers, to_image)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ ============================
        from z, convolutions         N(0, HIDDEN_GAIN**2 / fan_in)
        to the image                 N(0, 1 / fan_in)
        label embedding              N(0, 1), like z
        BatchNorm                    scale 1
        biases                       0
        ============================ ============================
        """
        if self.embedding is not None:
            normal_(self.embedding, gain=1.0, fan_in=1, generator=generator)
        for layer in self.trunk:
            if isinstance(layer, Dense | Conv | ConvUp):
                gain = 1.0 if layer is self.trunk[-1] else HIDDEN_GAIN
                normal_(layer.weight, gain=gain, fan_in=layer.fan_in, generator=generator)


class DCGANDiscriminator(Discriminator):
    """Mirror image of the generator, with strided 4x4 convolutions: `channels[i]` is the width at resolution / 2**i.

    With an `image_stride` of 2 the layer at the image is strided, too, and `channels[i]` is the width at
    resolution / 2**(i + 1). BatchNorm, if configured, follows every convolution but the first (Radford et al. 2016).
    With a `dense_width`, a dense layer joins the maps and the profiles of the image before the logit; a 1x1 convolution
    narrows the maps to `dense_channels` first.
    """

    def __init__(self, config: DiscriminatorConfig, shape: ImageShape) -> None:
        super().__init__(shape=shape)
        coarsest = coarsest_resolution(
            shape, config.channels, network="discriminator", image_stride=config.image_stride
        )
        normalize, spectral = config.norm == "batch", config.norm == "spectral"
        kernel = 3 if config.image_stride == 1 else 4
        from_image = Conv(
            shape.channels, config.channels[0], kernel=kernel, stride=config.image_stride, spectral=spectral
        )
        layers: list[nn.Module] = [from_image, LeakyReLU()]
        for width, next_width in itertools.pairwise(config.channels):
            layers.append(Conv(width, next_width, kernel=4, stride=2, bias=not normalize, spectral=spectral))
            if normalize:
                layers.append(nn.BatchNorm2d(next_width))
            layers.append(LeakyReLU())
        last = config.channels[-1]
        if config.dense_channels:
            layers += [Conv(last, config.dense_channels, kernel=1, spectral=spectral), LeakyReLU()]
        layers.append(Flatten())
        features, dense = (config.dense_channels or last) * coarsest**2, config.dense_width
        if dense:
            inputs = features + WithProfiles.length(shape.channels, shape.resolution)
            layers = [WithProfiles(*layers), Dense(inputs, dense, spectral=spectral), LeakyReLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = ProjectionHead(dense or features, num_classes=shape.num_classes, spectral=spectral)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ ============================
        convolutions, dense layer    N(0, HIDDEN_GAIN**2 / fan_in)
        logit, label projection      N(0, 1 / features)
        BatchNorm                    scale 1
        biases                       0
        ============================ ============================
        """
        for layer in self.trunk.modules():
            if isinstance(layer, Conv | Dense):
                normal_(layer.weight, gain=HIDDEN_GAIN, fan_in=layer.fan_in, generator=generator)
        self.head.init_weights(generator)

"""MLP: the fully connected networks of Goodfellow et al. (2014), in the form that tutorials use."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

import torch
from torch import nn

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models.base import Discriminator, Generator, ImageShape, ProjectionHead
from mnist_gan.models.layers import HIDDEN_GAIN, Dense, Flatten, LeakyReLU, Unflatten, normal_

POINT_GAIN: Final = 5.0
"""Extra gain of D's first layer on points: modes are small beside the range of the networks."""
FIRST_SPREAD: Final = 0.5
"""Spread of the biases of the first layer of a network of points, relative to its weights."""


class MLPGenerator(Generator):
    """z to hidden layers of widths `channels` to pixels; BatchNorm after every hidden layer but the first."""

    def __init__(self, config: GeneratorConfig, shape: ImageShape) -> None:
        super().__init__(z_dim=config.z_dim, shape=shape, overshoot=config.overshoot)
        widths = (self.in_features, *config.channels)
        layers: list[nn.Module] = []
        for index, (width, next_width) in enumerate(itertools.pairwise(widths)):
            normalize = config.norm == "batch" and index > 0
            layers.append(Dense(width, next_width, bias=not normalize))
            if normalize:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(LeakyReLU())
        pixels = shape.channels * shape.resolution**2
        to_image = Dense(widths[-1], pixels)
        fold = Unflatten(channels=shape.channels, resolution=shape.resolution)
        self.trunk = nn.Sequential(*layers, to_image, fold)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ ============================
        hidden layers                N(0, HIDDEN_GAIN**2 / fan_in)
        to the image                 N(0, 1 / fan_in)
        label embedding              N(0, 1), like z
        BatchNorm                    scale 1
        biases                       0; see `spread_kinks`
        ============================ ============================
        """
        if self.embedding is not None:
            normal_(self.embedding, gain=1.0, fan_in=1, generator=generator)
        for layer in self.trunk:
            if isinstance(layer, Dense):
                gain = 1.0 if layer is self.trunk[-2] else HIDDEN_GAIN
                normal_(layer.weight, gain=gain, fan_in=layer.fan_in, generator=generator)
        if self.shape.is_points:
            spread_kinks(list(self.trunk)[:-2], generator)


class MLPDiscriminator(Discriminator):
    """Pixels to hidden layers of widths `channels` to a logit; BatchNorm after every hidden layer but the first."""

    def __init__(self, config: DiscriminatorConfig, shape: ImageShape) -> None:
        super().__init__(shape=shape)
        spectral = config.norm == "spectral"
        widths = (shape.channels * shape.resolution**2, *config.channels)
        layers: list[nn.Module] = [Flatten()]
        for index, (width, next_width) in enumerate(itertools.pairwise(widths)):
            normalize = config.norm == "batch" and index > 0
            layers.append(Dense(width, next_width, bias=not normalize, spectral=spectral))
            if normalize:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(LeakyReLU())
        self.trunk = nn.Sequential(*layers)
        self.head = ProjectionHead(widths[-1], num_classes=shape.num_classes, spectral=spectral)

    def init_weights(self, generator: torch.Generator) -> None:
        """Initialize every weight.

        ============================ ============================
        hidden layers                N(0, HIDDEN_GAIN**2 / fan_in); first of points times POINT_GAIN
        logit, label projection      N(0, 1 / features)
        BatchNorm                    scale 1
        biases                       0; see `spread_kinks`
        ============================ ============================
        """
        for layer in self.trunk:
            if isinstance(layer, Dense):
                normal_(layer.weight, gain=HIDDEN_GAIN, fan_in=layer.fan_in, generator=generator)
        if self.shape.is_points:
            first = next(layer for layer in self.trunk if isinstance(layer, Dense))
            with torch.no_grad():
                first.weight.mul_(POINT_GAIN)
            spread_kinks(self.trunk, generator, first_gain=POINT_GAIN)
        self.head.init_weights(generator)


def spread_kinks(trunk: Iterable[nn.Module], generator: torch.Generator, *, first_gain: float = 1.0) -> None:
    """Draw the biases of a network of points in place.

    With biases of 0, the kinks of all leaky ReLUs pass through the origin of a plane, and the network is slow to learn
    any structure elsewhere. The first layer, with few inputs, gets half the spread, which keeps its kinks in range.
    """
    gain = FIRST_SPREAD * first_gain * HIDDEN_GAIN
    for layer in trunk:
        if isinstance(layer, Dense) and layer.bias is not None:
            normal_(layer.bias, gain=gain, fan_in=layer.fan_in, generator=generator)
            gain = HIDDEN_GAIN

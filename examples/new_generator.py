"""A plug-in with a generator that computes every pixel from its coordinates, z and the label, with one small network.

    mnist-gan train painter.digits --plugin examples/new_generator.py
    mnist-gan train quick --plugin examples/new_generator.py --generator.family painter.coordinates

A generator is any torch module: `forward(z, labels)` returns images in [-1, 1].
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from mnist_gan import Config, Plugin, presets
from mnist_gan.config import GeneratorConfig
from mnist_gan.models import ImageShape

plugin = Plugin("painter")


@plugin.generator("coordinates")
class CoordinateGenerator(nn.Module):
    """A compositional pattern-producing network (Stanley 2007), as wide as the first of `config.channels`."""

    def __init__(self, config: GeneratorConfig, shape: ImageShape) -> None:
        super().__init__()
        width, self.shape = config.channels[0], shape
        line = torch.linspace(-3, 3, shape.resolution)
        self.register_buffer("grid", torch.cartesian_prod(line, line))  # [H*W, 2]
        self.of_label = nn.Embedding(max(1, shape.num_classes), width)
        self.of_z = nn.Linear(config.z_dim, width)
        self.of_place = nn.Linear(2, width)
        self.layers = nn.Sequential(
            *(nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, shape.channels), nn.Tanh()),
        )

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        content = self.of_z(z)  # [N, width]
        if labels is not None:
            content = content + self.of_label(labels)
        features = torch.sin(self.of_place(self.grid) * (1 + content.unsqueeze(1)))  # [N, H*W, width]
        pixels: Tensor = self.layers(features + content.unsqueeze(1))  # [N, H*W, C]
        return pixels.transpose(1, 2).reshape(len(z), -1, self.shape.resolution, self.shape.resolution)


@plugin.preset("digits")
def digits() -> Config:
    """`quick` with the coordinate generator."""
    base = presets.quick()
    generator = GeneratorConfig(family="painter.coordinates", z_dim=64, channels=(64,), norm="none")
    return replace(base, generator=generator)

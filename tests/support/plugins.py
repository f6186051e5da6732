"""Plug-in files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

HEAD: Final = """\
import torch
from torch import nn
from torch.nn.functional import relu, softplus

from mnist_gan import Config, Plugin, presets
from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import DecisionRule, Objective

plugin = Plugin("ideas")
"""
LOSS: Final = """

@plugin.loss("margin")
def margin(config):
    return Objective(
        discriminator_loss=lambda real, fake: relu(1 - real) + relu(1 + fake),
        generator_loss=lambda fake, real: relu(1 - fake),
        decision_rule=DecisionRule(boundary=0.0),
    )
"""
NETWORKS: Final = '''

@plugin.generator("dropped")
class Generator(nn.Module):
    """Has BatchNorm, and dropout, which draws from torch's own random state."""

    def __init__(self, config, shape):
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(max(1, shape.num_classes), config.z_dim)
        self.first = nn.Sequential(nn.Linear(config.z_dim, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
        self.last = nn.Linear(16, shape.channels * shape.resolution**2)

    def forward(self, z, labels):
        z = z if labels is None else z + self.embed(labels)
        shape = self.shape
        return self.last(self.first(z)).tanh().view(len(z), shape.channels, shape.resolution, shape.resolution)


@plugin.discriminator("dropped")
class Discriminator(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        pixels = shape.channels * shape.resolution**2
        self.score = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 1)
        )

    def forward(self, images, labels):
        return self.score(images).squeeze(1)


@plugin.regularizer("drift")
def drift(D, real_images, fake_images, labels, *, mix):
    return D(mix.view(-1, 1, 1, 1) * real_images, labels).square()
'''
PRESET: Final = '''

@plugin.preset("short", minutes=0.1)
def short() -> Config:
    """A margin loss."""
    return Config(objective=ObjectiveConfig(loss="ideas.margin"))
'''


def write_plugin(folder: Path, *parts: str, name: str = "ideas.py") -> Path:
    """Write a plug-in file of `HEAD` and `parts`."""
    file = folder / name
    file.write_text(HEAD + "".join(parts or (LOSS, NETWORKS, PRESET)), encoding="utf-8")
    return file

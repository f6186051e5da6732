"""Small untrained models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mnist_gan.artifacts.gan import GAN, snapshot_of
from mnist_gan.config import Config, DiscriminatorConfig, GeneratorConfig, TrainingConfig
from mnist_gan.models import ImageShape, build_discriminator, build_generator
from mnist_gan.objectives import Calibration
from mnist_gan.scaling import Coordinates

POINTS: Final = ImageShape(channels=2, resolution=1, scaling=Coordinates(centre=(10.0, 20.0), scale=2.0))
"""Points of the plane, around (10, 20)."""


def tiny_gan(
    *,
    num_classes: int = 10,
    channels: int = 1,
    shape: ImageShape | None = None,
    calibration: Calibration | None = None,
    facts: Mapping[str, Any] | None = None,
    **config: Any,
) -> GAN:
    """Build MLPs of one hidden layer for 28 x 28 images or another shape; `config` gives fields of the `Config`."""
    tables = {"training": TrainingConfig(conditional=num_classes > 0), **config}
    resolved = Config(
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(8,), norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
        **tables,
    )
    shape = shape or ImageShape(channels=channels, resolution=28, num_classes=num_classes)
    return snapshot_of(
        G_ema=build_generator(resolved.generator, shape, seed=0),
        D=build_discriminator(resolved.discriminator, shape, seed=0),
        config=resolved,
        calibration=calibration or Calibration(scale=1.0, bias=0.0),
        facts=facts or {},
    )

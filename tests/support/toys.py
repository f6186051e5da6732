"""A training on points that takes a second."""

from __future__ import annotations

import dataclasses
from typing import Any

from mnist_gan import presets
from mnist_gan.config import Config, DataConfig


def toy_config(**data: Any) -> Config:
    """Twenty steps of 16 points of ring8, with two evaluations, on networks of one hidden layer."""
    base = presets.get("ring8")
    return dataclasses.replace(
        base,
        data=DataConfig(**{"name": "ring8", "limit": 100, **data}),
        generator=dataclasses.replace(base.generator, channels=(8,)),
        discriminator=dataclasses.replace(base.discriminator, channels=(8,)),
        training=dataclasses.replace(base.training, total_nimg=320, batch_size=16, threads=1, device="cpu"),
        run=dataclasses.replace(base.run, tick_nimg=64, evaluate_nimg=160, checkpoint_nimg=96, tensorboard=False),
    )

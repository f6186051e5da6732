"""A small pair of networks in training, on random images of 8 x 8 pixels with 1 and with 3 channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.support.training import BATCH_SIZE, RandomImages

from mnist_gan.config import Config, DiscriminatorConfig, GeneratorConfig, TrainingConfig
from mnist_gan.models import ImageShape
from mnist_gan.training import TrainState, create_state


@pytest.fixture(params=[1, 3], ids=["grey", "colour"])
def shape(request: pytest.FixtureRequest) -> ImageShape:
    return ImageShape(channels=request.param, resolution=8, num_classes=10)


@pytest.fixture
def stream(shape: ImageShape) -> RandomImages:
    return RandomImages(shape)


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """A conditional pair of MLPs; arguments replace fields of the sections: `make_config(training={"d_steps": 2})`."""

    def make(**sections: dict[str, Any]) -> Config:
        config = Config(
            generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="none"),
            discriminator=DiscriminatorConfig(family="mlp", channels=(16, 8)),
            training=TrainingConfig(batch_size=BATCH_SIZE, conditional=True, precision="float32", device="cpu"),
        )
        changed = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in sections.items()}
        return dataclasses.replace(config, **changed)

    return make


@pytest.fixture
def make_state(shape: ImageShape) -> Callable[[Config], TrainState]:
    def make(config: Config) -> TrainState:
        return create_state(config, shape, device=torch.device("cpu"))

    return make

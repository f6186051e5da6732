"""Networks from configs, with initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import torch

from mnist_gan import rng
from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models.base import Discriminator, Generator, ImageShape, ProjectionHead
from mnist_gan.models.custom import (
    DiscriminatorBuilders,
    GeneratorBuilders,
    adapt_discriminator,
    adapt_generator,
)
from mnist_gan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from mnist_gan.models.layers import Conv, Dense
from mnist_gan.models.mlp import MLPDiscriminator, MLPGenerator
from mnist_gan.models.resnet import ResNetDiscriminator, ResNetGenerator
from mnist_gan.registry import look_up

NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def build_generator(
    config: GeneratorConfig, shape: ImageShape, *, seed: int, builders: GeneratorBuilders = NONE
) -> Generator:
    """Generator on the CPU, in training mode; its weights depend on the seed only.

    Args:
        config: family and sizes.
        shape: shape of the images.
        seed: of the initial weights.
        builders: generators of plug-ins by full name. Layers that torch initializes draw from the seed, too.

    Raises:
        ConfigError: the number of widths does not fit the resolution of the images.
        PluginError: the family is a plug-in's own and not among `builders`.
    """
    network: MLPGenerator | DCGANGenerator | ResNetGenerator
    match config.family:
        case "mlp":
            network = MLPGenerator(config, shape)
        case "dcgan":
            network = DCGANGenerator(config, shape)
        case "resnet":
            network = ResNetGenerator(config, shape)
        case name:
            build = look_up(builders, name, field="generator.family")
            with rng.seeded(seed, "init/generator"):
                return adapt_generator(build(config, shape), name, z_dim=config.z_dim, shape=shape)
    network.init_weights(rng.generator(seed, "init/generator"))
    return network


def build_discriminator(
    config: DiscriminatorConfig, shape: ImageShape, *, seed: int, builders: DiscriminatorBuilders = NONE
) -> Discriminator:
    """Discriminator on the CPU, in training mode; its weights depend on the seed only.

    The arguments and errors are those of `build_generator`.
    """
    network: MLPDiscriminator | DCGANDiscriminator | ResNetDiscriminator
    match config.family:
        case "mlp":
            network = MLPDiscriminator(config, shape)
        case "dcgan":
            network = DCGANDiscriminator(config, shape)
        case "resnet":
            network = ResNetDiscriminator(config, shape)
        case name:
            build = look_up(builders, name, field="discriminator.family")
            with rng.seeded(seed, "init/discriminator"):
                return adapt_discriminator(build(config, shape), name, shape=shape)
    source = rng.generator(seed, "init/discriminator")
    network.init_weights(source)
    _reset_spectral_norms(network, source)
    return network


def _reset_spectral_norms(network: Discriminator, source: torch.Generator) -> None:
    """Start every power iteration near the singular vector of the initial weight."""
    for module in network.modules():
        if isinstance(module, Conv | Dense) and module.spectral is not None:
            module.spectral.reset(module.weight, source)
        elif isinstance(module, ProjectionHead) and module.spectral is not None and module.embedding is not None:
            module.spectral.reset(module.embedding, source)

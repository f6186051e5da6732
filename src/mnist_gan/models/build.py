"""Networks from configs, with initial weights."""

from __future__ import annotations

import torch

from mnist_gan import rng
from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models.base import Discriminator, Generator, ImageShape, ProjectionHead
from mnist_gan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from mnist_gan.models.layers import Conv, Dense
from mnist_gan.models.mlp import MLPDiscriminator, MLPGenerator
from mnist_gan.models.resnet import ResNetDiscriminator, ResNetGenerator


def build_generator(config: GeneratorConfig, shape: ImageShape, *, seed: int) -> Generator:
    """Generator on the CPU, in training mode; its weights depend on the seed only.

    Raises:
        ConfigError: the number of widths does not fit the resolution of the images.
    """
    network: MLPGenerator | DCGANGenerator | ResNetGenerator
    match config.family:
        case "mlp":
            network = MLPGenerator(config, shape)
        case "dcgan":
            network = DCGANGenerator(config, shape)
        case "resnet":
            network = ResNetGenerator(config, shape)
    network.init_weights(rng.generator(seed, "init/generator"))
    return network


def build_discriminator(config: DiscriminatorConfig, shape: ImageShape, *, seed: int) -> Discriminator:
    """Discriminator on the CPU, in training mode; its weights depend on the seed only.

    Raises:
        ConfigError: the number of widths does not fit the resolution of the images.
    """
    network: MLPDiscriminator | DCGANDiscriminator | ResNetDiscriminator
    match config.family:
        case "mlp":
            network = MLPDiscriminator(config, shape)
        case "dcgan":
            network = DCGANDiscriminator(config, shape)
        case "resnet":
            network = ResNetDiscriminator(config, shape)
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

"""Configs of every family of networks, shapes with 1 and 3 channels, and calls that fit any of them."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models import Discriminator, Generator, ImageShape, build_discriminator, build_generator

G_CONFIGS = [
    GeneratorConfig(family="mlp", z_dim=7, channels=(24, 16), norm="none"),
    GeneratorConfig(family="mlp", z_dim=7, channels=(24, 16), norm="batch"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8, 6), norm="none"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8, 6), norm="batch"),
    GeneratorConfig(family="resnet", z_dim=7, channels=(12, 8, 6), norm="none"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8), norm="batch", image_stride=2),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8, 6), norm="batch", dense_width=10),
]
D_CONFIGS = [
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="none"),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="batch"),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="none"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="batch"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="none"),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(8, 12), norm="none", image_stride=2),
    DiscriminatorConfig(family="dcgan", channels=(8, 12), norm="spectral", dense_width=10),
    DiscriminatorConfig(family="dcgan", channels=(8, 12), norm="batch", dense_width=10),
    DiscriminatorConfig(family="dcgan", channels=(8, 12), norm="spectral", dense_width=10, dense_channels=5),
]
SHAPES = [
    ImageShape(channels=channels, resolution=28, num_classes=classes) for channels in (1, 3) for classes in (0, 10)
]


def label(config) -> str:
    stride, dense = "-stride2" if config.image_stride == 2 else "", "-dense" if config.dense_width else ""
    narrow = "-narrow" if getattr(config, "dense_channels", 0) else ""
    return f"{config.family}-{config.norm}{stride}{dense}{narrow}"


def shape_label(shape: ImageShape) -> str:
    return f"{shape.channels}ch-{'conditional' if shape.num_classes else 'unconditional'}"


every_generator = pytest.mark.parametrize("config", G_CONFIGS, ids=label)
every_discriminator = pytest.mark.parametrize("config", D_CONFIGS, ids=label)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=shape_label)
every_channel_count = pytest.mark.parametrize("channels", [1, 3])


def labels_for(shape: ImageShape, n: int) -> torch.Tensor | None:
    return torch.arange(n) % shape.num_classes if shape.num_classes else None


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def images_of(shape: ImageShape, n: int) -> torch.Tensor:
    return noise(n, shape.channels, shape.resolution, shape.resolution).tanh()


def draw(G: Generator, n: int):
    return G(noise(n, G.z_dim), labels_for(G.shape, n))


def score(D: Discriminator, n: int):
    return D(images_of(D.shape, n), labels_for(D.shape, n))


def build(config, shape: ImageShape, *, seed: int = 0):
    """Build the generator or discriminator of `config`."""
    builder = build_generator if isinstance(config, GeneratorConfig) else build_discriminator
    return builder(config, shape, seed=seed)


def use(network, n: int):
    """Images of a generator, or logits of a discriminator."""
    return draw(network, n) if isinstance(network, Generator) else score(network, n)


def maps_by_resolution(network, given):
    """Widths of all maps at each resolution, in the order of their computation."""
    found = defaultdict(list)

    def note(layer, _, out):
        if out.dim() == 4:
            found[out.shape[-1]].append(out.shape[1])

    hooks = [layer.register_forward_hook(note) for layer in network.trunk]
    network(given)
    for hook in hooks:
        hook.remove()
    return found


def assert_widths_by_resolution(
    family, *, channels: int, resolution: int, widths: tuple[int, ...], stages: list[int]
) -> None:
    """Width i of the generator, and width n - i of the discriminator, belong to the maps of stages[i] pixels."""
    shape = ImageShape(channels=channels, resolution=resolution)
    G = build_generator(GeneratorConfig(family=family, z_dim=4, channels=widths, norm="none"), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family=family, channels=widths[::-1]), shape, seed=0)
    expected = dict(zip(stages, widths, strict=True))
    images = G(noise(2, 4))
    assert images.shape == (2, channels, resolution, resolution)
    assert D(images).shape == (2,)
    assert {size: first for size, (first, *_) in maps_by_resolution(G, noise(2, 4)).items()} == expected
    assert {size: last for size, (*_, last) in maps_by_resolution(D, images).items()} == expected

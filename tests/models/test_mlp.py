import torch
from tests.support.networks import every_channel_count, noise

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models import ImageShape, build_discriminator, build_generator
from mnist_gan.models.layers import Dense


def dense_shapes(trunk: torch.nn.Sequential) -> list[tuple[int, ...]]:
    """(outputs, inputs) of every fully connected layer."""
    return [tuple(layer.weight.shape) for layer in trunk if isinstance(layer, Dense)]


@every_channel_count
def test_mlp_hidden_layers_have_the_widths_of_the_config(channels):
    shape, pixels = ImageShape(channels=channels, resolution=8), channels * 64
    G = build_generator(GeneratorConfig(family="mlp", z_dim=5, channels=(6, 7)), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family="mlp", channels=(7, 6)), shape, seed=0)
    assert dense_shapes(G.trunk) == [(6, 5), (7, 6), (pixels, 7)]
    assert dense_shapes(D.trunk) == [(7, pixels), (6, 7)]


@every_channel_count
def test_mlp_normalizes_every_hidden_layer_but_the_first(channels):
    shape = ImageShape(channels=channels, resolution=8)
    G = build_generator(GeneratorConfig(family="mlp", channels=(6, 7, 8), norm="batch"), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family="mlp", channels=(8, 7, 6), norm="batch"), shape, seed=0)
    for network, widths in ((G, [7, 8]), (D, [7, 6])):
        norms = [layer.num_features for layer in network.trunk if isinstance(layer, torch.nn.BatchNorm1d)]
        assert norms == widths


@every_channel_count
def test_mlp_accepts_an_odd_resolution(channels):
    shape = ImageShape(channels=channels, resolution=27)
    images = build_generator(GeneratorConfig(family="mlp", channels=(8,)), shape, seed=0)(noise(2, 64))
    assert images.shape == (2, channels, 27, 27)
    assert build_discriminator(DiscriminatorConfig(family="mlp", channels=(8,)), shape, seed=0)(images).shape == (2,)

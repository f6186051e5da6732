import pytest
from tests.support.networks import every_channel_count

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models import ImageShape, build_discriminator, build_generator, flops_per_image


@every_channel_count
def test_flops_of_mlp_networks_by_hand(channels):
    shape = ImageShape(channels=channels, resolution=4)
    G = build_generator(GeneratorConfig(family="mlp", z_dim=5, channels=(6, 7)), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family="mlp", channels=(6, 7)), shape, seed=0)
    assert flops_per_image(G) == 2 * (5 * 6 + 6 * 7 + 7 * 16 * channels)
    assert flops_per_image(D) == 2 * (16 * channels * 6 + 6 * 7 + 7 * 1)


@every_channel_count
def test_flops_of_dcgan_networks_by_hand(channels):
    shape = ImageShape(channels=channels, resolution=8, num_classes=10)
    G = build_generator(GeneratorConfig(family="dcgan", z_dim=5, channels=(6, 7)), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family="dcgan", channels=(6, 7)), shape, seed=0)
    # a transposed 4x4 convolution with stride 2 spends 16 taps on each input pixel
    assert flops_per_image(G) == 2 * (10 * 6 * 16 + 16 * 6 * 7 * 16 + 64 * 9 * 7 * channels)
    assert flops_per_image(D) == 2 * (64 * 9 * channels * 6 + 16 * 16 * 6 * 7 + 7 * 16)


@every_channel_count
def test_flops_of_resnet_networks_by_hand(channels):
    shape = ImageShape(channels=channels, resolution=8)
    G = build_generator(GeneratorConfig(family="resnet", z_dim=5, channels=(6, 7), norm="none"), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family="resnet", channels=(7, 6)), shape, seed=0)
    blocks = 16 * 2 * 9 * 6 * 6 + 64 * 2 * 9 * 7 * 7
    assert flops_per_image(G) == 2 * (5 * 6 * 16 + 16 * 6 * 7 + blocks + 64 * 9 * 7 * channels)
    assert flops_per_image(D) == 2 * (64 * 9 * channels * 7 + 16 * 7 * 6 + blocks + 6 * 16)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_flops_per_image_changes_neither_the_network_nor_its_mode(norm):
    shape = ImageShape(channels=1, resolution=8)
    D = build_discriminator(DiscriminatorConfig(family="dcgan", channels=(6, 7), norm=norm), shape, seed=0)
    before = {name: tensor.clone() for name, tensor in D.state_dict().items()}
    assert flops_per_image(D) == flops_per_image(D)
    assert D.training
    assert all(bool((D.state_dict()[name] == tensor).all()) for name, tensor in before.items())

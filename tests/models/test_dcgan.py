import pytest
from tests.support.networks import (
    assert_widths_by_resolution,
    every_channel_count,
    images_of,
    maps_by_resolution,
    noise,
)

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape, build_discriminator, build_generator


@every_channel_count
@pytest.mark.parametrize(
    ("resolution", "widths", "stages"),
    [
        (28, (5, 4), [14, 28]),
        (28, (6, 5, 4), [7, 14, 28]),
        (32, (7, 6, 5, 4), [4, 8, 16, 32]),
        (4, (6, 5, 4), [1, 2, 4]),
    ],
)
def test_dcgan_widths_belong_to_resolutions(resolution, widths, stages, channels):
    assert_widths_by_resolution("dcgan", channels=channels, resolution=resolution, widths=widths, stages=stages)


@every_channel_count
def test_dcgan_with_image_stride_2_has_finest_maps_of_half_the_resolution(channels):
    shape = ImageShape(channels=channels, resolution=28)
    G = build_generator(GeneratorConfig(z_dim=4, channels=(6, 5), norm="none", image_stride=2), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(channels=(5, 6), image_stride=2), shape, seed=0)
    assert maps_by_resolution(G, noise(2, 4)) == {7: [6, 6], 14: [5, 5], 28: [channels]}
    assert maps_by_resolution(D, images_of(shape, 2)) == {14: [5, 5], 7: [6, 6]}
    with pytest.raises(ConfigError, match=r"halved 2 times.*at most 2 widths"):
        build_generator(GeneratorConfig(channels=(6, 5, 4), image_stride=2), shape, seed=0)

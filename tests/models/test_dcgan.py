import dataclasses

import pytest
import torch
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
from mnist_gan.models.layers import MEAN_GAIN, Flatten, WithProfiles


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


def test_dcgan_discriminator_with_a_dense_layer_sees_distant_pixels_together():
    """Without one, features are local and the logit is their sum: distant pixels have independent effects."""
    shape = ImageShape(channels=1, resolution=28)
    blank = torch.full((1, 1, 28, 28), -1.0)
    top, bottom = blank.clone(), blank.clone()
    top[..., :4, :], bottom[..., -4:, :] = 1.0, 1.0
    both = torch.maximum(top, bottom)

    def interaction(dense_width: int) -> float:
        config = DiscriminatorConfig(channels=(8, 12), image_stride=2, dense_width=dense_width)
        D = build_discriminator(config, shape, seed=0).double()
        with torch.no_grad():
            logits = D(torch.cat([blank, top, bottom, both]).double())
        return float(logits[0] - logits[1] - logits[2] + logits[3])

    assert abs(interaction(0)) < 1e-12
    assert abs(interaction(16)) > 1e-3


def test_dense_channels_narrow_the_maps_before_the_dense_layer():
    shape = ImageShape(channels=1, resolution=28)
    config = DiscriminatorConfig(channels=(8, 12), image_stride=2, dense_width=16, dense_channels=3)
    D = build_discriminator(config, shape, seed=0)
    profiles = 4 * 28
    assert D.trunk[1].weight.shape == (16, 3 * 7 * 7 + profiles)


def test_profiles_are_the_means_and_maxima_of_rows_and_columns_above_black():
    image = torch.full((1, 1, 4, 4), -1.0)
    image[0, 0, 1, 2], image[0, 0, 3, 2] = 1.0, 0.0
    values = WithProfiles(Flatten())(image)[0, 16:].view(4, 4)
    rows, columns = [0, 2, 0, 1], [0, 0, 3, 0]
    assert values[:2].tolist() == [[MEAN_GAIN * each / 4 for each in rows], [MEAN_GAIN * each / 4 for each in columns]]
    assert values[2:].tolist() == [rows, [0, 0, 2, 0]]


def test_generator_with_overshoot_draws_exactly_black_where_tanh_comes_close():
    config, shape = GeneratorConfig(z_dim=4, channels=(6, 5), norm="none"), ImageShape(channels=1, resolution=28)
    plain = build_generator(config, shape, seed=0)
    beyond = build_generator(dataclasses.replace(config, overshoot=1.05), shape, seed=0)
    z = 20 * noise(3, 4)
    expected, images = plain(z), beyond(z)
    assert torch.equal(images, (1.05 * expected).clamp(-1, 1))
    assert (images == -1).float().mean() > 0.1
    assert (expected == -1).float().mean() < (images == -1).float().mean()

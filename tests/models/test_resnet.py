import pytest
import torch
from tests.support.networks import assert_widths_by_resolution, build, every_channel_count, noise

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models import ImageShape
from mnist_gan.models.layers import ResidualBlock


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
def test_resnet_widths_belong_to_resolutions(resolution, widths, stages, channels):
    assert_widths_by_resolution("resnet", channels=channels, resolution=resolution, widths=widths, stages=stages)


@every_channel_count
@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(family="resnet", z_dim=7, channels=(12, 8, 6), norm="none"),
        DiscriminatorConfig(family="resnet", channels=(6, 8, 12)),
    ],
    ids=["generator", "discriminator"],
)
def test_resnet_branches_start_at_zero(config, channels):
    shape = ImageShape(channels=channels, resolution=28)
    blocks = [layer for layer in build(config, shape).trunk if isinstance(layer, ResidualBlock)]
    assert len(blocks) == 3
    for block in blocks:
        x = noise(1, block.first.weight.shape[0], 4, 4)
        assert torch.equal(block(x), x)

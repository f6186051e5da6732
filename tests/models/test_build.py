"""Properties of the networks of every family, with 1 and 3 channels, conditional and not."""

import copy

import pytest
import torch
from tests.support.networks import (
    D_CONFIGS,
    G_CONFIGS,
    SHAPES,
    build,
    draw,
    every_channel_count,
    every_discriminator,
    every_generator,
    every_shape,
    images_of,
    label,
    labels_for,
    noise,
    score,
    use,
)

from mnist_gan import presets
from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.models import ImageShape, build_discriminator, build_generator


@every_shape
@every_generator
def test_generators_give_distinct_images_in_range(config, shape):
    images = draw(build_generator(config, shape, seed=0), 5)
    assert images.shape == (5, shape.channels, 28, 28)
    assert images.abs().max() <= 1
    assert (images[0] - images[1]).abs().max() > 0.05


@every_shape
@every_discriminator
def test_discriminators_give_one_distinct_logit_per_image(config, shape):
    logits = score(build_discriminator(config, shape, seed=0), 5)
    assert logits.shape == (5,)
    assert logits.std() > 1e-4


@every_shape
@every_generator
def test_generators_in_evaluation_mode_do_not_depend_on_the_batch(config, shape):
    G = build_generator(config, shape, seed=0).eval()
    alone = G(noise(4, G.z_dim)[:1], None if shape.num_classes == 0 else torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(alone, draw(G, 4)[:1], atol=1e-5, rtol=1e-4)


@every_shape
@every_discriminator
def test_discriminators_in_evaluation_mode_do_not_depend_on_the_batch(config, shape):
    D = build_discriminator(config, shape, seed=0).eval()
    alone = D(images_of(shape, 4)[:1], None if shape.num_classes == 0 else torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(alone, score(D, 4)[:1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("config", [c for c in D_CONFIGS if c.norm == "none"], ids=label)
@every_shape
def test_discriminators_without_batch_norm_give_logits_of_single_images_in_training_mode(config, shape):
    D = build_discriminator(config, shape, seed=0)
    images = images_of(shape, 4).requires_grad_()
    D(images, labels_for(shape, 4))[1].backward()
    assert images.grad is not None
    assert images.grad.flatten(1).any(dim=1).tolist() == [False, True, False, False]


@every_shape
@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_initial_weights_depend_on_the_seed_only(config, shape):
    before = torch.get_rng_state()
    one, same, other = (build(config, shape, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before), "torch's global randomness was drawn from"
    assert one.keys() == same.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if name.endswith(("weight", "embedding")) and one[name].std() > 0]
    assert len(drawn) >= 3
    assert not any(torch.equal(one[name], other[name]) for name in drawn)


@every_shape
@every_generator
def test_every_weight_of_a_generator_gets_a_gradient(config, shape):
    G = build_generator(config, shape, seed=0)
    (draw(G, 8) * images_of(shape, 8)).sum().backward()
    assert_all_have_gradients(G)


@every_shape
@every_discriminator
def test_every_weight_of_a_discriminator_gets_a_gradient(config, shape):
    D = build_discriminator(config, shape, seed=0)
    (score(D, 10) * noise(10)).sum().backward()
    assert_all_have_gradients(D)


def assert_all_have_gradients(network):
    # layers before the last convolution of a residual branch get none while that is zero
    waiting = {
        name
        for name, _ in network.named_parameters()
        if ".first." in name and not network.state_dict()[last_of(name)].any()
    }
    silent = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert silent == waiting


def last_of(name: str) -> str:
    return name.split(".first.")[0] + ".last.weight"


@every_channel_count
@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds(name, channels):
    config = presets.get(name)
    shape = ImageShape(channels=channels, resolution=28, num_classes=10 if config.training.conditional else 0)
    G, D = build_generator(config.generator, shape, seed=0), build_discriminator(config.discriminator, shape, seed=0)
    assert D(draw(G, 2), labels_for(shape, 2)).shape == (2,)


@pytest.mark.parametrize("config", [c for c in D_CONFIGS if c.norm == "none"], ids=label)
@every_channel_count
def test_initial_discriminators_preserve_the_variance(config, channels):
    shape = ImageShape(channels=channels, resolution=28)
    wide = DiscriminatorConfig(family=config.family, channels=(256,) * len(config.channels))
    D = build_discriminator(wide, shape, seed=0)
    # coarse patterns, since average pooling removes the variance within 2x2 pixels
    images = noise(32, channels, 2, 2).tanh().repeat_interleave(14, dim=2).repeat_interleave(14, dim=3)
    features = D.trunk(images)
    assert 0.3 < features.square().mean() / images.square().mean() < 3


@pytest.mark.parametrize("config", [c for c in G_CONFIGS if c.norm == "none"], ids=label)
@every_channel_count
def test_initial_generators_are_not_saturated(config, channels):
    wide = GeneratorConfig(family=config.family, channels=(256,) * len(config.channels), norm="none")
    shape = ImageShape(channels=channels, resolution=28)
    images = draw(build_generator(wide, shape, seed=0), 8)
    assert 0.3 < images.std() < 0.8


@pytest.mark.parametrize("config", [G_CONFIGS[1], G_CONFIGS[3], D_CONFIGS[1], D_CONFIGS[4]], ids=label)
def test_batch_norm_has_the_default_epsilon_and_running_statistics(config):
    network = build(config, SHAPES[0])
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert {norm.eps for norm in norms} == {1e-5}
    assert sum("running_mean" in name for name, _ in network.named_buffers()) == len(norms)


@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_networks_are_equal_after_loading_and_copying(config):
    network = build(config, SHAPES[3])
    use(network, 6)  # updates the statistics of BatchNorm and the power iteration
    loaded = build(config, SHAPES[3], seed=1)
    loaded.load_state_dict(network.state_dict())
    copied = copy.deepcopy(network)
    expected = use(network, 6)
    assert torch.equal(use(loaded, 6), expected)
    assert torch.equal(use(copied, 6), expected)


@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_networks_give_the_same_results_in_channels_last_layout(config):
    network = build(config, SHAPES[3]).eval()
    expected = use(network, 3)
    torch.testing.assert_close(use(network.to(memory_format=torch.channels_last), 3), expected, atol=1e-5, rtol=1e-4)

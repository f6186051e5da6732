"""Adapters of a plug-in's networks: the interface of the built-in ones, and checked outputs."""

import pytest
import torch
from tests.support.networks import every_channel_count, noise
from torch import nn

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.errors import ConfigError, PluginError
from mnist_gan.models import ImageShape, build_discriminator, build_generator, flops_per_image

RESOLUTION = 8


class Painter(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.size = (shape.channels, shape.resolution, shape.resolution)
        self.layer = nn.Linear(config.z_dim, shape.channels * shape.resolution**2)

    def forward(self, z, labels):
        images = self.layer(z).tanh().view(-1, *self.size)
        return images if labels is None else images * labels.view(-1, 1, 1, 1)


class Critic(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.layer = nn.Linear(shape.channels * shape.resolution**2, 1)

    def forward(self, images, labels):
        logits = self.layer(images.flatten(1)).squeeze(1)
        return logits if labels is None else logits + labels


def generator(build, shape, *, seed=0):
    config = GeneratorConfig(family="ideas.x", z_dim=3)
    return build_generator(config, shape, seed=seed, builders={"ideas.x": build})


def discriminator(build, shape):
    return build_discriminator(DiscriminatorConfig(family="ideas.x"), shape, seed=0, builders={"ideas.x": build})


def shape_of(channels=1, classes=0):
    return ImageShape(channels=channels, resolution=RESOLUTION, num_classes=classes)


@every_channel_count
def test_custom_networks_work_as_built_in_ones(channels):
    shape = shape_of(channels, classes=2)
    G, D, labels = generator(Painter, shape), discriminator(Critic, shape), torch.tensor([0, 1])
    images = G(noise(2, 3), labels)
    assert images.shape == (2, channels, RESOLUTION, RESOLUTION)
    assert not images[0].any()  # the label reached the network
    logits = D(images, labels)
    by_label = D.logits_by_label(images)
    torch.testing.assert_close(by_label[[0, 1], labels], logits)
    torch.testing.assert_close(by_label[:, 1] - by_label[:, 0], torch.ones(2))


def test_custom_networks_take_labels_only_if_they_are_conditional():
    with pytest.raises(ConfigError, match="unconditional: pass no labels"):
        generator(Painter, shape_of())(noise(1, 3), torch.tensor([0]))
    with pytest.raises(ConfigError, match="pass a label"):
        discriminator(Critic, shape_of(classes=2))(torch.zeros(1, 1, RESOLUTION, RESOLUTION))


def test_custom_generator_has_initial_weights_of_the_seed_and_leaves_torchs_random_state():
    state = torch.get_rng_state()
    first, same, other = (generator(Painter, shape_of(), seed=seed).network.layer.weight for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_custom_generator_refuses_to_interpolate_labels():
    with pytest.raises(ConfigError, match="no label embeddings"):
        generator(Painter, shape_of(classes=2)).embed(torch.tensor([0]))


class Flat(Painter):
    def forward(self, z, labels):
        return super().forward(z, labels).flatten(1)


class Integer(Critic):
    def forward(self, images, labels):
        return super().forward(images, labels).long()


def test_custom_networks_refuse_wrong_outputs_and_name_the_line():
    line = Flat.forward.__code__.co_firstlineno
    with pytest.raises(PluginError, match=rf"test_custom\.py, line {line}: the generator ideas\.x returned the shape"):
        generator(Flat, shape_of())(noise(2, 3))
    with pytest.raises(PluginError, match=r"returned torch\.int64; it must return floats of the shape \(2,\)"):
        discriminator(Integer, shape_of())(torch.zeros(2, 1, RESOLUTION, RESOLUTION))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda config, shape: "a network", r"is str; it must be a torch\.nn\.Module"),
        (lambda config, shape: nn.Identity(), "has no parameters"),
        (lambda config, shape: build_generator(GeneratorConfig(family="mlp"), shape, seed=0), "z of length 64"),
    ],
)
def test_custom_generator_must_be_a_module_that_fits(build, message):
    with pytest.raises(PluginError, match=message):
        generator(build, shape_of())


def test_custom_discriminator_without_a_classifier_says_so():
    D = discriminator(Critic, shape_of(classes=2))
    with pytest.raises(PluginError, match=r"no method score_and_classify.*classifier-weight 0"):
        D.score_and_classify(torch.zeros(1, 1, RESOLUTION, RESOLUTION), torch.tensor([0]))


def test_flops_per_image_counts_torchs_own_layers():
    pixels = RESOLUTION**2
    assert flops_per_image(generator(Painter, shape_of())) == 2 * (3 * pixels + pixels)  # the weights, once each

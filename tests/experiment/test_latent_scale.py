"""Latent scale: the factor of z at which an averaged generator varies as much as the training images."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from tests.support.gans import tiny_gan
from tests.support.plugins import write_plugin
from tests.support.tiny import tiny_config

from mnist_gan import experiment, rng, sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.data import load_dataset
from mnist_gan.experiment.latent_scale import LIMITS, Spread, class_variances
from mnist_gan.experiment.setup import set_up
from mnist_gan.models import Generator
from mnist_gan.plugins import load_plugin


def drawn_at(idx_dir, G: Generator, scale: float):
    """A data set whose images the generator draws at a scale of z."""
    dataset = load_dataset(tiny_config(idx_dir).data)
    labels = sampling.cycle_labels(range(10), n=3000)
    images = sampling.render(G, scale * rng.latents(7, range(3000), G.z_dim), labels if G.shape.num_classes else None)
    return dataclasses.replace(dataset, images=images, labels=labels)


@pytest.mark.parametrize("num_classes", [10, 0])
@pytest.mark.parametrize("scale", [0.96, 1.0, 1.04])
def test_spread_finds_the_scale_of_the_images(idx_dir, scale, num_classes):
    G = tiny_gan(num_classes=num_classes).G
    spread = Spread(drawn_at(idx_dir, G, scale), conditional=num_classes > 0)
    assert spread.fit(G, seed=0) == pytest.approx(scale, abs=0.03)


def test_spread_leaves_z_as_it_is_where_a_larger_one_changes_nothing(idx_dir):
    G = tiny_gan().G
    dataset = drawn_at(idx_dir, G, 1.0)
    collapsed = copy.deepcopy(G)
    collapsed.scale_latents_(0.0)
    assert Spread(dataset, conditional=True).fit(collapsed, seed=0) == 1.0
    equal = dataclasses.replace(dataset, images=torch.zeros_like(dataset.images))
    assert Spread(equal, conditional=True).fit(G, seed=0) == 1.0


def test_spread_is_limited(idx_dir):
    G = tiny_gan().G
    assert Spread(drawn_at(idx_dir, G, 3.0), conditional=True).fit(G, seed=0) == LIMITS[1]
    assert Spread(drawn_at(idx_dir, G, 0.1), conditional=True).fit(G, seed=0) == LIMITS[0]


def test_class_variances_are_those_of_each_class():
    images = torch.randint(256, (50, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0] * 20 + [1] * 29 + [2])
    expected = [images[labels == label].double().var(dim=0).sum().item() for label in (0, 1)]
    variances = class_variances(images, labels, num_classes=4)
    assert variances.tolist() == pytest.approx([*expected, 0.0, 0.0])


def test_run_stores_the_model_at_the_fitted_scale(idx_dir, tmp_path):
    config = tiny_config(idx_dir, training={"conditional": True, "fit_latent_scale": True})
    outcome = experiment.run(config, name="scaled", runs_dir=tmp_path)
    plain = dataclasses.replace(config, training=dataclasses.replace(config.training, fit_latent_scale=False))
    unscaled = GAN.load(experiment.run(plain, name="unscaled", runs_dir=tmp_path).directory.root)
    scaled = GAN.load(outcome.directory.root)
    scale = scaled.facts["latent_scale"]
    with set_up(config) as setup:
        expected = Spread(setup.dataset, conditional=True).fit(unscaled.G, seed=config.training.seed)
    assert scale == pytest.approx(expected, rel=1e-3)
    assert scale != 1.0
    z, labels = rng.latents(0, range(10), scaled.G.z_dim), torch.arange(10)
    torch.testing.assert_close(scaled.G(z, labels), unscaled.G(scale * z, labels))
    assert f"Latent scale: {scale:.3f}" in (outcome.directory.model / "README.md").read_text()


def test_latent_scale_has_no_effect_on_points_and_on_a_generator_of_a_plug_in(idx_dir, tmp_path):
    scaled = {"training": {"fit_latent_scale": True}}
    with set_up(tiny_config(idx_dir, data={"name": "ring8", "dir": None}, **scaled)) as setup:
        assert setup.scale_latents_(setup.state.G_ema) is None
    plugin = load_plugin(write_plugin(tmp_path))
    config = tiny_config(idx_dir, generator={"family": "ideas.dropped"}, **scaled)
    with set_up(config, plugin=plugin) as setup:
        assert setup.scale_latents_(setup.state.G_ema) is None

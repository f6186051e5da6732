"""Inversion of generated images, and the progress of the search."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy import stats

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape, build_generator
from mnist_gan.sampling.inversion import length_surprise


@pytest.fixture(scope="module")
def gan() -> GAN:
    return GAN.load("shipped")


def tiny(*, classes: int = 0):
    config = GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="none")
    return build_generator(config, ImageShape(channels=1, resolution=28, num_classes=classes), seed=0).eval()


@pytest.mark.slow
@pytest.mark.parametrize("digit", [1, 4, 8])
def test_invert_recovers_a_generated_image(gan, digit):
    image = gan.sample(1, digit=digit, seed=77)[0]
    found = list(sampling.invert(gan.G, image, label=digit, features=gan.D.trunk, steps=200))
    first, last = found[0], found[-1]
    assert last.error < 0.0015  # a root mean square of 4 % of the grey range
    assert last.error < first.error / 10
    assert 6.5 < float(last.z.norm()) < 9.5  # the length of a z of 64 dimensions
    mean = float((last.image.float() - image.float()).div(255).square().mean())
    assert mean == pytest.approx(last.error, rel=0.05, abs=1e-5)


def test_invert_yields_decreasing_losses_up_to_the_last_step(gan):
    image = gan.sample(1, digit=3, seed=5)[0]
    found = list(sampling.invert(gan.G, image, label=3, steps=22, starts=3, report_every=5))
    assert [one.step for one in found] == [0, 5, 10, 15, 20, 22]
    assert [one.finished for one in found] == [False] * 5 + [True]
    assert all(later.loss <= earlier.loss for earlier, later in itertools.pairwise(found))
    assert found[-1].error < found[0].error
    assert {one.label for one in found} == {3}


def test_invert_yields_the_image_of_its_z(gan):
    image = gan.sample(1, digit=3, seed=5)[0]
    *_, last = sampling.invert(gan.G, image, label=3, steps=10, starts=2)
    drawn = sampling.render(gan.G, last.z[None], torch.tensor([3]))[0]
    assert int((drawn.int() - last.image.int()).abs().max()) <= 1


def test_invert_is_repeatable(gan):
    image = gan.sample(1, digit=3, seed=5)[0]
    searches = [list(sampling.invert(gan.G, image, label=3, steps=6, seed=seed)) for seed in (1, 1, 2)]
    one, again, other = (search[-1].z for search in searches)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_invert_compares_features():
    G = tiny()
    image = sampling.render(G, torch.randn(1, 4, generator=torch.Generator().manual_seed(3)))[0]
    seen = []

    def features(images):
        seen.append(images.shape)
        return images.mean(dim=(2, 3))

    list(sampling.invert(G, image, features=features, steps=3, starts=2))
    assert seen[0] == (1, 1, 28, 28)
    assert len(seen) > 3
    assert set(seen[1:]) == {(2, 1, 28, 28)}


def test_invert_with_a_strong_prior_keeps_the_length_of_z():
    G = tiny()
    image = torch.full((1, 28, 28), 128, dtype=torch.uint8)  # the image of a very short z
    lengths = []
    for weight in (0.0, 10.0):
        *_, last = sampling.invert(G, image, steps=150, prior_weight=weight)
        lengths.append(float(last.z.norm()))
    free, held = lengths
    assert held == pytest.approx(3**0.5, abs=0.4)
    assert free < 0.5


def test_length_surprise_matches_the_chi_density_of_scipy():
    z = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    expected = -stats.chi(10).logpdf(z.norm(dim=1).numpy())
    least = -stats.chi(10).logpdf(3.0)  # at sqrt(z_dim - 1)
    torch.testing.assert_close(length_surprise(z).double(), torch.from_numpy(expected - least), atol=1e-4, rtol=0)
    assert length_surprise(torch.zeros(1, 10)).isfinite().all()
    assert length_surprise(torch.tensor([[2.0]])).tolist() == [2.0]


@pytest.mark.parametrize(
    ("classes", "changes", "sentence"),
    [
        (3, {}, "give the label of the digit"),
        (3, {"label": 3}, "draws the classes 0 to 2, not 3"),
        (0, {"label": 1}, "give no label"),
        (0, {"steps": 0}, "at least 1"),
        (0, {"starts": 0}, "at least 1"),
        (0, {"image": torch.zeros(3, 28, 28, dtype=torch.uint8)}, r"has the shape \(3, 28, 28\)"),
    ],
)
def test_invert_refuses_invalid_arguments_at_once(classes, changes, sentence):
    arguments = {"image": torch.zeros(1, 28, 28, dtype=torch.uint8)} | changes
    with pytest.raises(ConfigError, match=sentence):
        sampling.invert(tiny(classes=classes), **arguments)

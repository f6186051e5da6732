"""Directions of generators whose directions are known."""

from __future__ import annotations

import itertools

import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator, ImageShape, build_generator
from mnist_gan.sampling.directions import (
    Directions,
    find_directions,
    first_layer_gram,
    mean_squared_jacobian,
    principal_directions,
)

SHAPE = ImageShape(channels=1, resolution=28)


def tiny(*, family="mlp", classes=0, channels=1, z_dim=6) -> Generator:
    widths = (16,) if family == "mlp" else (8, 4)
    config = GeneratorConfig(family=family, z_dim=z_dim, channels=widths, norm="none")
    shape = ImageShape(channels=channels, resolution=28, num_classes=classes)
    return build_generator(config, shape, seed=0).eval()


class Linear(Generator):
    """Images that are a linear function of z."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__(z_dim=matrix.shape[1], shape=SHAPE)
        self.matrix = torch.nn.Parameter(matrix)

    def draw(self, z: Tensor, embedded: Tensor | None) -> Tensor:
        return (z @ self.matrix.T).view(-1, 1, 28, 28)


class Pen(Generator):
    """A soft bar: one direction of z slants it, one changes its height, the third has no effect."""

    def __init__(self, basis: Tensor) -> None:
        super().__init__(z_dim=3, shape=SHAPE)
        self.basis = torch.nn.Parameter(basis)

    def draw(self, z: Tensor, embedded: Tensor | None) -> Tensor:
        slant, tall, _ = (z @ self.basis.T).view(-1, 3, 1, 1).split(1, dim=1)
        y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
        distance = (x + 0.25 * slant * y).abs()
        inside = torch.sigmoid(3 * (2 - distance)) * torch.sigmoid(3 * (9 + 0.5 * tall - y.abs()))
        return 2 * inside - 1


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
@pytest.mark.parametrize("method", ["images", "first-layer"])
def test_find_directions_returns_orthonormal_vectors_in_order_of_their_shares(family, method):
    found = find_directions(tiny(family=family, classes=3), count=4, method=method, probes=50)
    torch.testing.assert_close(found.vectors @ found.vectors.T, torch.eye(4), atol=1e-5, rtol=0)
    assert all(one >= next_one >= 0 for one, next_one in itertools.pairwise(found.shares.tolist()))
    assert 0 < float(found.shares.sum()) <= 1
    assert len(found) == len(found.names) == len(found.effects) == 4


def test_find_directions_shares_of_all_directions_add_up_to_one():
    found = find_directions(tiny(), count=100, probes=50)
    assert len(found) == 6
    assert float(found.shares.sum()) == pytest.approx(1)


def test_first_layer_gram_directions_match_a_pca_of_the_outputs():
    G = tiny(family="dcgan", z_dim=5)
    with torch.no_grad():  # scales as different as after a training, so that a sample separates the components
        first_layer = G.trunk[0].get_parameter("weight")
        first_layer.mul_(torch.tensor([3.0, 2.2, 1.5, 1.0, 0.6]))
    vectors, shares = principal_directions(first_layer_gram(G), count=5)
    z = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0))
    outputs = (z @ first_layer.detach().T).numpy()
    pca = PCA(n_components=5).fit(outputs)
    assert shares.tolist() == pytest.approx(pca.explained_variance_ratio_.tolist(), rel=0.05)
    # as GANSpace: the direction of z of a component by regression of z on the coordinates
    coordinates = torch.from_numpy(pca.transform(outputs)).float()
    back = torch.linalg.lstsq(coordinates, z).solution
    alike = (torch.nn.functional.normalize(back) * vectors).sum(1).abs()
    assert float(alike.min()) > 0.99


def test_mean_squared_jacobian_of_a_linear_generator_is_exact_in_the_mean():
    matrix = torch.randn(784, 4, generator=torch.Generator().manual_seed(1)) * torch.tensor([4.0, 2.0, 1.0, 0.5])
    G, exact = Linear(matrix).eval(), (matrix.T @ matrix).double()
    estimate = mean_squared_jacobian(G, probes=4000)
    torch.testing.assert_close(estimate, exact, atol=0.05 * float(exact.max()), rtol=0.05)
    found, _ = principal_directions(estimate, count=4)
    wanted, _ = principal_directions(exact, count=4)
    assert float((found * wanted).sum(1).min()) > 0.99


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_find_directions_names_a_direction_and_its_property_grows(sign):
    basis = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2))).Q * sign
    found = find_directions(Pen(basis).eval(), probes=500)
    assert found.names == ("slant", "height", "direction 3")
    alike = (found.vectors[:2] * basis[:2]).sum(1)
    assert float(alike.min()) > 0.99
    assert found.effects[0]["slant"] > 0.9
    assert found.effects[1]["height"] > 0.9
    assert max(map(abs, found.effects[2].values())) < 0.05
    assert found.explanation(0).startswith("The digit leans further to the right. A step of 1 gives slant +")
    assert found.explanation(2).startswith("No single property stands out.")


def test_find_directions_gives_unique_names():
    found = find_directions(GAN.load("shipped").G, probes=500)
    assert len(set(found.names)) == len(found) == 12
    assert found.names[0] == "slant"  # as for every generator of MNIST examined so far
    assert float(found.shares[0]) > 0.2


def test_find_directions_is_repeatable_and_stable_between_seeds():
    G = GAN.load("shipped").G
    one, again, other = (find_directions(G, count=2, probes=1000, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.vectors, again.vectors)
    assert not torch.equal(one.vectors, other.vectors)
    assert float((one.vectors * other.vectors).sum(1).abs().min()) > 0.98


def test_find_directions_draws_the_given_classes_only():
    asked = set()
    G = GAN.load("shipped").G
    G.register_forward_pre_hook(lambda _, given: asked.update(given[1].tolist()))
    find_directions(G, count=1, probes=20, classes=(2, 5))
    assert asked == {2, 5}


def test_find_directions_leaves_no_gradients():
    G = tiny()
    find_directions(G, probes=20)
    assert all(parameter.grad is None for parameter in G.parameters())


def test_move_adds_standard_deviations_along_the_directions():
    found = Directions(
        vectors=torch.eye(4)[:2], shares=torch.tensor([0.6, 0.3]).double(), names=("a", "b"), effects=({}, {})
    )
    z = torch.zeros(3, 4)
    assert sampling.move(z, found, [0, 1.5]).tolist() == [[0, 1.5, 0, 0]] * 3
    assert sampling.move(z, found, [2.0]).tolist() == [[2, 0, 0, 0]] * 3
    assert sampling.move(z, found, []) is z
    with pytest.raises(ConfigError, match="3 amounts were given for 2 directions"):
        sampling.move(z, found, [1, 1, 1])


def test_find_directions_refuses_counts_below_one():
    for count, probes in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError, match="at least 1"):
            find_directions(tiny(), count=count, probes=probes)

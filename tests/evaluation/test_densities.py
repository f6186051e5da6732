from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mnist_gan.config import ToyName
from mnist_gan.data.toys import Mixture, density_of, load_toy, ring8
from mnist_gan.evaluation.densities import density_cells, generated_cells, log_ratio, mesh_corners, square_edges
from mnist_gan.models import Generator, ImageShape
from mnist_gan.scaling import Coordinates

SQUARE = Coordinates(centre=(0.0, 0.0), scale=1.0)


class Scaled(Generator):
    """G(z) = centre + scale * z, a normal distribution whose probabilities are known."""

    def __init__(self, centre: tuple[float, float], scale: float) -> None:
        super().__init__(z_dim=2, shape=ImageShape(channels=2, resolution=1, scaling=SQUARE))
        self.centre, self.scale = torch.tensor(centre), scale

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return (self.centre + self.scale * z)[:, :, None, None]


def test_square_edges_cover_the_range_of_the_networks() -> None:
    edges = square_edges(Coordinates(centre=(1.0, -2.0), scale=3.0), cells=2)
    assert edges.tolist() == [[-2.0, 1.0, 4.0], [-5.0, -2.0, 1.0]]


@pytest.mark.parametrize("name", ["ring8", "grid25", "swiss-roll", "two-moons", "checkerboard"])
def test_density_cells_agree_with_the_share_of_the_points_of_a_toy(name: ToyName) -> None:
    points = load_toy(name).points
    scaling = Coordinates.of(points[:, :, None, None])
    cells = density_cells(density_of(name), scaling, cells=16)
    unit = scaling.to_network(points[:, :, None, None]).flatten(1)
    columns, rows = ((unit + 1) / 2 * 16).long().clamp(0, 15).unbind(1)
    shares = torch.bincount(rows * 16 + columns, minlength=256).double() / len(points)
    assert float(cells.sum()) == pytest.approx(1.0, abs=1e-6)
    # the standard error of a share of 100,000 points, five times
    assert bool(((cells.flatten() - shares).abs() <= 5 * (cells.flatten() / len(points)).sqrt() + 5e-5).all())


def test_density_cells_of_a_gaussian_are_products_of_normal_probabilities() -> None:
    mixture = Mixture(means=torch.zeros(1, 2), stds=torch.tensor([0.5]), weights=torch.ones(1))
    cells = density_cells(mixture, SQUARE, cells=2)
    quarter = (0.5 * math.erf(2 / math.sqrt(2))) ** 2  # 0 to 1 is two standard deviations
    assert cells.flatten().tolist() == pytest.approx([quarter] * 4, abs=1e-9)


def test_mesh_corners_divide_the_normal_distribution_equally() -> None:
    ticks = mesh_corners(4).view(5, 5, 2)[:, 0, 0]
    assert torch.special.ndtr(ticks).tolist() == pytest.approx([0.125, 0.25, 0.5, 0.75, 0.875], abs=1e-5)


def test_generated_cells_agree_with_the_exact_probabilities_of_a_linear_generator() -> None:
    G = Scaled((0.2, -0.1), 0.3)
    exact = density_cells(
        Mixture(means=torch.tensor([[0.2, -0.1]]), stds=torch.tensor([0.3]), weights=torch.ones(1)), SQUARE, cells=8
    )
    found = generated_cells(G, cells=8)
    assert float(found.sum()) == pytest.approx(1.0)
    assert float((found - exact).abs().max()) < 0.004
    assert float((found - exact).abs().sum()) < 0.05


def test_log_ratio_is_known_where_both_have_points() -> None:
    p, q = torch.tensor([[0.2, 0.0], [0.3, 0.0]]), torch.tensor([[0.1, 0.4], [0.0, 0.0]])
    assert log_ratio(p, q).flatten().tolist()[:3] == pytest.approx([math.log(2), -math.inf, math.inf])
    assert math.isnan(log_ratio(p, q)[1, 1])


def test_density_cells_are_oriented_from_low_to_high_x_and_y() -> None:
    mixture = Mixture(means=torch.tensor([[0.75, -0.25]]), stds=torch.tensor([0.01]), weights=torch.ones(1))
    cells = density_cells(mixture, SQUARE, cells=4)
    assert int(cells.argmax()) == 1 * 4 + 3  # row of y, column of x
    G = Scaled((0.75, -0.25), 0.001)
    assert int(generated_cells(G, cells=4).argmax()) == 1 * 4 + 3


def test_ring8_cells_are_at_its_modes() -> None:
    scaling = Coordinates(centre=(0.0, 0.0), scale=1.25)
    cells = density_cells(ring8(), scaling)
    assert int((cells > 0.01).sum()) <= 32
    assert float(cells[cells > 0.01].sum()) > 0.9

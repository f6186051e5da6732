"""Spherical interpolation against its formula, and in its singular cases."""

from __future__ import annotations

import math

import pytest
import torch

from mnist_gan.errors import ConfigError
from mnist_gan.sampling.interpolation import lerp, path_through, slerp


def gaussian(n: int, z_dim: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, z_dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_slerp_of_unit_vectors_matches_shoemake(t: float) -> None:
    z0 = torch.nn.functional.normalize(gaussian(20, 7).double())
    z1 = torch.nn.functional.normalize(gaussian(20, 7, seed=1).double())
    omega = torch.arccos((z0 * z1).sum(1, keepdim=True))
    expected = (torch.sin((1 - t) * omega) * z0 + torch.sin(t * omega) * z1) / torch.sin(omega)
    torch.testing.assert_close(slerp(z0, z1, t), expected, rtol=0, atol=1e-12)


def test_slerp_over_a_quarter_circle_by_hand() -> None:
    z0, z1 = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    half = 3 * math.sqrt(0.5)  # half way between the axes, half way between the lengths
    torch.testing.assert_close(slerp(z0, z1, 0.5), torch.tensor([[half, half]]))
    third = slerp(z0, z1, 1 / 3)
    assert math.degrees(math.atan2(third[0, 1].item(), third[0, 0].item())) == pytest.approx(30, abs=1e-5)


def test_slerp_keeps_the_length_of_gaussians() -> None:
    z0, z1 = gaussian(100, 64), gaussian(100, 64, seed=1)
    middle = slerp(z0, z1, 0.5).norm(dim=1)
    assert (middle >= torch.minimum(z0.norm(dim=1), z1.norm(dim=1)) - 1e-4).all()
    assert ((z0 + z1) / 2).norm(dim=1).mean() < 0.75 * middle.mean()


def test_slerp_at_the_ends_is_bit_equal() -> None:
    z0, z1 = gaussian(3, 5), gaussian(3, 5, seed=1)
    assert torch.equal(slerp(z0, z1, 0), z0)
    assert torch.equal(slerp(z0, z1, 1), z1)


def test_slerp_of_parallel_vectors_is_linear() -> None:
    z0 = gaussian(4, 6)
    torch.testing.assert_close(slerp(z0, 3 * z0, 0.25), 1.5 * z0)
    torch.testing.assert_close(slerp(z0, z0, 0.7), z0)


def test_slerp_of_nearly_parallel_vectors_is_stable() -> None:
    z0 = gaussian(4, 6).double()
    z1 = z0 * (1 + 1e-14)
    torch.testing.assert_close(slerp(z0, z1, 0.5), z0)


@pytest.mark.parametrize("factor", [-1.0, -2.5])
def test_slerp_of_opposite_vectors_is_half_a_circle(factor: float) -> None:
    z0 = gaussian(4, 6)
    middle = slerp(z0, factor * z0, 0.5)
    expected = (1 - factor) / 2 * z0.norm(dim=1)
    torch.testing.assert_close(middle.norm(dim=1), expected)
    torch.testing.assert_close((middle * z0).sum(1), torch.zeros(4), rtol=0, atol=1e-5)
    assert torch.equal(middle, slerp(z0, factor * z0, 0.5))


def test_slerp_in_one_dimension_passes_through_zero() -> None:
    assert slerp(torch.ones(1, 1), -torch.ones(1, 1), 0.5).item() == pytest.approx(0)


def test_slerp_of_zero_vectors_is_linear() -> None:
    z = gaussian(3, 5)
    zero = torch.zeros(3, 5)
    torch.testing.assert_close(slerp(zero, z, 0.25), 0.25 * z)
    torch.testing.assert_close(slerp(z, zero, 0.25), 0.75 * z)
    assert torch.equal(slerp(zero, zero, 0.5), zero)


def test_path_through_visits_every_station_in_equal_steps() -> None:
    stations = gaussian(3, 8)
    path = path_through(stations, steps=4)
    assert path.shape == (9, 8)
    assert torch.equal(path[::4], stations)
    assert torch.equal(path[5], slerp(stations[1:2], stations[2:3], 0.25)[0])


def test_path_through_closed_does_not_repeat_its_start() -> None:
    stations = gaussian(3, 8)
    path = path_through(stations, steps=4, closed=True)
    assert path.shape == (12, 8)
    assert torch.equal(path[::4], stations)
    assert torch.equal(path[11], slerp(stations[2:3], stations[0:1], 0.75)[0])


def test_path_through_label_embeddings_is_linear() -> None:
    stations = torch.tensor([[0.0, 2.0], [4.0, 0.0]])
    path = path_through(stations, steps=4, between=lerp)
    torch.testing.assert_close(path, torch.tensor([[0.0, 2.0], [1.0, 1.5], [2.0, 1.0], [3.0, 0.5], [4.0, 0.0]]))


@pytest.mark.parametrize(("k", "steps"), [(1, 3), (2, 0)])
def test_path_through_refuses_one_station_or_no_step(k: int, steps: int) -> None:
    with pytest.raises(ConfigError, match="at least 2 stations and 1 step"):
        path_through(gaussian(k, 4), steps=steps)

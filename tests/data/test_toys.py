from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_gan.config import DataConfig, ToyName
from mnist_gan.data import load_dataset
from mnist_gan.data.toys import (
    Mixture,
    along,
    board,
    checkerboard,
    density_of,
    grid25,
    load_points,
    parse_mixture,
    read_points_file,
    ring8,
)
from mnist_gan.errors import ConfigError, DataError

MIXTURE = b"""
[[component]]
mean = [1, 2]
std = 0.5
weight = 3

[[component]]
mean = [-4.0, 0.0]
std = 0.1
"""


def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_ring8_has_eight_equal_modes_on_the_unit_circle() -> None:
    mixture = ring8()
    assert torch.allclose(mixture.means.norm(dim=1), torch.ones(8))
    assert torch.cdist(mixture.means, mixture.means).sort().values[:, 1].allclose(torch.tensor(0.76537), atol=1e-4)
    assert torch.equal(mixture.stds, torch.full((8,), 0.01))


def test_grid25_has_25_modes_two_apart() -> None:
    mixture = grid25()
    assert sorted(map(tuple, mixture.means.tolist())) == [(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)]


def test_mixture_samples_have_the_means_and_spreads_of_their_components() -> None:
    mixture = parse_mixture(MIXTURE, source="m.toml")
    points, labels = mixture.sample(40_000, source())
    assert labels.bincount().div(40_000).tolist() == pytest.approx([0.75, 0.25], abs=0.01)
    for k, (mean, std) in enumerate([((1.0, 2.0), 0.5), ((-4.0, 0.0), 0.1)]):
        assert points[labels == k].mean(0).tolist() == pytest.approx(mean, abs=0.02)
        assert points[labels == k].std(0).tolist() == pytest.approx([std, std], rel=0.05)


def test_checkerboard_fills_every_second_square() -> None:
    points, labels = checkerboard(4_000, source())
    squares = ((points + 4) // 2).long()
    assert bool((points.abs() <= 4).all())
    assert set((squares.sum(1) % 2).tolist()) == {0}
    assert len({tuple(square) for square in squares.tolist()}) == 8
    assert all(len(squares[labels == k].unique(dim=0)) == 1 for k in range(8))


def test_board_has_the_squares_that_the_points_fill() -> None:
    points, labels = checkerboard(1_000, source())
    corners = board().corners[labels]
    assert bool(((points >= corners) & (points <= corners + board().side)).all())


@pytest.mark.parametrize("name", ["swiss-roll", "two-moons"])
def test_density_of_a_curve_has_the_moments_of_its_points(name: ToyName) -> None:
    density, points = density_of(name), load_dataset(DataConfig(name=name)).images.flatten(1)
    assert isinstance(density, Mixture)
    drawn, _ = density.sample(100_000, source())
    assert drawn.mean(0).tolist() == pytest.approx(points.mean(0).tolist(), abs=0.02)
    assert torch.allclose(drawn.T.cov(), points.T.cov(), atol=0.05)


def test_along_weighs_curves_equally_and_has_the_density_of_a_line() -> None:
    places = (torch.arange(400) + 0.5) / 400 * 4 - 2
    line = torch.stack([places, torch.zeros(400)], dim=1)
    mixture = along([line, line[:100] + 50], std=0.1)
    assert float(mixture.weights[:400].sum()) == pytest.approx(0.5)
    at = torch.tensor([0.003, 0.05])
    squared = (mixture.means[:400] - at).square().sum(1)
    density = float((mixture.weights[:400] * (-squared / (2 * 0.01)).exp()).sum()) / (2 * math.pi * 0.01)
    across = math.exp(-(0.05**2) / (2 * 0.01)) / math.sqrt(2 * math.pi * 0.01)
    assert density == pytest.approx(0.5 / 4 * across, rel=1e-4)  # uniform along the line, of length 4


@pytest.mark.parametrize("name", ["ring8", "grid25", "swiss-roll", "two-moons", "checkerboard"])
def test_toys_load_as_float_points_with_a_fresh_held_out_draw(name: ToyName) -> None:
    dataset = load_dataset(DataConfig(name=name))
    assert dataset.images.dtype == torch.float32
    assert dataset.images.shape == (100_000, 2, 1, 1)
    assert dataset.held_out_images.shape == (10_000, 2, 1, 1)
    assert not torch.equal(dataset.held_out_images[:100], dataset.images[:100])
    again = load_dataset(DataConfig(name=name, limit=50))
    assert torch.equal(again.images, dataset.images[:50])
    assert float(dataset.scaling.to_network(dataset.images).abs().max()) == pytest.approx(0.8, abs=1e-3)


def test_points_are_read_from_csv_and_npy_alike(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(70, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in points))
    (tmp_path / "a.txt").write_text("".join(f"{x}\t{y}\n\n" for x, y in points))
    sets = [load_points(str(tmp_path / name)) for name in ("a.npy", "a.csv", "a.txt")]
    assert all(torch.equal(each.points, sets[0].points) for each in sets)
    assert len(sets[0].held_out_points) == 10
    both = torch.cat([sets[0].points, sets[0].held_out_points])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, points.tolist()))


def test_points_of_sample_are_read_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x,y,label\n1,2,0\n3,4,1\n")
    assert read_points_file(tmp_path / "p.csv").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", b"1,2\n3,4\n", "holds 2 points; at least 20 are needed"),
        ("p.csv", b"1,2\n3,x\n", "row 2 is '3 x'"),
        ("p.csv", b"1,2,3,4\n", "row 1 is '1 2 3 4'"),
        ("p.csv", b"1,2\nnan,1\n", r"point 2 is \(nan, 1.0\); coordinates must be finite"),
        ("p.csv", b"<!doctype html><html></html>", "is a web page"),
        ("p.npy", b"no array", "cannot be read as a table of points"),
        ("p.csv", b"", "holds 0 points"),
        ("m.toml", b"a = [", "is not valid TOML"),
        ("m.toml", b"mean = [0, 0]", "is not a mixture; give 1 to 1,000 tables"),
        ("m.toml", b"[[component]]\nmean = [0, 0]\nstd = -1", "component 1: std is -1; it must be a number above 0"),
        ("m.toml", b"[[component]]\nmean = [0]\nstd = 1", r"component 1: mean is \[0\]; it must be two finite"),
        ("m.toml", b"[[component]]\nmean = [0, 0]\nsd = 1", "component 1 must have the fields mean and std"),
    ],
)
def test_load_points_refuses_a_bad_file_with_the_place(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        load_points(str(tmp_path / name))


def test_load_points_refuses_arrays_that_are_no_points(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((30, 3)))
    with pytest.raises(DataError, match=r"shape \(30, 3\) and type float64; expected N x 2"):
        load_points(str(tmp_path / "a.npy"))


def test_load_points_asks_for_a_file() -> None:
    with pytest.raises(ConfigError, match=r"data.name points needs a file; add --data.file"):
        load_dataset(DataConfig(name="points"))
    with pytest.raises(ConfigError, match=r"read from .csv, .txt or .npy"):
        load_dataset(DataConfig(name="points", file="points.xlsx"))
    with pytest.raises(DataError, match=r"missing.csv cannot be read: No such file"):
        load_dataset(DataConfig(name="points", file="missing.csv"))


def test_data_config_refuses_a_file_for_another_data_set() -> None:
    with pytest.raises(ConfigError, match=r"data.file is for the data set points, and data.name is ring8"):
        DataConfig(name="ring8", file="a.csv")
    with pytest.raises(ConfigError, match=r"data.name ring8 is not read from a folder"):
        DataConfig(name="ring8", dir="somewhere")


def test_mixture_file_gives_a_data_set_with_modes(tmp_path: Path) -> None:
    (tmp_path / "ring8.toml").write_bytes(MIXTURE)
    dataset = load_dataset(DataConfig(name="points", file=str(tmp_path / "ring8.toml")))
    assert dataset.name == "ring8-points", "not mistaken for the built-in toy"
    assert dataset.mixture is not None
    assert dataset.mixture.weights.tolist() == [0.75, 0.25]
    assert dataset.num_classes == 2

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.toys import Mixture, grid25, ring8
from mnist_gan.errors import DataError
from mnist_gan.evaluation.samples import SampleProtocol, Samples
from mnist_gan.evaluation.toys import (
    PERFECT_HIGH_QUALITY,
    PointReference,
    energy_distance,
    evaluate_points,
    expected_mode_js,
    jensen_shannon,
    mode_table,
    sliced_wasserstein_distance,
)

PAIR = Mixture(
    means=torch.tensor([[0.0, 0.0], [10.0, 0.0]]), stds=torch.tensor([1.0, 0.5]), weights=torch.tensor([0.5, 0.5])
)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def reference() -> PointReference:
    return PointReference.of(load_dataset(DataConfig(name="ring8")))


def test_mode_table_counts_samples_within_three_standard_deviations() -> None:
    points = torch.tensor([[0, 0], [0, 2.9], [0, 3.1], [10, 1.4], [10, 1.6], [5, 50]], dtype=torch.float64)
    table = mode_table(points, PAIR)
    assert table.counts.tolist() == [2, 1]
    assert table.modes == 2
    assert table.high_quality == 0.5
    assert mode_table(points[:3], PAIR).modes == 1


def test_mode_table_of_a_perfect_sampler_is_that_of_the_formula() -> None:
    points, _ = grid25().sample(200_000, source())
    table = mode_table(points.double(), grid25())
    assert pytest.approx(0.98889, abs=1e-5) == PERFECT_HIGH_QUALITY
    assert table.high_quality == pytest.approx(PERFECT_HIGH_QUALITY, abs=1e-3)
    assert table.spread == pytest.approx(1, abs=0.01)
    assert table.modes == 25
    assert table.js < 1e-3


def test_mode_table_without_high_quality_has_no_spread() -> None:
    table = mode_table(torch.full((4, 2), 99.0, dtype=torch.float64), PAIR)
    assert (table.modes, table.high_quality, table.spread) == (0, 0.0, None)


def test_jensen_shannon_equals_scipys() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([0.1, 0.2, 0.7]).double()
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])) == pytest.approx(math.log(2))


def test_expected_mode_js_follows_the_chi_squared_limit() -> None:
    # KL of n samples is about (k - 1) / 2n, and the divergence near 0 is an eighth of twice that
    assert expected_mode_js(ring8(), n=2_500) == pytest.approx(7 / (2 * 2_500) / 4, rel=0.1)


@pytest.mark.parametrize("m", [40, 25])
def test_energy_distance_on_a_line_equals_scipys(m: int) -> None:
    x, y = (torch.randn(n, 1, generator=source(n)).double() for n in (40, m + 1))
    flat = [torch.cat([values, torch.zeros_like(values)], dim=1) for values in (x, y + 0.5)]
    expected = stats.energy_distance(x[:, 0].numpy(), y[:, 0].numpy() + 0.5) ** 2
    assert energy_distance(*flat) == pytest.approx(expected)


def test_energy_distance_of_equal_samples_is_0() -> None:
    x = torch.randn(30, 2, generator=source()).double()
    assert energy_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_sliced_wasserstein_distance_is_the_mean_of_scipys_over_directions() -> None:
    x, y = torch.randn(50, 2, generator=source()).double(), torch.randn(50, 2, generator=source(1)).double() * 2
    angles = np.pi * np.arange(8) / 8
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = np.mean([stats.wasserstein_distance(x.numpy() @ d, y.numpy() @ d) for d in directions])
    assert sliced_wasserstein_distance(x, y, projections=8) == pytest.approx(expected)


def test_sliced_wasserstein_distance_of_a_shift_is_its_mean_projection() -> None:
    x = torch.randn(50, 2, generator=source()).double()
    shifted = x + torch.tensor([3.0, 4.0])
    assert sliced_wasserstein_distance(x, shifted) == pytest.approx(5 * 2 / math.pi, rel=1e-3)


def test_figures_of_a_missing_mode_differ_from_the_floors(reference: PointReference) -> None:
    points, labels = ring8().sample(5_000, source())
    missing = reference.measure(points[labels != 3][:2_500, :, None, None])
    assert missing["modes2500"] == 7
    assert missing["quality2500"] == pytest.approx(0.989, abs=0.01)
    for name in ("modejs2500", "energy2500", "sliced2500"):
        floor, value = reference.floors[name], missing[name]
        assert floor is not None
        assert value is not None
        assert value > 3 * floor


def test_floors_are_figures_of_real_points_and_ceilings_of_noise(reference: PointReference) -> None:
    assert reference.floors["modes2500"] == 8
    assert reference.floors["quality2500"] == PERFECT_HIGH_QUALITY
    assert 0 < (reference.floors["energy2500"] or 0) < 0.3
    assert (reference.measure(reference.noise(2_500))["energy2500"] or 0) > 3
    assert (reference.floors_at(100)["energy100"] or 0) > 5 * (reference.floors["energy2500"] or 0)


def test_evaluate_points_gives_means_with_intervals(reference: PointReference) -> None:
    sets = tuple(ring8().sample(2_500, source(seed))[0][:, :, None, None] for seed in range(3))
    protocol = SampleProtocol(num_images=2_500, draws=3)
    evaluation = evaluate_points(Samples(sets=sets, labels=None, fixed=False, protocol=protocol), reference=reference)
    quality = evaluation.figures["quality2500"]
    assert evaluation.judge == "exact"
    assert quality.interval is not None
    assert quality.value == pytest.approx(0.9889, abs=0.004)


def test_evaluate_points_refuses_images(reference: PointReference) -> None:
    images = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)
    with pytest.raises(DataError, match="ring8 has points of the plane, and these are images"):
        evaluate_points(Samples.of_images(images), reference=reference)

from __future__ import annotations

import prdc
import pytest
import torch

from mnist_gan.evaluation import neighbours
from mnist_gan.evaluation.neighbours import distance_chunks, nearest, neighbour_figures, neighbour_radii


def normal(n: int, d: int, *, seed: int, shift: float = 0.0, scale: float = 1.0):
    return scale * torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (5.0, 1.0)])
def test_neighbour_figures_match_prdc(shift, scale):
    real, fake = normal(400, 6, seed=0), normal(300, 6, seed=1, shift=shift, scale=scale)
    found = neighbour_figures(real, fake)
    oracle = prdc.compute_prdc(real_features=real.numpy(), fake_features=fake.numpy(), nearest_k=5)
    for name, value in oracle.items():
        assert getattr(found, name) == pytest.approx(float(value), rel=1e-6), name


def test_neighbour_figures_do_not_depend_on_the_chunk_size(monkeypatch):
    real, fake = normal(200, 6, seed=0), normal(150, 6, seed=1)
    whole = neighbour_figures(real, fake)
    monkeypatch.setattr(neighbours, "CHUNK_BYTES", 8 * 150 * 7)
    assert len(list(distance_chunks(real, fake))) > 20
    assert neighbour_figures(real, fake) == whole


def test_distance_chunks_are_bounded():
    sizes = [
        squared.nbytes for _, squared in distance_chunks(torch.randn(3000, 2), torch.randn(500, 2), chunk_bytes=40_000)
    ]
    assert max(sizes) <= 40_000
    assert sum(sizes) == 3000 * 500 * 4


def test_distance_chunks_are_accurate_far_from_the_origin():
    x = normal(50, 4, seed=0, shift=1e6)
    (_, squared), *_ = distance_chunks(x, x)
    assert torch.allclose(squared, torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square(), atol=1e-9)


def test_neighbour_radii_exclude_the_row_itself():
    radii = neighbour_radii(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), k=2)
    assert radii.tolist() == [9.0, 4.0, 9.0, 36.0]


def test_neighbour_radii_count_duplicates():
    assert neighbour_radii(torch.zeros(4, 2), k=2).tolist() == [0.0] * 4


def test_neighbour_figures_refuse_k_samples():
    with pytest.raises(ValueError, match="at least 6"):
        neighbour_figures(torch.randn(5, 2), torch.randn(50, 2))


def test_neighbour_figures_of_a_lost_mode_lose_coverage_and_keep_precision():
    left, right = normal(300, 4, seed=0), normal(300, 4, seed=1, shift=30)
    found = neighbour_figures(torch.cat([left, right]), normal(600, 4, seed=2))
    assert found.precision > 0.9
    assert found.coverage < 0.55
    assert found.recall < 0.55


def test_nearest_is_exact_for_copies():
    y = torch.randint(0, 256, (900, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    distances, index = nearest(y[[7, 500, 899]], y)
    assert index.tolist() == [7, 500, 899]
    assert distances.tolist() == [0.0, 0.0, 0.0]


def test_nearest_matches_a_full_search_across_chunks(monkeypatch):
    monkeypatch.setattr(neighbours, "NEAREST_ROWS", 32)
    x, y = normal(100, 5, seed=0), normal(333, 5, seed=1)
    distances, index = nearest(x, y)
    expected = torch.cdist(x, y).min(1)
    assert index.tolist() == expected.indices.tolist()
    assert torch.allclose(distances, expected.values, rtol=1e-9)


def test_k_nearest_matches_a_full_search(monkeypatch):
    random = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 256, (150, 30), generator=random, dtype=torch.uint8)
    wanted = torch.randint(0, 256, (30,), generator=random, dtype=torch.uint8)
    monkeypatch.setattr(neighbours, "NEAREST_ROWS", 40)
    distances, indices = neighbours.k_nearest(wanted, rows, k=7)
    full = (rows.double() - wanted.double()).norm(dim=1)
    assert indices.tolist() == full.argsort(stable=True)[:7].tolist()
    torch.testing.assert_close(distances.double(), full[indices])
    copy, first = neighbours.k_nearest(rows[77], rows, k=1)
    assert (copy.tolist(), first.tolist()) == ([0.0], [77])
    assert len(neighbours.k_nearest(wanted, rows[:3], k=7)[0]) == 3

from __future__ import annotations

import pytest
import torch

from mnist_gan.evaluation.memorization import measure_memorization, pixel_vectors
from mnist_gan.evaluation.neighbours import nearest


@pytest.fixture
def training():
    return torch.randn(2000, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def held_out_distances(training):
    return nearest(torch.randn(500, 12, generator=torch.Generator().manual_seed(1)), training)[0]


def test_measure_memorization_of_fresh_samples_has_ratio_one(training, held_out_distances):
    fresh = torch.randn(500, 12, generator=torch.Generator().manual_seed(2))
    found = measure_memorization(fresh, training, held_out_distances=held_out_distances)
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.share == pytest.approx(0.5, abs=0.06)
    assert found.p_value > 0.01
    assert found.exact_copies == 0


def test_measure_memorization_detects_copies(training, held_out_distances):
    found = measure_memorization(training[:100], training, held_out_distances=held_out_distances, pairs=3)
    assert (found.ratio, found.share, found.exact_copies) == (0, 0, 100)
    assert found.p_value < 1e-50
    assert [(pair.generated, pair.training, pair.distance) for pair in found.closest] == [(i, i, 0.0) for i in range(3)]


def test_measure_memorization_detects_near_copies(training, held_out_distances):
    noise = 0.05 * torch.randn(100, 12, generator=torch.Generator().manual_seed(3))
    found = measure_memorization(training[:100] + noise, training, held_out_distances=held_out_distances)
    assert found.ratio < 0.2
    assert found.p_value < 1e-50


def test_measure_memorization_sorts_pairs_and_keeps_positions(training, held_out_distances):
    generated = torch.stack([training[5] + 1, training[9] + 0.01, training[2]])
    found = measure_memorization(
        generated, training, held_out_distances=held_out_distances, positions=torch.tensor([70, 80, 90]), pairs=2
    )
    assert [(pair.generated, pair.training) for pair in found.closest] == [(90, 2), (80, 9)]


def test_pixel_vectors_flattens_images():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    assert pixel_vectors(images).shape == (2, 48)

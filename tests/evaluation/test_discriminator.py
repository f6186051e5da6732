from __future__ import annotations

import pytest
import torch

from mnist_gan.evaluation.discriminator import discriminator_figures


def scores(mean: float, *, seed: int, n: int = 400):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed)) + mean


def test_discriminator_figures_match_accuracies_by_hand():
    found = discriminator_figures(
        training=torch.tensor([1.0, 2.0, -1.0, 3.0]),
        held_out=torch.tensor([1.0, -2.0]),
        generated=torch.tensor([-1.0, -3.0, 2.0]),
        boundary=0.0,
    )
    assert (found.training_accuracy, found.held_out_accuracy) == (0.75, 0.5)
    assert found.generated_accuracy == pytest.approx(2 / 3)
    assert found.confusion == ((1, 1), (1, 2))


def test_discriminator_figures_show_over_fitting_without_a_boundary():
    found = discriminator_figures(
        training=scores(3, seed=0), held_out=scores(0, seed=1), generated=scores(0, seed=2), boundary=None
    )
    assert found.training_above_held_out > 0.95
    assert found.real_above_generated == pytest.approx(0.5, abs=0.05)
    assert (found.training_accuracy, found.held_out_accuracy, found.generated_accuracy) == (None, None, None)
    assert found.confusion is None


def test_score_histogram_counts_every_score():
    found = discriminator_figures(
        training=scores(0, seed=0), held_out=scores(0, seed=1), generated=scores(-4, seed=2, n=100), boundary=0.0
    ).histogram
    assert {name: sum(counts) for name, counts in found.counts.items()} == {
        "training": 400,
        "held-out": 400,
        "generated": 100,
    }
    assert len(found.edges) == len(found.counts["generated"]) + 1


def test_score_histogram_accepts_equal_scores():
    same = torch.ones(3)
    found = discriminator_figures(training=same, held_out=same, generated=same, boundary=0.0).histogram
    assert sum(found.counts["generated"]) == 3


@pytest.mark.parametrize("bad", [torch.empty(0), torch.tensor([1.0, float("nan")])])
def test_discriminator_figures_refuse_empty_or_non_finite_scores(bad):
    with pytest.raises(ValueError, match="the generated scores"):
        discriminator_figures(training=torch.ones(2), held_out=torch.ones(2), generated=bad, boundary=0.0)

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from mnist_gan.evaluation import digits
from mnist_gan.evaluation.mnistnet import JudgeOutput


def test_kl_divergence_matches_scipy():
    ours, real = torch.tensor([5, 0, 20, 75]), torch.tensor([25, 25, 25, 25])
    expected = scipy.stats.entropy([0.05, 0, 0.2, 0.75], [0.25] * 4)
    assert digits.kl_divergence(ours, real) == pytest.approx(expected, rel=1e-12)


def test_kl_divergence_of_equal_shares_is_zero():
    assert digits.kl_divergence(torch.tensor([1, 2, 3]), torch.tensor([10, 20, 30])) == pytest.approx(0, abs=1e-15)


def test_kl_divergence_is_infinite_for_a_class_that_real_images_lack():
    assert digits.kl_divergence(torch.tensor([1, 1]), torch.tensor([2, 0])) == math.inf


def test_missing_lists_digits_below_a_tenth_of_their_share():
    assert digits.missing(torch.tensor([0, 9, 11, 980]), torch.tensor([100, 100, 100, 700])) == [0, 1]


def test_mean_pairwise_distance_by_hand():
    corners = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    assert digits.mean_pairwise_distance(corners) == pytest.approx((5 + 4 + 3) / 3)
    assert digits.mean_pairwise_distance(corners[:1]) is None


def test_mean_pairwise_distance_thins_many_rows_evenly():
    sorted_set = torch.arange(100.0)[:, None]
    found = digits.mean_pairwise_distance(sorted_set, limit=10)
    assert found == pytest.approx(digits.mean_pairwise_distance(torch.linspace(0, 99, 10)[:, None]), rel=1e-2)


def test_diversity_is_measured_within_each_digit():
    features = torch.tensor([[0.0], [2.0], [100.0], [104.0], [7.0]])
    found = digits.diversity(features, torch.tensor([0, 0, 1, 1, 2]), num_classes=4)
    assert found == [2.0, 4.0, None, None]
    assert digits.relative_diversity(found, [4.0, 4.0, 1.0, None]) == [0.5, 1.0, None, None]


def test_agreement_and_confusion_by_hand():
    matrix = digits.confusion(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 1, 1, 2]), num_classes=3)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert digits.agreement(matrix) == (0.6, [0.5, pytest.approx(2 / 3), None])


def test_classifier_score_of_confident_even_digits_is_their_number():
    assert digits.classifier_score(1000 * torch.eye(10)) == pytest.approx(10)


def test_classifier_score_of_one_digit_or_of_doubt_is_one():
    assert digits.classifier_score(1000 * torch.eye(10)[[3, 3, 3]]) == pytest.approx(1)
    assert digits.classifier_score(torch.zeros(7, 10)) == pytest.approx(1)


def table(*, labels: torch.Tensor | None) -> digits.DigitTable:
    """Two images read as 0, one as 1, one as 2, of three classes that are equally frequent among real images."""
    logits = 10 * torch.eye(10)[[0, 0, 1, 2]][:, None]
    judged = JudgeOutput(features=torch.tensor([[0.0], [2.0], [5.0], [9.0]]), logits=logits)
    return digits.digit_table(
        judged, labels=labels, real_counts=torch.tensor([10, 10, 10]), real_diversity=[4.0, 4.0, 4.0]
    )


def test_digit_table_by_hand():
    found = table(labels=torch.tensor([0, 1, 1, 2]))
    assert found.counts == (2, 1, 1)
    assert found.shares == (0.5, 0.25, 0.25)
    assert found.real_shares == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found.missing == ()
    assert found.diversity == (0.5, None, None)
    assert found.agreement == (1.0, 0.5, 1.0)
    assert found.overall_agreement == 0.75
    assert found.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))


def test_digit_table_values_summarize_the_classes():
    values = table(labels=torch.tensor([0, 1, 1, 2])).values()
    assert values["smallest_share"] == pytest.approx(0.75)
    assert values["largest_share"] == pytest.approx(1.5)
    assert (values["diversity"], values["smallest_diversity"]) == (0.5, 0.5)
    assert (values["agreement"], values["smallest_agreement"]) == (0.75, 0.5)
    assert values["missing_digits"] == 0.0


def test_digit_table_without_labels_has_no_agreement():
    found = table(labels=None)
    assert (found.agreement, found.overall_agreement, found.confusion) == (None, None, None)
    assert "agreement" not in found.values()

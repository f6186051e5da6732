from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from mnist_gan.evaluation import digits


def test_the_divergence_is_scipys():
    ours, real = torch.tensor([5, 0, 20, 75]), torch.tensor([25, 25, 25, 25])
    expected = scipy.stats.entropy([0.05, 0, 0.2, 0.75], [0.25] * 4)
    assert digits.kl_divergence(ours, real) == pytest.approx(expected, rel=1e-12)


def test_equal_shares_diverge_by_nothing():
    assert digits.kl_divergence(torch.tensor([1, 2, 3]), torch.tensor([10, 20, 30])) == pytest.approx(0, abs=1e-15)


def test_a_class_that_real_images_lack_is_infinitely_surprising():
    assert digits.kl_divergence(torch.tensor([1, 1]), torch.tensor([2, 0])) == math.inf


def test_digits_below_a_tenth_of_their_share_are_missing():
    assert digits.missing(torch.tensor([0, 9, 11, 980]), torch.tensor([100, 100, 100, 700])) == [0, 1]


def test_share_ratios():
    assert digits.share_ratios(torch.tensor([1, 3, 0]), torch.tensor([2, 2, 0])) == [0.5, 1.5, 0.0]


def test_the_mean_distance_of_pairs_by_hand():
    corners = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    assert digits.mean_pairwise_distance(corners) == pytest.approx((5 + 4 + 3) / 3)
    assert digits.mean_pairwise_distance(corners[:1]) is None


def test_many_images_are_thinned_evenly():
    sorted_set = torch.arange(100.0)[:, None]
    found = digits.mean_pairwise_distance(sorted_set, limit=10)
    assert found == pytest.approx(digits.mean_pairwise_distance(torch.linspace(0, 99, 10)[:, None]), rel=1e-2)


def test_diversity_is_taken_within_each_digit():
    features = torch.tensor([[0.0], [2.0], [100.0], [104.0], [7.0]])
    found = digits.diversity(features, torch.tensor([0, 0, 1, 1, 2]), num_classes=4)
    assert found == [2.0, 4.0, None, None]
    assert digits.relative_diversity(found, [4.0, 4.0, 1.0, None]) == [0.5, 1.0, None, None]


def test_agreement_and_confusion():
    matrix = digits.confusion(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 1, 1, 2]), num_classes=3)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert digits.agreement(matrix) == (0.6, [0.5, pytest.approx(2 / 3), None])


def test_the_score_of_clear_and_even_digits_is_their_number():
    assert digits.classifier_score(1000 * torch.eye(10)) == pytest.approx(10)


def test_the_score_of_one_digit_or_of_doubt_is_one():
    assert digits.classifier_score(1000 * torch.eye(10)[[3, 3, 3]]) == pytest.approx(1)
    assert digits.classifier_score(torch.zeros(7, 10)) == pytest.approx(1)

"""Modes of stacked MNIST, against hand-worked values and simulation."""

from __future__ import annotations

import math

import pytest
import torch

from mnist_gan.evaluation.modes import expected_uniform_kl, mode_figures

EQUAL = torch.full((10,), 0.1, dtype=torch.float64)


def test_mode_figures_of_one_image_per_mode():
    figures = mode_figures(torch.arange(1000), EQUAL)
    assert figures.modes == 1000
    assert figures.kl_uniform.value == pytest.approx(0, abs=1e-12)
    assert figures.kl_product.value == pytest.approx(0, abs=1e-12)


def test_mode_figures_of_a_few_modes():
    """Half of the images in mode 5, half in mode 123: log(1000 / 2) nats."""
    figures = mode_figures(torch.tensor([5, 123] * 50), EQUAL)
    assert figures.modes == 2
    assert figures.kl_uniform.value == pytest.approx(math.log(500))
    assert figures.kl_uniform.standard_error == pytest.approx(0, abs=1e-9)


def test_mode_figures_compare_with_the_products_of_the_digits_shares():
    shares = torch.linspace(1, 2, 10, dtype=torch.float64)
    shares /= shares.sum()
    digits = torch.multinomial(shares, 3 * 200_000, replacement=True, generator=torch.Generator().manual_seed(0))
    a, b, c = digits.view(3, -1)
    figures = mode_figures(100 * a + 10 * b + c, shares)
    assert figures.kl_product.value == pytest.approx(expected_uniform_kl(modes=1000, n=200_000), rel=0.15)
    exact = 3 * float(math.log(10) + (shares * shares.log()).sum())  # three independent digits
    assert figures.kl_uniform.value == pytest.approx(exact + expected_uniform_kl(modes=1000, n=200_000), rel=0.05)


def test_expected_uniform_kl_is_that_of_a_perfect_sampler():
    assert expected_uniform_kl(modes=1000, n=26_000) == pytest.approx(0.0192, abs=5e-5)
    classes = torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0))
    figures = mode_figures(classes, EQUAL)
    assert figures.modes == 1000
    assert figures.kl_uniform.value == pytest.approx(0.0192, abs=0.003)


def test_mode_figures_interval_has_the_spread_of_repetitions():
    """Shares far from equal: the delta method must agree with the spread over fresh draws."""
    shares = torch.rand(1000, generator=torch.Generator().manual_seed(1)) ** 3
    generator = torch.Generator().manual_seed(2)
    draws = [
        mode_figures(torch.multinomial(shares, 5000, replacement=True, generator=generator), EQUAL) for _ in range(60)
    ]
    spread = float(torch.tensor([one.kl_uniform.value for one in draws]).std())
    assert draws[0].kl_uniform.standard_error == pytest.approx(spread, rel=0.35)

import math

import pytest

from mnist_gan.config import OptimizerConfig
from mnist_gan.schedules import cosine_decay, ema_beta, learning_rate_factor, weight_factor


def factor(cur_nimg: int, **fields) -> float:
    return learning_rate_factor(OptimizerConfig(**fields), cur_nimg=cur_nimg, total_nimg=1000)


def test_cosine_decay_is_half_a_cosine_from_one_to_zero():
    assert [cosine_decay(t) for t in (0.0, 1 / 3, 0.5, 1.0)] == pytest.approx([1.0, 0.75, 0.5, 0.0])


def test_learning_rate_factor_is_one_without_warmup_and_decay():
    assert [factor(n) for n in (0, 500, 999)] == [1.0, 1.0, 1.0]


def test_learning_rate_factor_rises_linearly_during_warmup():
    assert factor(49, warmup_nimg=100) == pytest.approx(0.5)
    assert factor(99, warmup_nimg=100) == 1.0
    assert factor(500, warmup_nimg=100) == 1.0


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_learning_rate_factor_is_half_in_the_middle_of_a_decay_and_zero_at_its_end(decay):
    values = [factor(n, decay=decay, decay_start=0.5) for n in (0, 500, 750, 1000, 2000)]
    assert values == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


def test_learning_rate_factor_follows_the_formula_of_its_decay():
    assert factor(100, decay="linear") == pytest.approx(0.9)
    assert factor(100, decay="cosine") == pytest.approx(0.5 * (1 + math.cos(0.1 * math.pi)))


def test_learning_rate_factor_multiplies_warmup_and_decay():
    assert factor(49, warmup_nimg=100, decay="linear") == pytest.approx(0.5 * (1 - 0.049))


def test_ema_beta_halves_the_old_average_after_one_half_life():
    beta = ema_beta(batch_nimg=250, cur_nimg=10**9, halflife_nimg=1000, rampup=0.05)
    assert beta**4 == pytest.approx(0.5)


def test_ema_beta_uses_a_share_of_the_images_seen_while_that_is_the_shorter_half_life():
    early = ema_beta(batch_nimg=10, cur_nimg=2000, halflife_nimg=1000, rampup=0.05)
    assert early == pytest.approx(0.5 ** (10 / 100))


def test_ema_beta_is_zero_without_a_half_life():
    assert ema_beta(batch_nimg=64, cur_nimg=64000, halflife_nimg=0, rampup=0.05) == 0.0


@pytest.mark.parametrize(
    ("decay", "expected"), [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0, 0]), ("cosine", [1, 0.8536, 0, 0])]
)
def test_weight_factor_falls_from_one_to_zero_over_the_training(decay, expected):
    values = [weight_factor(decay, cur_nimg=n, total_nimg=1000) for n in (0, 250, 1000, 2000)]
    assert values == pytest.approx(expected, abs=1e-4)

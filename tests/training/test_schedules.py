import math

import pytest

from mnist_gan.config import OptimizerConfig
from mnist_gan.training import ema_beta, learning_rate_factor


def factor(cur_nimg: int, **fields) -> float:
    return learning_rate_factor(OptimizerConfig(**fields), cur_nimg=cur_nimg, total_nimg=1000)


def test_without_warmup_or_decay_the_rate_is_constant():
    assert [factor(n) for n in (0, 500, 999)] == [1.0, 1.0, 1.0]


def test_warmup_rises_to_one():
    assert factor(49, warmup_nimg=100) == pytest.approx(0.5)
    assert factor(99, warmup_nimg=100) == 1.0


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_a_decay_is_one_at_its_start_half_in_its_middle_and_zero_at_the_end(decay):
    values = [factor(n, decay=decay, decay_start=0.5) for n in (0, 500, 750, 1000, 2000)]
    assert values == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


def test_cosine_is_flatter_than_linear_at_first():
    assert factor(100, decay="cosine") == pytest.approx(0.5 * (1 + math.cos(0.1 * math.pi)))


def test_the_average_halves_what_is_one_half_life_old():
    beta = ema_beta(batch_nimg=250, cur_nimg=10**9, halflife_nimg=1000, rampup=0.05)
    assert beta**4 == pytest.approx(0.5)


def test_the_half_life_is_a_share_of_the_images_seen_while_that_is_less():
    early = ema_beta(batch_nimg=10, cur_nimg=2000, halflife_nimg=1000, rampup=0.05)
    assert early == pytest.approx(0.5 ** (10 / 100))


def test_no_half_life_means_no_averaging():
    assert ema_beta(batch_nimg=64, cur_nimg=64000, halflife_nimg=0, rampup=0.05) == 0.0

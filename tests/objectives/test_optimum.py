from __future__ import annotations

import math

import pytest
import torch

from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import build_objective, least_discriminator_loss, optimal_logit

RATIOS = torch.tensor([-2.0, -0.3, 0.0, 1.0, 3.0], dtype=torch.float64)


def expected_loss(config: ObjectiveConfig, logits: torch.Tensor) -> torch.Tensor:
    """p times the loss on real plus q times that on generated images, with q = 1 and p by the ratio."""
    loss = build_objective(config).discriminator_loss
    far = torch.zeros_like(logits)  # the other side, whose own term is a constant and is taken away
    real, fake = loss(logits, far) - loss(far, far), loss(far, logits) - loss(far, far)
    return RATIOS.exp() * real + fake


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "least_squares", "hinge"])
def test_optimal_logit_minimizes_the_discriminators_loss(loss: str, smoothing: float) -> None:
    if loss == "hinge" and smoothing:
        return
    config = ObjectiveConfig(loss=loss, label_smoothing=smoothing)
    best = optimal_logit(config, RATIOS)
    assert best is not None
    least = expected_loss(config, best)
    for step in (-0.1, 0.1):
        assert bool((expected_loss(config, best + step) >= least - 1e-12).all())


def test_relativistic_optimum_is_the_ratio_up_to_a_constant() -> None:
    # two places; a pair of a real and a generated one costs softplus(D(g) - D(r))
    p, q = torch.tensor([0.7, 0.3], dtype=torch.float64), torch.tensor([0.2, 0.8], dtype=torch.float64)
    best = optimal_logit(ObjectiveConfig(loss="relativistic"), (p / q).log())
    assert best is not None

    def cost(logits: torch.Tensor) -> float:
        pairs = torch.nn.functional.softplus(logits[None, :] - logits[:, None])  # [real, generated]
        return float((p[:, None] * q[None, :] * pairs).sum())

    for step in ([0.1, 0.0], [-0.1, 0.0], [0.0, 0.1]):
        assert cost(best + torch.tensor(step, dtype=torch.float64)) > cost(best)
    assert cost(best + 5.0) == pytest.approx(cost(best))


def test_optimal_logit_of_impossible_images_is_infinite_or_at_the_targets() -> None:
    ratio = torch.tensor([math.inf, -math.inf, math.nan])
    logits = optimal_logit(ObjectiveConfig(loss="non_saturating"), ratio)
    squares = optimal_logit(ObjectiveConfig(loss="least_squares"), ratio)
    smooth = optimal_logit(ObjectiveConfig(loss="minimax", label_smoothing=0.2), ratio)
    assert logits is not None
    assert squares is not None
    assert smooth is not None
    assert logits[:2].tolist() == [math.inf, -math.inf]
    assert squares[:2].tolist() == [1.0, 0.0]
    assert smooth[0].item() == pytest.approx(math.log(0.8 / 0.2))  # it cannot grow beyond log(t / (1 - t))
    assert smooth[1].item() == -math.inf
    assert math.isnan(logits[2])


@pytest.mark.parametrize("loss", ["wasserstein", "ideas.mine"])
def test_optimal_logit_is_unknown_for_losses_without_a_minimum(loss: str) -> None:
    assert optimal_logit(ObjectiveConfig(loss=loss), RATIOS) is None


def test_least_discriminator_loss_is_2_log_2_for_equal_distributions() -> None:
    assert least_discriminator_loss(0.0) == pytest.approx(1.386, abs=1e-3)
    assert least_discriminator_loss(math.log(2)) == pytest.approx(0.0)

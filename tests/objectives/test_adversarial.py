"""Each loss against hand-worked values, and the signs of its gradients."""

import math

import pytest
import torch

from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import (
    build_objective,
    cross_entropy_discriminator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)

LOG2, LOG3 = math.log(2), math.log(3)
# logits whose sigmoids are 1/2, 3/4 and 1/4
REAL = torch.tensor([0.0, LOG3, -LOG3])
FAKE = torch.tensor([LOG3, 0.0, -LOG3])
LOG4 = math.log(4)


def check(got, expected):
    torch.testing.assert_close(got, torch.tensor(expected))


def test_cross_entropy_discriminator_loss_by_hand():
    # -log D(x) is log 2, log 4/3, log 4; -log(1 - D(G(z))) is log 4, log 2, log 4/3
    expected = [LOG2 + LOG4, LOG4 - LOG3 + LOG2, LOG4 + LOG4 - LOG3]
    check(cross_entropy_discriminator_loss(REAL, FAKE), expected)


def test_cross_entropy_discriminator_loss_smooths_the_real_side_only():
    # the real side is 0.9 * -log D(x) + 0.1 * -log(1 - D(x)); the fake side is as it was
    real_side = [LOG2, 0.9 * (LOG4 - LOG3) + 0.1 * LOG4, 0.9 * LOG4 + 0.1 * (LOG4 - LOG3)]
    fake_side = [LOG4, LOG2, LOG4 - LOG3]
    expected = [a + b for a, b in zip(real_side, fake_side, strict=True)]
    check(cross_entropy_discriminator_loss(REAL, FAKE, label_smoothing=0.1), expected)


def test_minimax_generator_loss_by_hand():
    check(minimax_generator_loss(FAKE), [-LOG4, -LOG2, LOG3 - LOG4])


def test_non_saturating_generator_loss_by_hand():
    check(non_saturating_generator_loss(FAKE), [LOG4 - LOG3, LOG2, LOG4])


def test_least_squares_losses_by_hand():
    real, fake = torch.tensor([1.0, 0.0, 3.0]), torch.tensor([0.0, 1.0, -2.0])
    check(least_squares_discriminator_loss(real, fake), [0.0, 1.0, 4.0])
    check(least_squares_discriminator_loss(real, fake, label_smoothing=0.5), [0.125, 0.625, 5.125])
    check(least_squares_generator_loss(fake), [0.5, 0.0, 4.5])


def test_hinge_losses_by_hand():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, -0.5, 1.0])
    check(hinge_discriminator_loss(real, fake), [0.0, 1.0, 4.0])
    check(hinge_generator_loss(fake), [2.0, 0.5, -1.0])


def test_wasserstein_losses_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 3.0])
    check(wasserstein_discriminator_loss(real, fake), [-4.0, 2.5])
    check(wasserstein_generator_loss(fake), [2.0, -3.0])


def test_relativistic_losses_by_hand():
    # D(x) - D(G(z)) is -log 3, log 3, 0
    check(relativistic_discriminator_loss(REAL, FAKE), [LOG4, LOG4 - LOG3, LOG2])
    check(relativistic_generator_loss(FAKE, REAL), [LOG4 - LOG3, LOG4, LOG2])


def test_relativistic_losses_depend_on_differences_of_logits_only():
    for loss in (relativistic_discriminator_loss, relativistic_generator_loss):
        torch.testing.assert_close(loss(REAL + 5, FAKE + 5), loss(REAL, FAKE))


LOSSES = ("minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic")


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_and_its_gradient_are_finite_for_logits_of_any_size(loss):
    objective = build_objective(ObjectiveConfig(loss=loss))
    for size in (0.0, 50.0, 1e4, -1e4):
        real = torch.tensor([size], requires_grad=True)
        fake = torch.tensor([-size], requires_grad=True)
        values = objective.discriminator_loss(real, fake) + objective.generator_loss(fake, real)
        real_gradient, fake_gradient = torch.autograd.grad(values.sum(), (real, fake))
        assert values.isfinite().all()
        assert real_gradient.isfinite().all()
        assert fake_gradient.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_pulls_logits_apart_for_d_and_up_for_g(loss):
    objective = build_objective(ObjectiveConfig(loss=loss))
    real, fake = torch.full((3,), 0.2, requires_grad=True), torch.full((3,), 0.3, requires_grad=True)
    real_gradient, fake_gradient = torch.autograd.grad(objective.discriminator_loss(real, fake).sum(), (real, fake))
    assert (real_gradient < 0).all(), "descent must raise the logits of real images"
    assert (fake_gradient > 0).all(), "descent must lower the logits of generated images"
    (generator_gradient,) = torch.autograd.grad(objective.generator_loss(fake, real.detach()).sum(), fake)
    assert (generator_gradient < 0).all(), "the generator's descent must raise the logits of its images"


def test_minimax_generator_loss_saturates_where_the_non_saturating_one_does_not():
    sure = torch.tensor([-20.0], requires_grad=True)
    for loss, slope in ((minimax_generator_loss, 0.0), (non_saturating_generator_loss, -1.0)):
        (gradient,) = torch.autograd.grad(loss(sure).sum(), sure)
        assert gradient.item() == pytest.approx(slope, abs=1e-6)

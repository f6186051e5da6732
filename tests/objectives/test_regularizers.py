"""Penalties against discriminators with known gradients: a linear and a quadratic one."""

import pytest
import torch
from torch import nn

from mnist_gan.config import DiscriminatorConfig
from mnist_gan.models import ImageShape, build_discriminator
from mnist_gan.objectives import (
    clip_weights_,
    gradient_penalty,
    input_gradient,
    r1_penalty,
    r2_penalty,
    squared_gradient_norm,
)

N = 3


class Linear(nn.Module):
    """D(x) = w . x + bias: its gradient is w everywhere. A label multiplies it by 1 + label."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images, labels=None):
        logits = (images * self.weight).flatten(1).sum(dim=1) + 7.0
        return logits if labels is None else logits * (1 + labels)


class Quadratic(nn.Module):
    """D(x) = a |x|**2 / 2: its gradient at x is a x."""

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, images, labels=None):
        return 0.5 * self.a * images.square().flatten(1).sum(dim=1)


@pytest.fixture(params=[1, 3])
def images(request):
    return torch.randn(N, request.param, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def linear(images):
    weight = torch.zeros(images.shape[1:])
    weight[0, 1, 1], weight[0, 2, 3] = 3.0, 4.0  # |w| = 5
    return Linear(weight)


def test_input_gradient_of_a_linear_discriminator_is_its_weight(linear, images):
    logits, gradient = input_gradient(linear, images)
    assert torch.equal(logits, linear(images))
    assert torch.equal(gradient, linear.weight.expand_as(gradient))
    assert squared_gradient_norm(linear, images).tolist() == [25.0] * N


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
def test_r1_and_r2_penalties_are_half_gamma_times_the_squared_norm(penalty, linear, images):
    assert penalty(linear, images, gamma=2.0).tolist() == [25.0] * N


def test_penalties_pass_labels_to_the_discriminator(linear, images):
    penalties = r1_penalty(linear, images, torch.tensor([0, 1, 2]), gamma=2.0)
    assert penalties.tolist() == [25.0, 100.0, 225.0]
    mix = torch.zeros(N)
    penalties = gradient_penalty(linear, images, images, torch.tensor([0, 1, 2]), mix=mix, gp_lambda=1.0)
    assert penalties.tolist() == [16.0, 81.0, 196.0]


def test_r1_penalty_is_differentiable_by_the_weights(linear, images):
    r1_penalty(linear, images, gamma=2.0).mean().backward()
    torch.testing.assert_close(linear.weight.grad, 2 * linear.weight.detach())  # of |w|**2


def test_gradient_penalty_is_lambda_times_the_squared_distance_of_the_norm_from_one(linear, images):
    penalties = gradient_penalty(linear, images, -images, mix=torch.rand(N), gp_lambda=10.0)
    torch.testing.assert_close(penalties, torch.full((N,), 160.0))  # 10 * (5 - 1)**2
    penalties.mean().backward()
    torch.testing.assert_close(linear.weight.grad, 10 * 2 * 4 * linear.weight.detach() / 5)


def test_gradient_penalty_is_taken_between_each_real_image_and_its_generated_one():
    real, fake = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)  # |fake| = 2
    mix = torch.tensor([1.0, 0.5, 0.0])
    # the gradient of the quadratic at y is 3 y, of norm 3 * 2 * (1 - mix)
    penalties = gradient_penalty(Quadratic(3.0), real, fake, mix=mix, gp_lambda=1.0)
    torch.testing.assert_close(penalties, torch.tensor([1.0, 4.0, 25.0]))


def test_r1_penalty_of_an_image_does_not_depend_on_the_batch():
    images = torch.stack([torch.full((1, 2, 2), value) for value in (0.0, 1.0, 2.0)])
    assert r1_penalty(Quadratic(1.0), images, gamma=2.0).tolist() == [0.0, 4.0, 16.0]


def test_gradient_penalty_of_a_flat_discriminator_has_a_finite_gradient(images):
    flat = Linear(torch.zeros(images.shape[1:]))
    penalties = gradient_penalty(flat, images, images, mix=torch.rand(N), gp_lambda=1.0)
    (gradient,) = torch.autograd.grad(penalties.sum(), flat.weight)
    assert gradient.isfinite().all()


def test_r1_penalty_leaves_no_gradient_on_the_images(linear, images):
    images.requires_grad_()
    r1_penalty(linear, images, gamma=1.0).sum().backward()
    assert images.grad is None


def test_squared_gradient_norm_uses_the_forward_gradient_of_a_network_that_has_one(images):
    shape = ImageShape(channels=images.shape[1], resolution=4)
    D = build_discriminator(DiscriminatorConfig(family="mlp", channels=(5,)), shape, seed=0)
    _, expected = D.input_gradient(images)
    expected = expected.square().flatten(1).sum(dim=1)
    assert torch.equal(squared_gradient_norm(D, images), expected)


def test_clip_weights_bounds_every_weight_in_place(linear):
    weight = linear.weight
    clip_weights_(linear, 3.5)
    assert linear.weight is weight
    assert weight.max().item() == 3.5
    assert weight.sum().item() == 6.5
    assert weight.requires_grad

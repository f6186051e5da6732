"""Penalties on the gradient of the discriminator with respect to its input, and weight clipping."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"] | None


@runtime_checkable
class HasInputGradient(Protocol):
    """A discriminator that computes its input gradient in the forward pass if it is piecewise linear."""

    @property
    def piecewise_linear(self) -> bool:
        """True if `input_gradient` is available."""

    def input_gradient(self, images: Images, labels: Labels = None) -> tuple[Float[Tensor, "n"], Images]:
        """Logits, and the gradient of each logit with respect to its image."""


@runtime_checkable
class Regularizer(Protocol):
    """A penalty on the discriminator, added to its loss: a function that returns one value per sample."""

    def __call__(
        self, D: nn.Module, real_images: Images, fake_images: Images, labels: Labels, *, mix: Float[Tensor, "n"]
    ) -> Float[Tensor, "n"]:
        """Penalty of each pair of a real and a generated image.

        Args:
            D: the discriminator: `D(images, labels)` gives logits.
            real_images: a batch, (N, C, H, W), in the range of the generator.
            fake_images: as many generated images, without a gradient to the generator.
            labels: labels of both images of each pair; None for an unconditional discriminator.
            mix: N random numbers, uniform in [0, 1]. Other random numbers make a resumed run differ.
        """


def input_gradient(D: nn.Module, images: Images, labels: Labels = None) -> tuple[Float[Tensor, "n"], Images]:
    """Logits, and the gradient of each with respect to its image; both are differentiable by the weights.

    A piecewise-linear discriminator computes the gradient in its forward pass, which is exact and cheaper. Any other
    uses double backward. Images of a batch must not interact, as they do in BatchNorm.
    """
    if isinstance(D, HasInputGradient) and D.piecewise_linear:
        return D.input_gradient(images, labels)
    images = images.detach().requires_grad_(True)
    logits: Float[Tensor, "n"] = D(images, labels)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return logits, gradient


def squared_gradient_norm(D: nn.Module, images: Images, labels: Labels = None) -> Float[Tensor, "n"]:
    """Squared Euclidean norm of the gradient of D at each image."""
    _, gradient = input_gradient(D, images, labels)
    return gradient.square().flatten(1).sum(dim=1)


def r1_penalty(D: nn.Module, real_images: Images, labels: Labels = None, *, gamma: float) -> Float[Tensor, "n"]:
    """gamma/2 * |grad D(x)|**2 at real images: R1, Mescheder et al. 2018, eq. 9."""
    return 0.5 * gamma * squared_gradient_norm(D, real_images, labels)


def r2_penalty(D: nn.Module, fake_images: Images, labels: Labels = None, *, gamma: float) -> Float[Tensor, "n"]:
    """gamma/2 * |grad D(G(z))|**2 at generated images: R2, Mescheder et al. 2018, eq. 10."""
    return 0.5 * gamma * squared_gradient_norm(D, fake_images, labels)


def gradient_penalty(
    D: nn.Module,
    real_images: Images,
    fake_images: Images,
    labels: Labels = None,
    *,
    mix: Float[Tensor, "n"],
    gp_lambda: float,
) -> Float[Tensor, "n"]:
    """gp_lambda * (|grad D(y)| - 1)**2 at y = mix * x + (1 - mix) * G(z): Gulrajani et al. 2017, eq. 3.

    Args:
        D: the discriminator.
        real_images: x.
        fake_images: G(z).
        labels: labels of both images of each pair; None for an unconditional discriminator.
        mix: share of the real image in y, uniform in [0, 1].
        gp_lambda: weight of the penalty; 10 in the paper.
    """
    share = mix.view(-1, 1, 1, 1)
    between = share * real_images + (1.0 - share) * fake_images
    # the square root has an infinite derivative at 0, which would give NaN
    norm = squared_gradient_norm(D, between, labels).clamp_min(1e-24).sqrt()
    return gp_lambda * (norm - 1.0).square()


@torch.no_grad()
def clip_weights_(D: nn.Module, limit: float) -> None:
    """Clip every weight of `D` to [-limit, limit], in place: Arjovsky et al. 2017, Algorithm 1, line 7."""
    for parameter in D.parameters():
        parameter.clamp_(-limit, limit)

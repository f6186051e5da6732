"""Which pixels made a discriminator think so."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan.errors import ConfigError
from mnist_gan.models import Discriminator


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What each pixel contributes to a discriminator's logit, against the same pixel of a baseline image."""

    contributions: Float[Tensor, "c h w"]
    """In units of the logit: above 0 where the image's pixel speaks for real more than the baseline's."""
    logit: float
    """Of the image."""
    baseline_logit: float
    """Of the baseline."""

    @property
    def remainder(self) -> float:
        """What the sum of the contributions lacks of logit - baseline_logit: the error of the numerical integral."""
        return self.logit - self.baseline_logit - float(self.contributions.double().sum())


def integrated_gradients(
    D: Discriminator,
    image: Float[Tensor, "c h w"],
    *,
    label: int | None = None,
    baseline: Float[Tensor, "c h w"],
    steps: int = 128,
) -> Attribution:
    """The contributions of the pixels by integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365, eq. 1).

    (x - b) times the mean gradient along the straight line from the baseline b to the image x, at the middles of
    `steps` equal pieces. They add up to D(x) - D(b), which gradient times input does not; a pixel that is the same in
    both contributes 0.

    Args:
        D: in evaluation mode, on the CPU.
        image: in the range that D takes real images in.
        label: what the image is judged together with; a conditional discriminator needs one.
        baseline: what stands for "nothing there", such as a black image.
        steps: pieces of the line; the more, the smaller `remainder`.

    Raises:
        ConfigError: a label is missing, or given to an unconditional network; or `steps` is less than 1.
    """
    if steps < 1:
        raise ConfigError(f"steps is {steps}; it must be at least 1")
    middles = (torch.arange(steps, dtype=image.dtype) + 0.5) / steps
    line = baseline + middles.view(-1, 1, 1, 1) * (image - baseline)  # [steps, C, H, W]
    gradient = input_gradients(D, line, _labels(label, steps)).mean(dim=0)
    with torch.no_grad():
        logits = D(torch.stack([image, baseline]), _labels(label, 2))
    return Attribution(
        contributions=(image - baseline) * gradient, logit=float(logits[0]), baseline_logit=float(logits[1])
    )


def input_gradients(
    D: Discriminator, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None
) -> Float[Tensor, "n c h w"]:
    """The gradient of each logit with respect to its own image: exact, without autograd where D allows that.

    In evaluation mode BatchNorm does not mix the images of a batch either, and autograd gives the same.
    """
    if D.piecewise_linear:
        with torch.no_grad():
            return D.input_gradient(images, labels)[1]
    with torch.enable_grad(), torch.inference_mode(False):
        leaf = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(D(leaf, labels).sum(), leaf)
    return gradient


def _labels(label: int | None, n: int) -> Int64[Tensor, "n"] | None:
    return None if label is None else torch.full((n,), label, dtype=torch.int64)

"""Attribution of a discriminator's logit to the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan.errors import ConfigError
from mnist_gan.models import Discriminator
from mnist_gan.torch_defaults import default_torch_state


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Contribution of each pixel to the difference between the logits of an image and of a baseline."""

    contributions: Float[Tensor, "c h w"]
    """In units of the logit; positive for pixels that raise it."""
    logit: float
    """Logit of the image."""
    baseline_logit: float

    @property
    def remainder(self) -> float:
        """`logit - baseline_logit` minus the sum of the contributions: the error of the numerical integration."""
        return self.logit - self.baseline_logit - float(self.contributions.double().sum())


@default_torch_state()
def integrated_gradients(
    D: Discriminator,
    image: Float[Tensor, "c h w"],
    *,
    label: int | None = None,
    baseline: Float[Tensor, "c h w"],
    steps: int = 128,
) -> Attribution:
    """Integrated gradients of the logit (Sundararajan et al. 2017, arXiv:1703.01365, eq. 1).

    (x - b) times the mean gradient along the straight line from the baseline b to the image x, by the midpoint rule
    with `steps` intervals. The contributions add up to D(x) - D(b); a pixel that is equal in both contributes 0.

    Args:
        D: in evaluation mode, on the CPU.
        image: in the range of the real images that D was trained on.
        label: of the image; a conditional discriminator needs one.
        baseline: reference image, such as a black one.
        steps: intervals of the integration; more make `remainder` smaller.

    Raises:
        ConfigError: a label is missing, or given to an unconditional discriminator; or `steps` is less than 1.
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


@default_torch_state()
def input_gradients(
    D: Discriminator, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None
) -> Float[Tensor, "n c h w"]:
    """Gradient of each logit with respect to its own image; `D` in evaluation mode.

    A piecewise linear discriminator computes it without autograd. With autograd, summing the logits is valid because
    BatchNorm does not mix the images of a batch in evaluation mode.
    """
    if D.piecewise_linear:
        with torch.no_grad():
            return D.input_gradient(images, labels)[1]
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(D(leaf, labels).sum(), leaf)
    return gradient


def _labels(label: int | None, n: int) -> Int64[Tensor, "n"] | None:
    return None if label is None else torch.full((n,), label, dtype=torch.int64)

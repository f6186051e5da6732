"""Platt calibration: turns logits into probabilities of being real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float
from torch import Tensor

from mnist_gan.errors import DivergenceError

Logits = Float[Tensor, "n"]

NEWTON_STEPS: Final = 100
"""Upper limit on the iterations of Newton's method."""
RIDGE: Final = 1e-12
"""Added to the diagonal of the Hessian, as in Lin et al. 2007."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Logistic curve from a logit to the probability that the image is real, for equal numbers of real and generated.

    probability = s(scale * logit + bias), with s the logistic sigmoid.
    """

    scale: float
    """Slope of the log odds over the logit; negative for an inverted discriminator."""
    bias: float
    """Log odds at a logit of 0."""

    def probability(self, logits: Logits) -> Logits:
        """Probability in [0, 1] that each image is real, computed in float64."""
        return torch.sigmoid(self.scale * logits.double() + self.bias).to(logits.dtype)


def fit_calibration(real_logits: Float[Tensor, "n"], fake_logits: Float[Tensor, "m"]) -> Calibration:
    """Fit a logistic regression of "is real" on the logit, with equal total weight for both kinds.

    The targets are (n + 1) / (n + 2) for real and 1 / (m + 2) for generated images (Platt 1999), so that perfectly
    separable logits give a finite scale. Solved by Newton's method with step halving on standardized logits, in float64
    (Lin et al. 2007); deterministic.

    Raises:
        ValueError: one of the two is empty.
        DivergenceError: a logit is not finite.
    """
    n, m = len(real_logits), len(fake_logits)
    if n == 0 or m == 0:
        raise ValueError("a calibration needs logits of both real and generated images; one of the two is empty")
    logits = torch.cat([real_logits.detach().cpu(), fake_logits.detach().cpu()]).double()
    if not bool(logits.isfinite().all()):
        raise DivergenceError("the discriminator returned logits that are not finite; use an earlier checkpoint")
    targets = _column(n, (n + 1) / (n + 2), m, 1 / (m + 2))
    weights = _column(n, 0.5 / n, m, 0.5 / m)
    center = float(weights @ logits)
    spread = float(weights @ (logits - center).square()) ** 0.5
    if spread <= 1e-9 * max(1.0, abs(center)):  # all logits are equal: they carry no information
        return Calibration(scale=0.0, bias=0.0)
    scale, bias = _fit_logistic((logits - center) / spread, targets, weights)
    return Calibration(scale=scale / spread, bias=bias - scale * center / spread)


def _column(n: int, real_value: float, m: int, fake_value: float) -> Tensor:
    values = torch.tensor([real_value, fake_value], dtype=torch.float64)
    return values.repeat_interleave(torch.tensor([n, m]))


def _fit_logistic(x: Tensor, targets: Tensor, weights: Tensor) -> tuple[float, float]:
    """Scale and bias that minimize the weighted cross-entropy of s(scale * x + bias) against `targets`."""
    inputs = torch.stack([x, torch.ones_like(x)], dim=1)  # [N, 2]
    theta = torch.zeros(2, dtype=torch.float64)
    ridge = RIDGE * torch.eye(2, dtype=torch.float64)

    def loss(theta: Tensor) -> Tensor:
        z = inputs @ theta
        return weights @ (F.softplus(z) - targets * z)

    for _ in range(NEWTON_STEPS):
        p = torch.sigmoid(inputs @ theta)
        gradient = inputs.t() @ (weights * (p - targets))
        if float(gradient.abs().max()) < 1e-12:
            break
        hessian = inputs.t() @ ((weights * p * (1 - p)).unsqueeze(1) * inputs)
        step = torch.linalg.solve(hessian + ridge, gradient)
        size, descent = 1.0, float(gradient @ step)
        while size > 1e-10 and float(loss(theta - size * step)) > float(loss(theta)) - 1e-4 * size * descent:
            size *= 0.5
        theta = theta - size * step
    return float(theta[0]), float(theta[1])

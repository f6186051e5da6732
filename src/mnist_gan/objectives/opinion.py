"""What a logit says of an image: another thing under every objective, and what it comes to as a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float
from torch import Tensor

from mnist_gan.errors import DivergenceError

Logits = Float[Tensor, "n"]


def share_above(logits: Logits, boundary: float) -> Float[Tensor, ""]:
    """The share of logits above `boundary`; one that lies on it counts half."""
    return 0.5 * (1.0 + (logits - boundary).sign().mean())


def chance_real_above_fake(real_logits: Float[Tensor, "n"], fake_logits: Float[Tensor, "m"]) -> Float[Tensor, ""]:
    """The chance that a random real image scores higher than a random generated one; a tie counts half.

    Over all n * m pairs, by sorting: the area under the ROC curve (Hanley & McNeil 1982).
    """
    fakes = fake_logits.sort().values
    below = torch.searchsorted(fakes, real_logits)
    not_above = torch.searchsorted(fakes, real_logits, right=True)
    return 0.5 * (below + not_above).float().mean() / len(fake_logits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """How the logits of an objective are read. Nothing here waits for the device."""

    decision_boundary: float | None
    """The logit of an image that is as likely real as generated; None where only comparisons have a meaning."""

    @property
    def statistic_names(self) -> tuple[str, ...]:
        """Names of what `statistics` returns, in order."""
        if self.decision_boundary is None:
            return ("Score/real_above_fake",)
        return ("Score/real_accuracy", "Score/fake_accuracy")

    def statistics(self, real_logits: Logits, fake_logits: Logits) -> list[Float[Tensor, ""]]:
        """How well the discriminator tells real from generated, each in [0, 1]."""
        if self.decision_boundary is None:
            return [chance_real_above_fake(real_logits, fake_logits)]
        return [self.real_accuracy(real_logits), self.fake_accuracy(fake_logits)]

    def real_accuracy(self, real_logits: Logits) -> Float[Tensor, ""]:
        """The share of real images taken for real.

        Raises:
            ValueError: the objective has no decision boundary.
        """
        return share_above(real_logits, self._boundary())

    def fake_accuracy(self, fake_logits: Logits) -> Float[Tensor, ""]:
        """The share of generated images taken for generated.

        Raises:
            ValueError: the objective has no decision boundary.
        """
        return 1.0 - share_above(fake_logits, self._boundary())

    def _boundary(self) -> float:
        if self.decision_boundary is None:
            raise ValueError("this objective has no decision boundary: compare real with fake (chance_real_above_fake)")
        return self.decision_boundary


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Turns a logit into the probability that its image is real, were half of all images real."""

    scale: float
    """What a logit is multiplied by."""
    bias: float
    """What is added then."""

    def probability(self, logits: Logits) -> Logits:
        """The probability that each image is real, in [0, 1]: s(scale * logit + bias), computed in float64."""
        return torch.sigmoid(self.scale * logits.double() + self.bias).to(logits.dtype)


NEWTON_STEPS: Final = 100
RIDGE: Final = 1e-12
"""Added to the diagonal of the Hessian, as Lin et al. do."""


def fit_calibration(real_logits: Float[Tensor, "n"], fake_logits: Float[Tensor, "m"]) -> Calibration:
    """Fit a logistic regression of "is real" on the logit, as if both kinds were equally frequent.

    Platt 1999: the targets are (n + 1) / (n + 2) for real and 1 / (m + 2) for generated images, not 1 and 0, so that
    images which the logit separates perfectly give a finite scale. Newton's method with step halving, in float64, on
    standardized logits (Lin et al. 2007): deterministic.

    Raises:
        ValueError: one of the two is empty.
        DivergenceError: a logit is not finite.
    """
    n, m = len(real_logits), len(fake_logits)
    if n == 0 or m == 0:
        raise ValueError("a calibration needs the logits of real and of generated images; one of them is empty")
    logits = torch.cat([real_logits.detach().cpu(), fake_logits.detach().cpu()]).double()
    if not bool(logits.isfinite().all()):
        raise DivergenceError("the discriminator gives logits that are not finite; go back to an earlier checkpoint")
    targets = _column(n, (n + 1) / (n + 2), m, 1 / (m + 2))
    weights = _column(n, 0.5 / n, m, 0.5 / m)
    center = float(weights @ logits)
    spread = float(weights @ (logits - center).square()) ** 0.5
    if spread <= 1e-9 * max(1.0, abs(center)):  # one logit for every image says nothing
        return Calibration(scale=0.0, bias=0.0)
    scale, bias = _fit_logistic((logits - center) / spread, targets, weights)
    return Calibration(scale=scale / spread, bias=bias - scale * center / spread)


def _column(n: int, real_value: float, m: int, fake_value: float) -> Tensor:
    values = torch.tensor([real_value, fake_value], dtype=torch.float64)
    return values.repeat_interleave(torch.tensor([n, m]))


def _fit_logistic(x: Tensor, targets: Tensor, weights: Tensor) -> tuple[float, float]:
    """The scale and bias that minimize the weighted cross-entropy of s(scale * x + bias) against `targets`."""
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

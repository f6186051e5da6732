"""Decision rules: the classification of an image as real or generated from its logit, and how often it is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Logits = Float[Tensor, "n"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRule:
    """Classifies an image as real where its logit exceeds `boundary`."""

    boundary: float | None
    """Logit of an image that is equally likely real and generated; None where only logit differences have a meaning."""

    @property
    def statistic_names(self) -> tuple[str, ...]:
        """Keys of `statistics`, in order."""
        if self.boundary is None:
            return ("Score/real_above_fake",)
        return ("Score/real_accuracy", "Score/fake_accuracy")

    def statistics(self, real_logits: Logits, fake_logits: Logits) -> dict[str, Float[Tensor, ""]]:
        """Accuracy on real and on generated images, or `chance_real_above_fake` without a boundary.

        Scalars in [0, 1] on the device of the logits; never synchronizes with the host.
        """
        if self.boundary is None:
            return {"Score/real_above_fake": chance_real_above_fake(real_logits, fake_logits)}
        return {
            "Score/real_accuracy": share_above(real_logits, self.boundary),
            "Score/fake_accuracy": 1.0 - share_above(fake_logits, self.boundary),
        }


def share_above(logits: Logits, boundary: float) -> Float[Tensor, ""]:
    """Share of logits above `boundary`; a logit equal to it counts half."""
    return 0.5 * (1.0 + (logits - boundary).sign().mean())


def chance_real_above_fake(real_logits: Float[Tensor, "n"], fake_logits: Float[Tensor, "m"]) -> Float[Tensor, ""]:
    """Probability that a random real image scores higher than a random generated one; a tie counts half.

    The area under the ROC curve (Hanley & McNeil 1982), over all n * m pairs, by sorting.
    """
    fakes = fake_logits.sort().values
    below = torch.searchsorted(fakes, real_logits)
    not_above = torch.searchsorted(fakes, real_logits, right=True)
    return 0.5 * (below + not_above).float().mean() / len(fake_logits)

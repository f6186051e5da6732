"""The cheap evaluation for a training under way: a second or so on two CPU cores, often enough to see where it goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from jaxtyping import Int, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.evaluation.evaluate import DigitTable, comparison, digit_table, digit_values
from mnist_gan.evaluation.frechet import fit_gaussian, frechet_distance
from mnist_gan.evaluation.reference import Reference
from mnist_gan.evaluation.samples import Draw, SampleProtocol, draw_in_pieces, labels_in_proportion
from mnist_gan.figures import METRIC_PREFIX

MONITOR_PROTOCOL: Final = SampleProtocol(num_images=2_000)


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """What a cheap evaluation found."""

    distance: float
    """Plug-in Frechet distance at the protocol's n; compare it with the floor of the same protocol only."""
    name: str
    """The distance's name: fd2k_mnistnet."""
    digits: DigitTable | None
    """None where the data is not MNIST."""

    def row(self) -> dict[str, float]:
        """`Metric/...` fields for a row of metrics: the distance, digits, diversity, agreement; finite values alone.

        Where there are ten classes, each digit's share ratio and diversity have fields of their own.
        """
        values: dict[str, float | None] = {self.name: self.distance}
        if self.digits is not None:
            values |= digit_values(self.digits)
            if len(self.digits.counts) <= 10:
                values |= {f"diversity/{digit}": value for digit, value in enumerate(self.digits.diversity)}
                values |= {
                    f"share/{digit}": ours / real
                    for digit, (ours, real) in enumerate(zip(self.digits.shares, self.digits.real_shares, strict=True))
                    if real > 0
                }
        return {
            f"{METRIC_PREFIX}{name}": value
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        }


def monitor(
    draw: Draw,
    *,
    reference: Reference,
    conditional: bool,
    protocol: SampleProtocol = MONITOR_PROTOCOL,
    seed: int = 0,
) -> Monitoring:
    """Draw the protocol's images, the same latents and labels every time, and judge distance and digits.

    That the latents stay the same takes most of the sampling noise out of the *changes* from one time to the next.
    """
    labels = None
    if conditional:
        labels = labels_in_proportion(
            reference.labels, n=protocol.num_images, num_classes=reference.num_classes, seed=seed
        )
    images = draw_in_pieces(
        draw, n=protocol.num_images, seed=rng.derive_seed(seed, "evaluation/monitor"), labels=labels
    )
    return _judged(images, labels, reference=reference, protocol=protocol)


def monitor_floor(*, reference: Reference, protocol: SampleProtocol = MONITOR_PROTOCOL) -> Monitoring:
    """The same of held-out real images: what the training is on its way to. Computed anew; take it once."""
    samples = comparison("floor", reference, protocol)
    return _judged(samples.sets[0], samples.asked, reference=reference, protocol=protocol)


def _judged(
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"] | None,
    *,
    reference: Reference,
    protocol: SampleProtocol,
) -> Monitoring:
    seen = reference.judge.look(images)
    return Monitoring(
        distance=frechet_distance(fit_gaussian(seen.features), reference.gaussian),
        name=protocol.figure("fd", reference.judge.name),
        digits=None if reference.kind == "none" else digit_table(seen, asked=labels, reference=reference),
    )

"""Evaluation during training: small enough to repeat often, about a second on two CPU cores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from jaxtyping import Int, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.evaluation.digits import DigitTable, digit_table
from mnist_gan.evaluation.frechet import fit_gaussian, frechet_distance
from mnist_gan.evaluation.reference import Reference
from mnist_gan.evaluation.samples import Draw, SampleProtocol, draw_in_batches, floor_samples, labels_in_proportion
from mnist_gan.figures import METRIC_PREFIX
from mnist_gan.torch_defaults import default_torch_state

MONITOR_PROTOCOL: Final = SampleProtocol(num_images=2_000)
MIN_REAL_IMAGES: Final = 2
"""Smallest number of training and of held-out images: a covariance needs two."""


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Result of an evaluation during training."""

    distance: float
    """Plug-in Frechet distance; comparable with values and floors of the same protocol only."""
    name: str
    """Name of the distance: fd2k_mnistnet."""
    digits: DigitTable | None
    """None for data other than MNIST."""

    def row(self) -> dict[str, float]:
        """`Metric/...` fields for metrics.jsonl, finite values only.

        With ten classes, each digit has its own fields for share and diversity.
        """
        values: dict[str, float | None] = {self.name: self.distance}
        if self.digits is not None:
            values |= self.digits.values()
            if len(self.digits.counts) <= 10:
                values |= {f"diversity/{digit}": value for digit, value in enumerate(self.digits.diversity)}
                values |= {
                    f"share/{digit}": share / real
                    for digit, (share, real) in enumerate(zip(self.digits.shares, self.digits.real_shares, strict=True))
                    if real > 0
                }
        return {
            f"{METRIC_PREFIX}{name}": value
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        }


@default_torch_state()
def monitor(
    draw: Draw,
    *,
    reference: Reference,
    conditional: bool,
    protocol: SampleProtocol = MONITOR_PROTOCOL,
    seed: int = 0,
) -> Monitoring:
    """Draw the protocol's images and measure distance and digits.

    Latents and labels are the same at every call, which removes most sampling noise from the changes between calls.
    """
    labels = labels_in_proportion(reference.labels, n=protocol.num_images, seed=seed) if conditional else None
    images = draw_in_batches(
        draw, n=protocol.num_images, seed=rng.derive_seed(seed, "evaluation/monitor"), labels=labels
    )
    return _measure(images, labels, reference=reference, protocol=protocol)


@default_torch_state()
def monitor_floor(*, reference: Reference, protocol: SampleProtocol = MONITOR_PROTOCOL) -> Monitoring:
    """Measure held-out real images under the same protocol. The result is not cached."""
    samples = floor_samples(reference, protocol)
    return _measure(samples.sets[0], samples.labels, reference=reference, protocol=protocol)


def _measure(
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"] | None,
    *,
    reference: Reference,
    protocol: SampleProtocol,
) -> Monitoring:
    judged = reference.judge.predict(images)
    digits = None
    if reference.kind != "none":
        digits = digit_table(
            judged, labels=labels, real_counts=reference.class_counts, real_diversity=reference.diversity
        )
    return Monitoring(
        distance=frechet_distance(fit_gaussian(judged.features), reference.gaussian),
        name=protocol.figure("fd", reference.judge.name),
        digits=digits,
    )

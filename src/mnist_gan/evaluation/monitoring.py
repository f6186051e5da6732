"""Evaluation during training: small enough to repeat often, about a second on two CPU cores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from jaxtyping import Int
from torch import Tensor

from mnist_gan import rng
from mnist_gan.data import Dataset
from mnist_gan.evaluation.digits import DigitTable, digit_table
from mnist_gan.evaluation.frechet import fit_gaussian, frechet_distance
from mnist_gan.evaluation.reference import Reference
from mnist_gan.evaluation.samples import Draw, SampleProtocol, draw_in_batches, floor_samples, labels_in_proportion
from mnist_gan.evaluation.toys import POINT_SAMPLES, PointReference
from mnist_gan.figures import METRIC_PREFIX
from mnist_gan.scaling import AtRest
from mnist_gan.torch_defaults import default_torch_state

MONITOR_PROTOCOL: Final = SampleProtocol(num_images=2_000)
POINT_PROTOCOL: Final = SampleProtocol(num_images=POINT_SAMPLES)
RealData: TypeAlias = Reference | PointReference
MIN_REAL_IMAGES: Final = 2
"""Smallest number of training and of held-out images: a covariance needs two."""


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Result of an evaluation during training."""

    distance: float
    """Plug-in Frechet distance of images, energy distance of points; comparable under the same protocol only."""
    name: str
    """Name of the distance: fd2k_mnistnet, energy2500."""
    digits: DigitTable | None = None
    """None for data other than MNIST."""
    others: Mapping[str, float | None] = field(default_factory=dict)
    """Further figures of points."""

    def row(self) -> dict[str, float]:
        """`Metric/...` fields for metrics.jsonl, finite values only.

        With ten classes, each digit has its own fields for share and diversity.
        """
        values: dict[str, float | None] = {self.name: self.distance, **self.others}
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


def reference_of(dataset: Dataset) -> RealData:
    """Real images with a judge, or real points."""
    return PointReference.of(dataset) if dataset.images.is_floating_point() else Reference.of(dataset)


def protocol_of(reference: RealData) -> SampleProtocol:
    """Protocol of the evaluations during training: 2,000 images, or the 2,500 points of PacGAN."""
    return POINT_PROTOCOL if isinstance(reference, PointReference) else MONITOR_PROTOCOL


@default_torch_state()
def monitor(
    draw: Draw,
    *,
    reference: RealData,
    conditional: bool,
    protocol: SampleProtocol | None = None,
    seed: int = 0,
) -> Monitoring:
    """Draw the protocol's images or points and measure distance and digits, or the exact figures.

    Latents and labels are the same at every call, which removes most sampling noise from the changes between calls.
    """
    protocol = protocol or protocol_of(reference)
    labels = labels_in_proportion(reference.labels, n=protocol.num_images, seed=seed) if conditional else None
    images = draw_in_batches(
        draw, n=protocol.num_images, seed=rng.derive_seed(seed, "evaluation/monitor"), labels=labels
    )
    return _measure(images, labels, reference=reference, protocol=protocol)


@default_torch_state()
def monitor_floor(*, reference: RealData, protocol: SampleProtocol | None = None) -> Monitoring:
    """Measure real images or points under the same protocol. The result is not cached."""
    protocol = protocol or protocol_of(reference)
    if isinstance(reference, PointReference):
        return _of_points(reference.floors)
    samples = floor_samples(reference, protocol)
    return _measure(samples.sets[0], samples.labels, reference=reference, protocol=protocol)


def _measure(
    images: AtRest,
    labels: Int[Tensor, "n"] | None,
    *,
    reference: RealData,
    protocol: SampleProtocol,
) -> Monitoring:
    if isinstance(reference, PointReference):
        return _of_points(reference.measure(images))
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


def _of_points(figures: Mapping[str, float | None]) -> Monitoring:
    name = next(name for name in figures if name.startswith("energy"))
    others = {other: value for other, value in figures.items() if other != name}
    return Monitoring(name=name, distance=figures[name] or 0.0, others=others)

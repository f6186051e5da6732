"""Exact figures of points, which need no judge: modes of a mixture, and distances to a fresh real draw.

The protocol of PacGAN (Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks",
section 4.1): 2,500 samples; a sample is of high quality within 3 standard deviations of the nearest mode; a mode counts
with one such sample. Distances are in percent of the spread of the real points, so that data sets compare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from mnist_gan import rng
from mnist_gan.data import Dataset
from mnist_gan.data.toys import Mixture
from mnist_gan.errors import DataError
from mnist_gan.evaluation.results import Evaluation, Figure
from mnist_gan.evaluation.samples import Samples
from mnist_gan.evaluation.statistics import mean_of_draws
from mnist_gan.figures import FIGURES, figure_kind
from mnist_gan.torch_defaults import default_torch_state

POINT_SAMPLES: Final = 2_500
POINT_SETS: Final = 5
"""Independent sets of a stated result; their spread gives its interval."""
EXACT: Final = "exact"
"""Name in place of a judge's."""
HIGH_QUALITY_STDS: Final = 3.0
PROJECTIONS: Final = 256
"""Directions of the sliced Wasserstein distance."""
FLOOR_DRAWS: Final = 4
"""Real sets whose figures are averaged for a floor, if there are as many."""
NOISE_MARGIN: Final = 0.25
"""Margin of the box of uniform noise around the real points, as a share of its sides."""

Points = Float[Tensor, "n 2"]
PERFECT_HIGH_QUALITY: Final = 1 - math.exp(-(HIGH_QUALITY_STDS**2) / 2)
"""Share of high-quality samples of a perfect sampler: a 2-D Gaussian within 3 standard deviations, 98.89 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModeTable:
    """Samples by mode of a mixture."""

    counts: Int[Tensor, " k"]
    """High-quality samples of each mode."""
    nearest: Int[Tensor, " k"]
    """Samples whose nearest mode is each, also of low quality."""
    high_quality: float
    """Share of the samples within 3 standard deviations of the nearest mode."""
    spread: float | None
    """Root mean square distance of high-quality samples to their mode, over that of a perfect sampler's; None without
    such samples."""
    js: float
    """Jensen-Shannon divergence of the nearest modes' histogram from the weights of the mixture, in nats."""

    @property
    def modes(self) -> int:
        """Modes with at least one high-quality sample."""
        return int((self.counts > 0).sum())


@dataclass(frozen=True, kw_only=True)
class PointReference:
    """Real points: training points, and a fresh draw that generated points are compared with."""

    name: str
    num_classes: int
    labels: Int[Tensor, " n"]
    """Labels of the training points."""
    training: Points
    target: Float[Tensor, "m 2"]
    """Held-out points: the fresh real draw."""
    mixture: Mixture | None

    @classmethod
    @default_torch_state()
    def of(cls, dataset: Dataset) -> PointReference:
        """Take the points of a data set.

        Raises:
            DataError: they are not points of the plane.
        """
        if dataset.images.shape[1:] != (2, 1, 1) or not dataset.images.is_floating_point():
            shape = "x".join(map(str, dataset.images.shape[1:]))
            raise DataError(f"{dataset.name} has samples of the shape {shape}, and exact figures need points x, y")
        return cls(
            name=dataset.name,
            num_classes=dataset.num_classes,
            labels=dataset.labels,
            training=dataset.images.flatten(1).double(),
            target=dataset.held_out_images[:POINT_SAMPLES].flatten(1).double(),
            mixture=dataset.mixture,
        )

    @cached_property
    def spread(self) -> float:
        """Root mean square distance of the training points to their mean."""
        return float((self.training - self.training.mean(0)).square().sum(1).mean().sqrt()) or 1.0

    @cached_property
    def target_distance(self) -> float:
        """Mean distance between two points of the target."""
        return float(torch.cdist(self.target, self.target).mean())

    @default_torch_state()
    def measure(self, points: Float[Tensor, "n c h w"]) -> dict[str, float | None]:
        """Figures of generated points, by name: of the modes if they are known, then the distances."""
        flat = points.flatten(1).double()
        size = "" if not len(flat) else str(len(flat))
        values: dict[str, float | None] = {}
        if self.mixture is not None:
            table = mode_table(flat, self.mixture)
            values = {
                "modes": float(table.modes),
                "quality": table.high_quality,
                "modejs": table.js,
                "modespread": table.spread,
            }
        values |= {"energy": self.energy(flat), "sliced": self.sliced_wasserstein(flat)}
        return {f"{kind}{size}": value for kind, value in values.items()}

    def energy(self, points: Points) -> float:
        """Energy distance to the target, in percent of the spread."""
        return 100 * energy_distance(points, self.target, yy=self.target_distance) / self.spread

    def sliced_wasserstein(self, points: Points) -> float:
        """Sliced Wasserstein distance to the target, in percent of the spread."""
        return 100 * sliced_wasserstein_distance(points, self.target) / self.spread

    @cached_property
    def floors(self) -> dict[str, float | None]:
        """`floors_at` the protocol's number of samples."""
        return self.floors_at(POINT_SAMPLES)

    def floors_at(self, n: int) -> dict[str, float | None]:
        """Figures of `n` real points: the mean over disjoint sets of training points, fewer where there are fewer."""
        size = min(n, len(self.training))
        chunks = torch.split(self.training[: FLOOR_DRAWS * size], size)
        measured = [self.measure(chunk[:, :, None, None]) for chunk in chunks if len(chunk) == size]
        floors = {f"{figure_kind(name)}{n}": _mean([values[name] for values in measured]) for name in measured[0]}
        if self.mixture is not None:
            floors |= {f"modejs{n}": expected_mode_js(self.mixture, n=n), f"quality{n}": PERFECT_HIGH_QUALITY}
        return floors

    def noise(self, n: int) -> Float32[Tensor, "n 2 1 1"]:
        """Uniform noise in a box around the real points."""
        low, high = self.training.amin(0), self.training.amax(0)
        margin = NOISE_MARGIN * (high - low)
        unit = torch.rand(n, 2, generator=rng.generator(0, "toy/noise"))
        return (low - margin + unit * (high - low + 2 * margin)).float()[:, :, None, None]


@default_torch_state()
def evaluate_points(samples: Samples, *, reference: PointReference) -> Evaluation:
    """Evaluate sets of points, each under the protocol of PacGAN; the figures are means over the sets.

    Raises:
        DataError: the samples are not points of the plane.
    """
    points = samples.sets[0]
    if points.shape[1:] != (2, 1, 1) or not points.is_floating_point():
        raise DataError(f"{reference.name} has points of the plane, and these are images; name their data with --data")
    measured, n = [reference.measure(each) for each in samples.sets], len(points)
    floors = reference.floors if n == POINT_SAMPLES else reference.floors_at(n)
    ceilings = reference.measure(reference.noise(n))
    return Evaluation(
        protocol=f"points{samples.protocol.size}",
        judge=EXACT,
        judge_sha256="",
        data_set=reference.name,
        num_images=n,
        draws=len(samples.sets),
        fixed_set=samples.fixed,
        figures={
            name: _figure(name, [values[name] for values in measured], floor=floors[name], ceiling=ceilings[name])
            for name in measured[0]
        },
        digits=None,
        memorization={},
        notes=("figures about images, digits and judges have no meaning for points; these figures are exact",),
    )


def _figure(name: str, values: list[float | None], *, floor: float | None, ceiling: float | None) -> Figure:
    info = FIGURES[figure_kind(name)]
    known = [value for value in values if value is not None]
    several = mean_of_draws(known) if len(known) > 1 else None
    return Figure(
        value=_mean(values),
        floor=floor,
        ceiling=ceiling,
        better=info.better,
        meaning=info.meaning,
        interval=None if several is None else several.interval,
        spread=None if several is None else several.standard_error * len(known) ** 0.5,
    )


def mode_table(points: Points, mixture: Mixture) -> ModeTable:
    """Assign points to the modes of a mixture, by the distance in standard deviations."""
    stds = mixture.stds.double()
    distances, nearest = (torch.cdist(points, mixture.means.double()) / stds).min(dim=1)
    good, k = distances <= HIGH_QUALITY_STDS, len(stds)
    counts = torch.bincount(nearest, minlength=k)
    return ModeTable(
        counts=torch.bincount(nearest[good], minlength=k),
        nearest=counts,
        high_quality=float(good.double().mean()),
        spread=float(distances[good].square().mean().sqrt()) / _truncated_rms() if good.any() else None,
        js=jensen_shannon(counts.double() / counts.sum(), mixture.weights.double()),
    )


def jensen_shannon(p: Float[Tensor, " k"], q: Float[Tensor, " k"]) -> float:
    """Jensen-Shannon divergence of two discrete distributions, in nats: 0 if equal, at most log 2.

    Source: Lin 1991, "Divergence measures based on the Shannon entropy", eq. 4.1 with equal weights.
    """
    middle = (p + q) / 2
    return float(sum((torch.xlogy(a, a) - torch.xlogy(a, middle)).sum() for a in (p, q)) / 2)


def expected_mode_js(mixture: Mixture, *, n: int, simulations: int = 500) -> float:
    """Mean divergence of the histogram of `n` samples of a perfect sampler, simulated."""
    weights = mixture.weights.double()
    source = rng.generator(0, "toy/mode-js")
    draws = torch.multinomial(mixture.weights, simulations * n, replacement=True, generator=source)
    counts = torch.stack([torch.bincount(draw, minlength=len(weights)) for draw in draws.view(simulations, n)])
    return _mean([jensen_shannon(count.double() / n, weights) for count in counts]) or 0.0


def energy_distance(x: Points, y: Float[Tensor, "m 2"], *, yy: float | None = None) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of two samples, all pairs: at least 0, and 0 only for equal samples.

    `yy` is E|Y - Y'|, if it is known. Source: Szekely and Rizzo 2013, "Energy statistics", eq. 1.1 and 6.1.
    """
    own = float(torch.cdist(y, y).mean()) if yy is None else yy
    return 2 * float(torch.cdist(x, y).mean()) - float(torch.cdist(x, x).mean()) - own


def sliced_wasserstein_distance(x: Points, y: Float[Tensor, "m 2"], *, projections: int = PROJECTIONS) -> float:
    """Mean over directions of the first Wasserstein distance between the projections of two samples.

    The directions are evenly spaced over the half circle. Source: Rabin et al. 2011, "Wasserstein barycenter and its
    application to texture mixing", eq. 8.
    """
    angles = math.pi * torch.arange(projections, dtype=torch.float64) / projections
    directions = torch.stack([angles.cos(), angles.sin()], dim=1)
    # the quantile functions of both samples at the middle of equal steps
    steps = max(len(x), len(y))
    middle = (np.arange(steps) + 0.5) / steps
    projected = [np.sort((directions @ a.T).numpy()) for a in (x, y)]  # NumPy sorts four times as fast as torch
    quantiles = [rows[:, (middle * rows.shape[1]).astype(int)] for rows in projected]
    return float(np.abs(quantiles[0] - quantiles[1]).mean())


def _truncated_rms() -> float:
    """Root mean square length of a 2-D standard normal vector within `HIGH_QUALITY_STDS`."""
    tail = math.exp(-(HIGH_QUALITY_STDS**2) / 2)
    return math.sqrt((2 - (HIGH_QUALITY_STDS**2 + 2) * tail) / (1 - tail))


def _mean(values: list[float | None] | list[float]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

"""Result of an evaluation: figures with floor, ceiling and interval, and the tables behind them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_gan.evaluation.digits import DigitTable
from mnist_gan.evaluation.discriminator import DiscriminatorFigures
from mnist_gan.evaluation.memorization import Memorization
from mnist_gan.evaluation.statistics import Interval
from mnist_gan.evaluation.transfer import Transfer
from mnist_gan.figures import METRIC_PREFIX, Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A value between its floor and its ceiling."""

    value: float | None
    """None if undefined, such as the diversity of a digit that does not occur."""
    floor: float | None
    """Value of held-out real images; those of MNIST have other writers than the training images."""
    ceiling: float | None
    """Value of uniform noise."""
    better: Direction
    meaning: str
    interval: Interval | None = None
    """95 %: over independent draws of a model, or over the images (jackknife) of a fixed set."""
    spread: float | None = None
    """Standard deviation over single draws; None for a single set."""
    training: float | None = None
    """Value of a perfect sampler of the training set."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All figures of a set of images under one judge."""

    protocol: str
    """fd10k for 10,000 images."""
    judge: str
    judge_sha256: str
    data_set: str
    num_images: int
    """Images per set."""
    draws: int
    """Independent sets."""
    fixed_set: bool
    """True for a finished set of images; False if they were drawn from a model."""
    figures: dict[str, Figure]
    digits: DigitTable | None
    """None for data other than MNIST, or if digits were not requested."""
    memorization: dict[str, Memorization]
    """Keys: "pixels" and "features"."""
    notes: tuple[str, ...]
    """Limits of the figures on this data set."""
    transfer: Transfer | None = None
    """GAN-train and GAN-test."""
    discriminator: DiscriminatorFigures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; non-finite numbers become None."""
        plain = _plain(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain

    def row(self) -> dict[str, float]:
        """`Metric/...` fields for a row of metrics, finite values only."""
        return metric_fields({name: figure.value for name, figure in self.figures.items()})


def metric_fields(values: Mapping[str, float | None]) -> dict[str, float]:
    """`Metric/...` fields of values by name, finite ones only."""
    return {
        f"{METRIC_PREFIX}{name}": value for name, value in values.items() if value is not None and math.isfinite(value)
    }


def plain_figures(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Figures as plain values for JSON; non-finite numbers become None."""
    return {name: _plain(dataclasses.asdict(figure)) for name, figure in figures.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

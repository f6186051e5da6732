"""All figures of a set of images, each beside its floor (real against real) and its ceiling (noise)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import DataError
from mnist_gan.evaluation import digits
from mnist_gan.evaluation.discriminator import DiscriminatorFigures
from mnist_gan.evaluation.frechet import (
    JACKKNIFE_GROUPS,
    distance_of_fixed_set,
    extrapolated_distance,
    fit_gaussian,
    frechet_distance,
)
from mnist_gan.evaluation.kernel import kernel_distance
from mnist_gan.evaluation.memorization import Memorization, memorization, pixel_vectors
from mnist_gan.evaluation.mnistnet import Seen
from mnist_gan.evaluation.neighbours import neighbour_figures
from mnist_gan.evaluation.reference import NEIGHBOUR_SAMPLE, Progress, Reference, silent
from mnist_gan.evaluation.samples import SampleProtocol, Samples, labels_in_proportion, noise
from mnist_gan.evaluation.statistics import Estimate, Interval, estimate, mean_of_draws
from mnist_gan.evaluation.transfer import Transfer
from mnist_gan.figures import FIGURES, METRIC_PREFIX, Direction, figure_kind

Part: TypeAlias = Literal["distance", "neighbours", "digits", "memorization"]
PARTS: Final[frozenset[Part]] = frozenset(get_args(Part))


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number, and where it lies."""

    value: float | None
    """None where it cannot be given (a digit that never came)."""
    floor: float | None
    """The same of held-out real images: as good as it gets."""
    ceiling: float | None
    """The same of uniform noise."""
    better: Direction
    meaning: str
    interval: Interval | None = None
    """95 %: over independent draws of a model; over the images (jackknife) of a fixed set."""
    spread: float | None = None
    """Standard deviation of the value of one draw, where several were made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitTable:
    """What came, digit by digit."""

    counts: tuple[int, ...]
    """Images that the judge reads as each digit."""
    shares: tuple[float, ...]
    real_shares: tuple[float, ...]
    """The same of the training images."""
    kl: float
    """Divergence of the shares from the real ones, in nats."""
    missing: tuple[int, ...]
    """Digits with less than a tenth of their share."""
    diversity: tuple[float | None, ...]
    """Over that of real images of the digit."""
    agreement: tuple[float | None, ...] | None = None
    """Share read as asked, of each digit asked for; None if nothing was asked for."""
    overall_agreement: float | None = None
    """Share read as asked, of all images."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Rows: digit asked for; columns: digit read."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Figures of one set of samples, before floor and ceiling are put beside them."""

    values: dict[str, float | None] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    """Uncertainty of those values that have one."""
    spreads: dict[str, float] = field(default_factory=dict)
    digits: DigitTable | None = None
    memorization: dict[str, Memorization] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that was found about a set of images."""

    protocol: str
    """fd10k: how many images."""
    judge: str
    judge_sha256: str
    data_set: str
    num_images: int
    """Images in a set."""
    draws: int
    """Independent sets."""
    fixed_set: bool
    """Whether the images were somebody's finished set (True) or drawn from a model for this."""
    figures: dict[str, Figure]
    digits: DigitTable | None
    """None where the data is not MNIST, or digits were not asked for."""
    memorization: dict[str, Memorization]
    """Under "pixels" and "features"."""
    notes: tuple[str, ...]
    """What a reader must know to read the figures rightly."""
    transfer: Transfer | None = None
    """GAN-train and GAN-test."""
    discriminator: DiscriminatorFigures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite becomes null."""
        plain = _plain(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain

    def row(self) -> dict[str, float]:
        """The finite figures as `Metric/...` fields of a row of metrics."""
        return {
            f"{METRIC_PREFIX}{name}": figure.value
            for name, figure in self.figures.items()
            if figure.value is not None and math.isfinite(figure.value)
        }


def evaluate(
    samples: Samples,
    *,
    reference: Reference,
    parts: frozenset[Part] = PARTS,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Judge `samples` with the reference's judge.

    Memory stays below 1.5 GB for any protocol. On two CPU cores and 10,000 images it takes some seconds a set and
    judge, and some more the first time, when the statistics of real data are made.

    Args:
        samples: from `Samples.draw` or `Samples.of_images`.
        reference: the real data and the judge; for a second judge call again with another reference.
        parts: which groups of figures.
        seed: of the random subsets and groups that some figures use.
        progress: is told what is being done.

    Raises:
        DataError: the images are of another shape than the real ones.
    """
    measured = measure(samples, reference=reference, parts=parts, seed=seed, progress=progress)
    floor = _kept("floor", reference, samples.protocol, parts, progress)
    ceiling = _kept("ceiling", reference, samples.protocol, parts, progress)
    return Evaluation(
        protocol=samples.protocol.name,
        judge=reference.judge.name,
        judge_sha256=reference.judge.digest,
        data_set=reference.name,
        num_images=samples.protocol.num_images,
        draws=len(samples.sets),
        fixed_set=samples.fixed,
        figures={
            name: _figure(name, value, measured, floor=floor.get(name), ceiling=ceiling.get(name))
            for name, value in measured.values.items()
        },
        digits=measured.digits,
        memorization=measured.memorization,
        notes=_notes(reference),
    )


def measure(
    samples: Samples, *, reference: Reference, parts: frozenset[Part], seed: int = 0, progress: Progress = silent
) -> Measured:
    """The figures of `samples` alone."""
    _check_shape(samples, reference)
    seen = []
    for position, images in enumerate(samples.sets):
        what = f"{reference.judge.name} looks at set {position + 1} of {len(samples.sets)}"
        seen.append(reference.judge.look(images, progress=partial(progress, what)))
    found = Measured()
    steps = [part for part in get_args(Part) if part in parts]
    for done, part in enumerate(steps):
        progress(f"measuring {part}", done, len(steps))
        if part == "distance":
            _measure_distance(found, samples, seen, reference, seed)
        elif part == "neighbours":
            _measure_neighbours(found, samples, seen[0], reference)
        elif part == "digits":
            found = _measure_digits(found, samples, seen[0], reference)
        else:
            _measure_memorization(found, samples, seen[0], reference)
    progress("measuring", len(steps), len(steps))
    return found


def _measure_distance(found: Measured, samples: Samples, seen: list[Seen], reference: Reference, seed: int) -> None:
    def name(kind: str) -> str:
        return samples.protocol.figure(kind, reference.judge.name)

    each = [one.features for one in seen]
    gaussian = reference.gaussian
    enough = len(each[0]) >= 4 * each[0].shape[1]
    limits = [extrapolated_distance(features, gaussian, seed=seed) for features in each] if enough else []
    if len(each) == 1:
        distance = distance_of_fixed_set(each[0], gaussian, seed=seed).plug_in
        # the line's own error and that of the samples it was laid through
        limits = [_widened(limit, distance.standard_error) for limit in limits]
        _keep(found, name("fd"), distance)
    else:
        _keep_draws(found, name("fd"), [frechet_distance(fit_gaussian(features), gaussian) for features in each])
    if len(limits) == 1:
        _keep(found, name("fdinf"), limits[0])
    elif limits:
        _keep_draws(found, name("fdinf"), [limit.value for limit in limits])
    _keep(found, name("kd"), kernel_distance(each[0], reference.training.features, seed=seed))


def _measure_neighbours(found: Measured, samples: Samples, seen: Seen, reference: Reference) -> None:
    fake = seen.features[_some(len(seen.features))]
    figures = neighbour_figures(reference.neighbour_sample, fake, real_radii=reference.neighbour_radii)
    for kind, value in dataclasses.asdict(figures).items():
        found.values[samples.protocol.figure(kind, reference.judge.name)] = value


def _measure_digits(found: Measured, samples: Samples, seen: Seen, reference: Reference) -> Measured:
    """Digit figures; on stacked MNIST those of its 1,000 classes; none on other data."""
    if reference.kind == "none":
        return found
    table = digit_table(seen, asked=samples.asked, reference=reference)
    values = digit_values(table)
    if reference.kind == "digits":
        values["classifier_score"] = digits.classifier_score(seen.logits[:, 0])
    found.values.update(values)
    return dataclasses.replace(found, digits=table)


def _measure_memorization(found: Measured, samples: Samples, seen: Seen, reference: Reference) -> None:
    some = _some(len(samples.sets[0]))
    pixels = memorization(
        pixel_vectors(samples.sets[0][some]),
        pixel_vectors(reference.images),
        held_out_distances=reference.held_out_pixel_distances,
        positions=some,
    )
    features = memorization(
        seen.features[some],
        reference.training.features,
        held_out_distances=reference.held_out_feature_distances,
        positions=some,
    )
    found.memorization.update(pixels=pixels, features=features)
    found.values.update(memorization_pixels=pixels.ratio, memorization_features=features.ratio)


def digit_table(seen: Seen, *, asked: Int[Tensor, "n"] | None, reference: Reference) -> DigitTable:
    """What the judge reads, class by class, beside the training images."""
    classes = reference.num_classes
    counts = digits.histogram(seen.classes, num_classes=classes)
    spread = digits.diversity(seen.features, seen.classes, num_classes=classes)
    matrix = None if asked is None else digits.confusion(asked, seen.classes, num_classes=classes)
    return DigitTable(
        counts=tuple(counts.tolist()),
        shares=tuple((counts.double() / counts.sum()).tolist()),
        real_shares=tuple((reference.class_counts.double() / reference.class_counts.sum()).tolist()),
        kl=digits.kl_divergence(counts, reference.class_counts),
        missing=tuple(digits.missing(counts, reference.class_counts)),
        diversity=tuple(digits.relative_diversity(spread, reference.diversity)),
        agreement=None if matrix is None else tuple(digits.agreement(matrix)[1]),
        overall_agreement=None if matrix is None else digits.agreement(matrix)[0],
        # a thousand by a thousand would be a table for nobody
        confusion=None if matrix is None or classes > 10 else tuple(tuple(row) for row in matrix.tolist()),
    )


def digit_values(table: DigitTable) -> dict[str, float | None]:
    """The single numbers that a table of digits comes down to."""
    pairs = zip(table.shares, table.real_shares, strict=True)
    ratios = [ours / real for ours, real in pairs if real > 0]
    values: dict[str, float | None] = {
        "digits_kl": table.kl,
        "missing_digits": float(len(table.missing)),
        "smallest_share": min(ratios),
        "largest_share": max(ratios),
        "diversity": _mean(table.diversity),
        "smallest_diversity": _smallest(table.diversity),
    }
    if table.agreement is not None:
        values |= {"agreement": table.overall_agreement, "smallest_agreement": _smallest(table.agreement)}
    return values


def _kept(
    which: Literal["floor", "ceiling"],
    reference: Reference,
    protocol: SampleProtocol,
    parts: frozenset[Part],
    progress: Progress,
) -> dict[str, float | None]:
    """Figures of held-out images or of noise under a protocol, from the cache where they are known."""

    def shown(what: str, done: int, total: int) -> None:
        progress(f"{which}: {what}", done, total)

    values: dict[str, float | None] = {}
    for part in [part for part in get_args(Part) if part in parts]:
        if which == "floor" and part == "memorization":
            # held-out images are what generated ones are compared with: their ratio to themselves is 1
            values |= {"memorization_pixels": 1.0, "memorization_features": 1.0}
            continue
        few = SampleProtocol(num_images=min(protocol.num_images, 1000))
        compared = comparison(which, reference, few if part == "memorization" else protocol)

        def compute(part: Part = part, samples: Samples = compared) -> dict[str, Tensor]:
            measured = measure(samples, reference=reference, parts=frozenset({part}), progress=shown)
            return {
                name: torch.tensor(math.nan if value is None else value, dtype=torch.float64)
                for name, value in measured.values.items()
            }

        kept = reference.cache.get(f"{which}-{protocol.name}-{part}", compute)
        values |= {name: None if value.isnan() else float(value) for name, value in kept.items()}
    return values


def comparison(which: Literal["floor", "ceiling"], reference: Reference, protocol: SampleProtocol) -> Samples:
    """Held-out images, or noise: as many as the protocol has, but no more real ones than there are."""
    asked = labels_in_proportion(reference.labels, n=protocol.num_images, num_classes=reference.num_classes, seed=0)
    images = noise(protocol.num_images, like=reference.images)
    if which == "floor":
        generator = rng.generator(0, "evaluation/held-out")
        chosen = torch.randperm(len(reference.held_out_images), generator=generator)[: protocol.num_images]
        images, asked = reference.held_out_images[chosen], reference.held_out_labels[chosen]
    return Samples(sets=(images,), asked=asked, fixed=True, protocol=protocol)


def _figure(
    name: str, value: float | None, measured: Measured, *, floor: float | None, ceiling: float | None
) -> Figure:
    info = FIGURES[figure_kind(name)]
    uncertain = measured.estimates.get(name)
    return Figure(
        value=value,
        floor=floor,
        ceiling=ceiling,
        better=info.better,
        meaning=info.meaning,
        interval=None if uncertain is None else uncertain.interval,
        spread=measured.spreads.get(name),
    )


def _keep(found: Measured, name: str, found_value: Estimate) -> None:
    found.values[name] = found_value.value
    found.estimates[name] = found_value


def _keep_draws(found: Measured, name: str, values: list[float]) -> None:
    """Keep the mean over a model's independent draws, and the spread of one."""
    mean = mean_of_draws(values)
    _keep(found, name, mean)
    found.spreads[name] = mean.standard_error * len(values) ** 0.5


def _widened(one: Estimate, standard_error: float) -> Estimate:
    total = math.hypot(one.standard_error, standard_error)
    return estimate(one.value, standard_error=total, degrees=JACKKNIFE_GROUPS - 1)


def _some(n: int) -> Tensor:
    """At most `NEIGHBOUR_SAMPLE` of n positions, random but always the same: a sorted folder is sampled evenly."""
    if n <= NEIGHBOUR_SAMPLE:
        return torch.arange(n)
    return torch.randperm(n, generator=rng.generator(0, "evaluation/some"))[:NEIGHBOUR_SAMPLE].sort().values


def _check_shape(samples: Samples, reference: Reference) -> None:
    ours, real = tuple(samples.sets[0].shape[1:]), tuple(reference.images.shape[1:])
    if ours != real:
        raise DataError(
            f"the images to judge are {'x'.join(map(str, ours))} (channels x height x width) and {reference.name}'s "
            f"are {'x'.join(map(str, real))}; bring images of that shape, or name the data set they belong to"
        )


def _notes(reference: Reference) -> tuple[str, ...]:
    if reference.kind == "digits":
        return ()
    judged = (
        f"{reference.judge.name} knows MNIST alone: on {reference.name} its distances compare only with one another"
    )
    if reference.kind == "stacked":
        return (judged, "classes are the 1,000 numbers that the three channels' digits write")
    return (judged, "figures about digits are withheld")


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _smallest(values: tuple[float | None, ...]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

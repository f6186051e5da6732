"""Evaluation of a set of images: each figure with its floor (real against real) and its ceiling (noise)."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import DataError
from mnist_gan.evaluation.digits import DigitTable, classifier_score, digit_table
from mnist_gan.evaluation.frechet import (
    JACKKNIFE_GROUPS,
    distance_of_fixed_set,
    distance_over_sets,
    extrapolated_distance,
    fit_gaussian,
    frechet_distance,
)
from mnist_gan.evaluation.memorization import Memorization, measure_memorization, pixel_vectors
from mnist_gan.evaluation.mnistnet import JudgeOutput
from mnist_gan.evaluation.modes import mode_figures
from mnist_gan.evaluation.neighbours import NEIGHBOURS, neighbour_figures
from mnist_gan.evaluation.reference import NEIGHBOUR_SAMPLE, Progress, Reference, no_progress
from mnist_gan.evaluation.results import Evaluation, Figure
from mnist_gan.evaluation.samples import SampleProtocol, Samples, floor_samples, noise_samples, sampler_rows
from mnist_gan.evaluation.statistics import Estimate, estimate, mean_of_draws
from mnist_gan.figures import FIGURES, figure_kind
from mnist_gan.torch_defaults import default_torch_state

Part: TypeAlias = Literal["distance", "neighbours", "digits", "memorization"]
PARTS: Final[frozenset[Part]] = frozenset(get_args(Part))
MIN_REAL_IMAGES: Final = NEIGHBOURS + 1
"""Smallest number of training and of held-out images: each needs its nearest others."""
SAMPLER_SETS: Final = 10
"""Sets of training images whose distances are averaged for the perfect sampler."""
MEMORIZATION_CEILING_IMAGES: Final = 1000
"""Noise images measured for memorization; more would not change the ratio."""


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Figures of one set of samples, without floors and ceilings. Filled by `measure`."""

    values: dict[str, float | None] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    """Uncertainties, for the values that have one."""
    spreads: dict[str, float] = field(default_factory=dict)
    """Standard deviations over single draws."""
    digits: DigitTable | None = None
    memorization: dict[str, Memorization] = field(default_factory=dict)

    def add(self, name: str, found: Estimate) -> None:
        """Add a value with its uncertainty."""
        self.values[name] = found.value
        self.estimates[name] = found

    def add_draws(self, name: str, values: list[float]) -> None:
        """Add the mean over independent draws of a model, and their spread."""
        mean = mean_of_draws(values)
        self.add(name, mean)
        self.spreads[name] = mean.standard_error * len(values) ** 0.5


@default_torch_state()
def evaluate(
    samples: Samples,
    *,
    reference: Reference,
    parts: frozenset[Part] = PARTS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate `samples` under the reference's judge.

    Uses less than 1.5 GB of memory for any protocol. With 10,000 images on two CPU cores it takes seconds per set and
    judge; the first time, the statistics of the real data are computed too.

    Args:
        samples: from `Samples.draw` or `Samples.of_images`.
        reference: real data and judge; for a second judge, call again with another reference.
        parts: groups of figures to compute.
        seed: of the random subsets that some figures use.
        progress: called with the current work.

    Raises:
        DataError: the images differ in shape from the real ones.
    """
    measured = measure(samples, reference=reference, parts=parts, seed=seed, progress=progress)
    training = _training_baseline(reference, samples, parts)
    floors = _baseline("floor", reference, samples.protocol, parts, progress)
    ceilings = _baseline("ceiling", reference, samples.protocol, parts, progress)
    return Evaluation(
        protocol=samples.protocol.name,
        judge=reference.judge.name,
        judge_sha256=reference.judge.digest,
        data_set=reference.name,
        num_images=samples.protocol.num_images,
        draws=len(samples.sets),
        fixed_set=samples.fixed,
        figures={
            name: _figure(
                name,
                measured,
                training=training.get(name),
                floor=_of_kind(floors, name),
                ceiling=_of_kind(ceilings, name),
            )
            for name in measured.values
        },
        digits=measured.digits,
        memorization=measured.memorization,
        notes=_notes(reference),
    )


def measure(
    samples: Samples,
    *,
    reference: Reference,
    parts: frozenset[Part],
    seed: int = 0,
    progress: Progress = no_progress,
) -> Measurements:
    """Compute the figures of `samples`, without floors and ceilings."""
    _check_shape(samples, reference)
    judged = _judge(samples, reference, progress)
    return _measure_parts(samples, judged, reference=reference, parts=parts, seed=seed, progress=progress)


def _judge(samples: Samples, reference: Reference, progress: Progress) -> list[JudgeOutput]:
    judged = []
    for position, images in enumerate(samples.sets):
        what = f"{reference.judge.name} reads set {position + 1} of {len(samples.sets)}"
        judged.append(reference.judge.predict(images, progress=partial(progress, what)))
    return judged


def _measure_parts(
    samples: Samples,
    judged: list[JudgeOutput],
    *,
    reference: Reference,
    parts: frozenset[Part],
    seed: int,
    progress: Progress = no_progress,
) -> Measurements:
    measured = Measurements()
    steps = [part for part in get_args(Part) if part in parts]
    for done, part in enumerate(steps):
        progress(f"measuring {part}", done, len(steps))
        match part:
            case "distance":
                _measure_distance(measured, samples, judged, reference, seed)
            case "neighbours":
                _measure_neighbours(measured, samples, judged[0], reference)
            case "digits":
                measured = _measure_digits(measured, samples, judged, reference)
            case "memorization":
                _measure_memorization(measured, samples, judged[0], reference)
    progress("measuring", len(steps), len(steps))
    return measured


def _measure_distance(
    measured: Measurements, samples: Samples, judged: list[JudgeOutput], reference: Reference, seed: int
) -> None:
    def name(kind: str) -> str:
        return samples.protocol.figure(kind, reference.judge.name)

    sets = [output.features for output in judged]
    gaussian = reference.gaussian
    enough = len(sets[0]) >= 4 * sets[0].shape[1]
    if len(sets) > 1:
        measured.add_draws(name("fd"), [frechet_distance(fit_gaussian(features), gaussian) for features in sets])
        if enough:
            whole = SampleProtocol(num_images=len(sets) * samples.protocol.num_images)
            measured.add(whole.figure("fdinf", reference.judge.name), distance_over_sets(sets, gaussian))
        return
    distance = distance_of_fixed_set(sets[0], gaussian, seed=seed)
    measured.add(name("fd"), distance)
    if enough:
        # the standard error of the line excludes that of the samples
        limit = extrapolated_distance(sets[0], gaussian, seed=seed)
        measured.add(name("fdinf"), _widened(limit, distance.standard_error))


def _measure_neighbours(measured: Measurements, samples: Samples, judged: JudgeOutput, reference: Reference) -> None:
    fake = judged.features[_subset(len(judged.features))]
    figures = neighbour_figures(reference.neighbour_sample, fake, real_radii=reference.neighbour_radii)
    for kind, value in dataclasses.asdict(figures).items():
        measured.values[samples.protocol.figure(kind, reference.judge.name)] = value


def _measure_digits(
    measured: Measurements, samples: Samples, sets: list[JudgeOutput], reference: Reference
) -> Measurements:
    """Add the figures of the classes: digits, the 1,000 of stacked MNIST, those of the judge's data, or none."""
    if reference.kind == "none":
        return measured
    judged = sets[0]
    table = digit_table(
        judged, labels=samples.labels, real_counts=reference.class_counts, real_diversity=reference.diversity
    )
    measured.values.update(table.values())
    if reference.kind in {"digits", "classes"}:
        measured.values["classifier_score"] = classifier_score(judged.logits[:, 0])
    if reference.kind == "stacked":
        _measure_modes(measured, samples, judged, reference)
    if len(sets) > 1 and reference.kind in {"digits", "classes"}:
        table = dataclasses.replace(table, distance=tuple(_distances_by_class(sets, reference)))
    return dataclasses.replace(measured, digits=table)


def _distances_by_class(sets: list[JudgeOutput], reference: Reference) -> Iterator[float | None]:
    """Extrapolated distance of each class; None for a class with fewer than two images in a set."""
    for label in range(reference.num_classes):
        parts = [output.features[output.classes == label] for output in sets]
        real = reference.training.features[reference.training.classes == label]
        if min(map(len, (*parts, real))) < 2:
            yield None
        else:
            yield distance_over_sets(parts, fit_gaussian(real)).value


def _measure_modes(measured: Measurements, samples: Samples, judged: JudgeOutput, reference: Reference) -> None:
    def name(kind: str) -> str:
        return samples.protocol.figure(kind, reference.judge.name)

    figures = mode_figures(judged.classes, reference.digit_shares)
    measured.values[name("modes")] = float(figures.modes)
    measured.add(name("kluniform"), figures.kl_uniform)
    measured.add(name("klproduct"), figures.kl_product)


def _measure_memorization(measured: Measurements, samples: Samples, judged: JudgeOutput, reference: Reference) -> None:
    subset = _subset(len(samples.sets[0]))
    pixels = measure_memorization(
        pixel_vectors(samples.sets[0][subset]),
        pixel_vectors(reference.images),
        held_out_distances=reference.held_out_pixel_distances,
        positions=subset,
    )
    features = measure_memorization(
        judged.features[subset],
        reference.training.features,
        held_out_distances=reference.held_out_feature_distances,
        positions=subset,
    )
    measured.memorization.update(pixels=pixels, features=features)
    measured.values.update(memorization_pixels=pixels.ratio, memorization_features=features.ratio)


def _training_baseline(reference: Reference, samples: Samples, parts: frozenset[Part]) -> dict[str, float | None]:
    """Figures of a perfect sampler of the training set under the protocol of the samples; cached.

    Labels are matched if those of the samples are: in several sets of a conditional model. For precision, recall,
    density and coverage the rows of `Reference.neighbour_sample` are left out, since copies of them are too near.
    """
    protocol = samples.protocol
    matched = samples.labels is not None and not samples.fixed
    values: dict[str, float | None] = {}
    for part in [part for part in get_args(Part) if part in parts - {"memorization"}]:
        allowed = torch.ones(len(reference.images), dtype=torch.bool)
        if part == "neighbours":
            allowed[reference.neighbour_rows] = False
        rows = torch.nonzero(allowed).flatten()
        if len(rows) < MIN_REAL_IMAGES:
            continue

        def compute(part: Part = part, rows: Tensor = rows) -> dict[str, Tensor]:
            repeats = max(1, SAMPLER_SETS // len(samples.sets)) if part == "distance" else 1
            found = [_measure_sampler(part, reference, samples, rows, matched, seed) for seed in range(repeats)]
            return {
                name: torch.tensor([math.nan if v is None else v for v in column], dtype=torch.float64).mean()
                for name, column in {name: [one[name] for one in found] for name in found[0]}.items()
            }

        kind = "matched" if matched else "plain"
        tensors = reference.cache.get(f"training-{protocol.name}-{len(samples.sets)}-{part}-{kind}", compute)
        values |= {name: None if value.isnan() else float(value) for name, value in tensors.items()}
    return values


def _measure_sampler(
    part: Part, reference: Reference, samples: Samples, rows: Tensor, matched: bool, seed: int
) -> dict[str, float | None]:
    judged, sets = [], []
    for position in range(len(samples.sets)):
        place = rng.derive_seed(seed, "evaluation/sampler", position)
        chosen = rows[sampler_rows(reference.labels[rows], n=samples.protocol.num_images, seed=place, matched=matched)]
        judged.append(_rows_of(reference.training, chosen))
        sets.append(chosen)
    drawn = dataclasses.replace(
        samples, sets=tuple(reference.images[chosen] for chosen in sets), labels=reference.labels[sets[0]]
    )
    return _measure_parts(drawn, judged, reference=reference, parts=frozenset({part}), seed=0).values


def _rows_of(output: JudgeOutput, rows: Tensor) -> JudgeOutput:
    return JudgeOutput(features=output.features[rows], logits=output.logits[rows])


def _of_kind(values: dict[str, float | None], name: str) -> float | None:
    """Value of a figure in a baseline of one set, whose extrapolated distance has another number in its name."""
    if name in values or figure_kind(name) != "fdinf":
        return values.get(name)
    return next((value for other, value in values.items() if figure_kind(other) == "fdinf"), None)


def _baseline(
    which: Literal["floor", "ceiling"],
    reference: Reference,
    protocol: SampleProtocol,
    parts: frozenset[Part],
    progress: Progress,
) -> dict[str, float | None]:
    """Figures of held-out images (floor) or of noise (ceiling) under a protocol; cached."""

    def prefixed(what: str, done: int, total: int) -> None:
        progress(f"{which}: {what}", done, total)

    @functools.cache
    def judged(protocol: SampleProtocol) -> tuple[Samples, list[JudgeOutput]]:
        samples = (floor_samples if which == "floor" else noise_samples)(reference, protocol)
        return samples, _judge(samples, reference, prefixed)

    values: dict[str, float | None] = {}
    for part in [part for part in get_args(Part) if part in parts]:
        if which == "floor" and part == "memorization":
            # generated images are compared with held-out ones, whose ratio to themselves is 1
            values |= {"memorization_pixels": 1.0, "memorization_features": 1.0}
            continue

        def compute(part: Part = part) -> dict[str, Tensor]:
            few = SampleProtocol(num_images=min(protocol.num_images, MEMORIZATION_CEILING_IMAGES))
            samples, outputs = judged(few if part == "memorization" else protocol)
            measured = _measure_parts(
                samples, outputs, reference=reference, parts=frozenset({part}), seed=0, progress=prefixed
            )
            return {
                name: torch.tensor(math.nan if value is None else value, dtype=torch.float64)
                for name, value in measured.values.items()
            }

        tensors = reference.cache.get(f"{which}-{protocol.name}-{part}", compute)
        values |= {name: None if value.isnan() else float(value) for name, value in tensors.items()}
    return values


def _figure(
    name: str, measured: Measurements, *, training: float | None, floor: float | None, ceiling: float | None
) -> Figure:
    info, uncertain = FIGURES[figure_kind(name)], measured.estimates.get(name)
    return Figure(
        value=measured.values[name],
        training=training,
        floor=floor,
        ceiling=ceiling,
        better=info.better,
        meaning=info.meaning,
        interval=None if uncertain is None else uncertain.interval,
        spread=measured.spreads.get(name),
    )


def _widened(value: Estimate, standard_error: float) -> Estimate:
    total = math.hypot(value.standard_error, standard_error)
    return estimate(value.value, standard_error=total, degrees=JACKKNIFE_GROUPS - 1)


def _subset(n: int) -> Tensor:
    """At most `NEIGHBOUR_SAMPLE` of n indices: a fixed random choice, so that sorted sets are sampled evenly."""
    if n <= NEIGHBOUR_SAMPLE:
        return torch.arange(n)
    return torch.randperm(n, generator=rng.generator(0, "evaluation/some"))[:NEIGHBOUR_SAMPLE].sort().values


def _check_shape(samples: Samples, reference: Reference) -> None:
    shape, expected = tuple(samples.sets[0].shape[1:]), tuple(reference.images.shape[1:])
    if shape != expected:
        raise DataError(
            f"the images are {'x'.join(map(str, shape))} (channels x height x width), but {reference.name}'s are "
            f"{'x'.join(map(str, expected))}; provide images of that shape, or name the data set they belong to"
        )


def _notes(reference: Reference) -> tuple[str, ...]:
    judge = reference.judge
    if reference.kind == "digits":
        return ()
    if reference.kind == "classes":
        return (f"{judge.name} was trained on {reference.name} and reads {judge.accuracy:.2%} of its held-out images",)
    taught = "MNIST" if judge.data_sha256 is None else "other images"
    note = f"{judge.name} was trained on {taught}: on {reference.name}, compare its distances only with each other"
    if reference.kind == "stacked":
        return (note, "classes are the 1,000 numbers that the digits of the three channels form")
    return (
        note,
        f"figures about classes are withheld; `mnist-gan judge train DATA` makes a judge of {reference.name}",
    )

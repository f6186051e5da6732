"""Evaluation of a run, a model or a set of images by the judges and, for a model, by its discriminator."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from mnist_gan import rng, sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.assessment.subject import Subject
from mnist_gan.data import Dataset
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation import (
    PROTOCOLS,
    DiscriminatorFigures,
    Draw,
    Evaluation,
    Figure,
    Progress,
    RealData,
    Reference,
    SampleProtocol,
    Samples,
    Transfer,
    default_judges,
    discriminator_figures,
    evaluate,
    form_figures,
    measure_transfer,
    measure_transfer_of_images,
    no_progress,
    two_sample_figures,
    two_sample_figures_of_images,
)
from mnist_gan.evaluation.measurement import MIN_REAL_IMAGES
from mnist_gan.evaluation.results import plain_figures
from mnist_gan.evaluation.toys import EXACT, POINT_SAMPLES, POINT_SETS, PointReference, evaluate_points
from mnist_gan.scaling import AtRest
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state

FORMAT_VERSION: Final = 1
FULL_SETS: Final = 4
"""Factor of the number of independent sets of a model in full: 20 of 10,000, which bound the error of its extrapolated
distance."""
DISCRIMINATOR_IMAGES: Final = 10_000
"""Upper bound on training, held-out and generated images that the discriminator scores."""
BRIGHT: Final = 127.5
"""Mean grey level above which digits are probably black on white."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Results of an evaluation."""

    subject: Subject
    dataset: Dataset
    """Real images of the comparison: training and held-out."""
    seed: int
    evaluations: dict[str, Evaluation]
    """By judge, at least one; under "exact" for points."""
    discriminator: DiscriminatorFigures | None
    transfer: Transfer | None
    """GAN-train and GAN-test; None if not requested or not defined for the subject."""
    form: dict[str, Figure]
    """Figures of the form of digits; empty for other data."""
    two_sample: dict[str, Figure]
    """Figures of the classifier two-sample test; empty if not requested or not defined for the subject."""
    images: AtRest
    """The first set of evaluated images."""
    labels: Int[Tensor, "n"] | None
    """Requested class of each of these images."""
    notes: tuple[str, ...]
    """Notes for the reader, beside those of the evaluations."""
    seconds: float
    """Duration of the evaluation."""
    digest: str
    """sha256 of the generator's weights, or of the images."""
    boundary: float | None = None
    """Logit above which the discriminator decides for real."""

    @property
    def protocol(self) -> str:
        """Name of the sample protocol, such as fd10k."""
        return next(iter(self.evaluations.values())).protocol

    @property
    def all_notes(self) -> tuple[str, ...]:
        """All notes without duplicates."""
        own = (note for evaluation in self.evaluations.values() for note in evaluation.notes)
        return tuple(dict.fromkeys((*self.notes, *own)))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; docs/evaluation.md describes them."""
        judged = {name: evaluation.to_dict() for name, evaluation in self.evaluations.items()}
        for values in judged.values():  # these do not depend on the judge
            del values["discriminator"], values["transfer"]
        return {
            "format_version": FORMAT_VERSION,
            "subject": self.identity(),
            "data": self.dataset.name,
            "protocol": self.protocol,
            "seed": self.seed,
            "judges": judged,
            "form": plain_figures(self.form),
            "two_sample": plain_figures(self.two_sample),
            "discriminator": self.discriminator and dataclasses.asdict(self.discriminator),
            "transfer": self.transfer and dataclasses.asdict(self.transfer),
            "notes": list(self.all_notes),
            "seconds": round(self.seconds, 3),
        }

    def identity(self) -> dict[str, Any]:
        """JSON values that identify the subject."""
        return {
            "kind": self.subject.kind,
            "path": str(self.subject.path),
            "sha256": self.digest,
            "description": self.subject.description,
        }


@default_torch_state()
def assess(
    subject: Subject,
    *,
    dataset: Dataset,
    protocol: SampleProtocol | None = None,
    judges: Sequence[str] | None = None,
    full: bool = False,
    seed: int = 0,
    cache: Path | Literal["default"] | None = "default",
    progress: Progress = no_progress,
) -> Assessment:
    """Evaluate a subject.

    Args:
        subject: from `open_subject`.
        dataset: real images; `load_dataset(real_data(subject))` loads those of the model's training.
        protocol: number of images; None is `default_protocol`, or all images of a smaller set.
        judges: names of the judges, the main one first; None is the first of `default_judges`.
        full: add the two-sample test, GAN-train and GAN-test, which train classifiers, and draw `FULL_SETS` times as
            many sets: minutes on two cores.
        seed: of all random numbers.
        cache: folder for statistics of the real data; None disables the cache.
        progress: receives the current step, its position and its length.

    Raises:
        ConfigError: the protocol needs more images than the set has.
        DataError: the images do not fit the data set, or the data set is too small.
    """
    _check_size(dataset)
    began = time.monotonic()
    digest = subject.digest()
    judges = judges or default_judges(dataset)
    reference = _reference(dataset, judges[0], cache=cache, progress=progress)
    protocol = protocol or (default_protocol(reference) if subject.gan is not None else None)
    if full and protocol is not None and protocol.draws > 1 and isinstance(reference, Reference):
        protocol = dataclasses.replace(protocol, draws=FULL_SETS * protocol.draws)
    samples = _samples(subject, reference, protocol=protocol, seed=seed, progress=progress)
    evaluations = dict[str, Evaluation]()
    if isinstance(reference, PointReference):
        evaluations[EXACT] = evaluate_points(samples, reference=reference)
    else:
        for name in judges:
            mine = reference if name == judges[0] else Reference.of(dataset, judge=name, cache=cache, progress=progress)
            evaluations[name] = evaluate(samples, reference=mine, seed=seed, progress=progress)
    reasons = []
    two_sample, transfer = dict[str, Figure](), None
    if full:
        two_sample, reason = _two_sample(subject, reference, seed=seed, progress=progress)
        reasons.append(reason)
        transfer, reason = _transfer(subject, reference, seed=seed, progress=progress)
        reasons.append(reason)
    return Assessment(
        subject=subject,
        dataset=dataset,
        seed=seed,
        evaluations=evaluations,
        discriminator=_discriminator(subject, samples, dataset, seed=seed, progress=progress),
        transfer=transfer,
        form=_form(samples, reference),
        two_sample=two_sample,
        images=samples.sets[0],
        labels=samples.labels,
        notes=tuple(filter(None, (*reasons, *_notes(subject, samples, dataset)))),
        seconds=time.monotonic() - began,
        digest=digest,
        boundary=None if subject.gan is None else _boundary(subject.gan),
    )


def _reference(
    dataset: Dataset, judge: str, *, cache: Path | Literal["default"] | None, progress: Progress
) -> RealData:
    if dataset.images.is_floating_point():
        return PointReference.of(dataset)
    return Reference.of(dataset, judge=judge, cache=cache, progress=progress)


def _check_size(dataset: Dataset) -> None:
    n, held_out = len(dataset.images), len(dataset.held_out_images)
    if min(n, held_out) < MIN_REAL_IMAGES:
        raise DataError(
            f"{dataset.name} has too few images to compare with: {pluralize(n, 'training image')} and {held_out:,} "
            f"held out; at least {MIN_REAL_IMAGES} of each are needed: name a larger data set with --data"
        )


def default_protocol(reference: RealData) -> SampleProtocol:
    """Protocol of stated results: fd26k for stacked MNIST, five sets of 2,500 for points, else fd10k."""
    if isinstance(reference, PointReference):
        return SampleProtocol(num_images=POINT_SAMPLES, draws=POINT_SETS)
    return PROTOCOLS["fd26k" if reference.kind == "stacked" else "fd10k"]


def draw_from(gan: GAN) -> Draw:
    """Sampling function of a model, for `evaluation`."""

    def draw(n: int, seed: int, labels: Tensor | None) -> Tensor:
        return sampling.render(gan.G, sampling.draw_latents(gan.G, n=n, seed=seed), labels)

    return draw


def _samples(
    subject: Subject, reference: RealData, *, protocol: SampleProtocol | None, seed: int, progress: Progress
) -> Samples:
    if subject.gan is not None:
        return Samples.draw(
            draw_from(subject.gan),
            reference=reference,
            conditional=subject.gan.conditional,
            protocol=protocol or default_protocol(reference),
            seed=seed,
            progress=progress,
        )
    assert subject.image_set is not None
    images, labels = subject.image_set.images, subject.image_set.labels
    if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < reference.num_classes:
        raise DataError(
            f"{subject.path} has labels from {int(labels.min())} to {int(labels.max())}, and those of {reference.name} "
            f"are from 0 to {reference.num_classes - 1}; name the data of the images with --data"
        )
    wanted = (protocol or default_protocol(reference)).num_images
    if protocol is not None and len(images) < wanted:
        raise ConfigError(
            f"the protocol {protocol.name} needs {wanted:,} images, and the set has {len(images):,}; "
            "leave out the protocol to evaluate all of them"
        )
    if len(images) > wanted:
        chosen = torch.randperm(len(images), generator=rng.generator(seed, "assessment/subset"))[:wanted].sort().values
        images, labels = images[chosen], None if labels is None else labels[chosen]
    return Samples.of_images(images, labels=labels, seed=seed)


def _discriminator(
    subject: Subject, samples: Samples, dataset: Dataset, *, seed: int, progress: Progress
) -> DiscriminatorFigures | None:
    """Figures of the model's discriminator on training, held-out and generated images; None for a set of images."""
    gan = subject.gan
    if gan is None:
        return None
    learned = gan.config.data.limit or len(dataset.images)
    ours = torch.randperm(min(learned, len(dataset.images)), generator=rng.generator(seed, "assessment/discriminator"))
    theirs = torch.arange(len(dataset.held_out_images))[:DISCRIMINATOR_IMAGES]
    ours = ours[:DISCRIMINATOR_IMAGES]
    generated = samples.sets[0][:DISCRIMINATOR_IMAGES]
    sets = {
        "training": (dataset.images[ours], dataset.labels[ours]),
        "held_out": (dataset.held_out_images[theirs], dataset.held_out_labels[theirs]),
        "generated": (generated, None if samples.labels is None else samples.labels[: len(generated)]),
    }
    scores = {}
    for done, (name, (images, labels)) in enumerate(sets.items()):
        progress("scoring with the discriminator", done, len(sets))
        scores[name] = gan.logits(images, labels=labels if gan.conditional else None)
    progress("scoring with the discriminator", len(sets), len(sets))
    return discriminator_figures(**scores, boundary=_boundary(gan))


def _boundary(gan: GAN) -> float | None:
    return gan.objective.decision_rule.boundary


def _transfer(
    subject: Subject, reference: RealData, *, seed: int, progress: Progress
) -> tuple[Transfer | None, str | None]:
    """GAN-train and GAN-test, or the reason why they are missing."""
    if isinstance(reference, PointReference) or reference.kind != "digits":
        return None, f"GAN-train and GAN-test are defined for MNIST only, not for {reference.name}"
    if subject.gan is not None:
        if not subject.gan.conditional:
            return None, "GAN-train and GAN-test need a conditional model"
        return measure_transfer(draw_from(subject.gan), reference=reference, seed=seed, progress=progress), None
    assert subject.image_set is not None
    images, labels = subject.image_set.images, subject.image_set.labels
    if labels is None:
        return None, "GAN-train and GAN-test need labels, and these images have none"
    return measure_transfer_of_images(images, labels, reference=reference, progress=progress), None


def _form(samples: Samples, reference: RealData) -> dict[str, Figure]:
    """Figures of the form of digits; empty for other data."""
    if isinstance(reference, PointReference) or reference.kind not in {"digits", "stacked"}:
        return {}
    return form_figures(samples, reference=reference)


def _two_sample(
    subject: Subject, reference: RealData, *, seed: int, progress: Progress
) -> tuple[dict[str, Figure], str | None]:
    """Figures of the two-sample test, or the reason why they are missing."""
    if isinstance(reference, PointReference):
        return {}, "the two-sample test is defined for images only"
    try:
        if subject.gan is not None:
            conditional = subject.gan.conditional
            draw = draw_from(subject.gan)
            return two_sample_figures(
                draw, reference=reference, conditional=conditional, seed=seed, progress=progress
            ), None
        assert subject.image_set is not None
        images, labels = subject.image_set.images, subject.image_set.labels
        return two_sample_figures_of_images(images, labels, reference=reference, seed=seed, progress=progress), None
    except DataError as error:  # too few images
        return {}, str(error)


def _notes(subject: Subject, samples: Samples, dataset: Dataset) -> list[str]:
    notes = []
    gan, images = subject.gan, samples.sets[0]
    if gan is not None and gan.config.data.limit is not None:
        notes.append(
            f"the model was trained on the first {gan.config.data.limit:,} training images and is compared with all"
        )
    if samples.fixed and not images.is_floating_point() and float(images[:1000].float().mean()) > BRIGHT:
        notes.append("these images are brighter than MNIST's white digits on black; invert black digits on white")
    if subject.image_set is not None and len(subject.image_set.images) > len(images):
        whole = pluralize(len(subject.image_set.images), "image")
        notes.append(f"{len(images):,} of {whole} were evaluated, chosen at random")
    held_out = len(dataset.held_out_images)
    if samples.protocol.num_images > held_out and not images.is_floating_point():
        notes.append(
            f"the floor is computed from all {held_out:,} held-out images; a distance at "
            f"{samples.protocol.num_images:,} images may fall below it"
        )
    return notes

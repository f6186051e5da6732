"""The evaluation itself: images are drawn or taken, the judges look, the discriminator is asked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from jaxtyping import Int, UInt8
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
    JudgeName,
    Progress,
    Reference,
    SampleProtocol,
    Samples,
    Transfer,
    discriminator_figures,
    evaluate,
    measure_transfer,
    measure_transfer_of_images,
    no_progress,
)
from mnist_gan.objectives import build_objective

FORMAT_VERSION: Final = 1
DISCRIMINATOR_IMAGES: Final = 10_000
"""Training images, and held-out ones, that the discriminator is asked about."""
BRIGHT: Final = 127.5
"""Mean grey level of a set above which its digits are probably black on white."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What was found about a subject."""

    subject: Subject
    dataset: Dataset
    """Training and held-out images that it was held against."""
    seed: int
    evaluations: dict[JudgeName, Evaluation]
    """By judge; at least one."""
    discriminator: DiscriminatorFigures | None
    transfer: Transfer | None
    """GAN-train and GAN-test, where they were asked for and can be had."""
    images: UInt8[Tensor, "n c h w"]
    """The first set that was judged."""
    asked: Int[Tensor, "n"] | None
    """The digit that was asked for in each of them."""
    notes: tuple[str, ...]
    """What a reader must know, beside the evaluations' own notes."""
    seconds: float
    """How long it took."""
    digest: str
    """sha256 of the generator's weights, or of all the images: what the figures are figures of."""
    boundary: float | None = None
    """The discriminator's logit above which an image counts as real."""

    @property
    def protocol(self) -> str:
        """fd10k: how many images."""
        return next(iter(self.evaluations.values())).protocol

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Every note once."""
        own = (note for evaluation in self.evaluations.values() for note in evaluation.notes)
        return tuple(dict.fromkeys((*self.notes, *own)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; docs/evaluation.md names them."""
        judged = {name: evaluation.to_dict() for name, evaluation in self.evaluations.items()}
        for values in judged.values():  # these two do not depend on the judge and stand beside the judges
            del values["discriminator"], values["transfer"]
        return {
            "format_version": FORMAT_VERSION,
            "subject": self.identity(),
            "data": self.dataset.name,
            "protocol": self.protocol,
            "seed": self.seed,
            "judges": judged,
            "discriminator": self.discriminator and dataclasses.asdict(self.discriminator),
            "transfer": self.transfer and dataclasses.asdict(self.transfer),
            "notes": list(self.all_notes),
            "seconds": round(self.seconds, 3),
        }

    def identity(self) -> dict[str, Any]:
        """What was judged, in plain values."""
        return {
            "kind": self.subject.kind,
            "path": str(self.subject.path),
            "sha256": self.digest,
            "description": self.subject.description,
        }


def assess(
    subject: Subject,
    *,
    dataset: Dataset,
    protocol: SampleProtocol | None = None,
    judges: Sequence[JudgeName] = ("mnistnet",),
    full: bool = False,
    seed: int = 0,
    cache: Path | Literal["default"] | None = "default",
    progress: Progress = no_progress,
) -> Assessment:
    """Judge a subject.

    Args:
        subject: from `open_subject`.
        dataset: real images; `load_dataset(real_data(subject))` has those that the model learned.
        protocol: how many images; None is fd10k, or all of a smaller set of images.
        judges: who judges; the first one's view comes first wherever there is room for one.
        full: GAN-train and GAN-test, too: two classifiers are trained, minutes on two cores.
        seed: of everything that is drawn.
        cache: folder for what is computed of real data; None keeps nothing.
        progress: is told what is being done.

    Raises:
        ConfigError: a protocol asks for more images than there are.
        DataError: the images do not fit the data set.
    """
    began = time.monotonic()
    digest = subject.digest()
    reference = Reference.of(dataset, judge=judges[0], cache=cache, progress=progress)
    samples = _samples(subject, reference, protocol=protocol, seed=seed, progress=progress)
    evaluations = {}
    for name in judges:
        mine = reference if name == judges[0] else Reference.of(dataset, judge=name, cache=cache, progress=progress)
        evaluations[name] = evaluate(samples, reference=mine, seed=seed, progress=progress)
    learned, reason = _transfer(subject, reference, seed=seed, progress=progress) if full else (None, None)
    return Assessment(
        subject=subject,
        dataset=dataset,
        seed=seed,
        evaluations=evaluations,
        discriminator=_discriminator(subject, samples, dataset, seed=seed, progress=progress),
        transfer=learned,
        images=samples.sets[0],
        asked=samples.labels,
        notes=tuple(filter(None, (reason, *_notes(subject, samples, dataset)))),
        seconds=time.monotonic() - began,
        digest=digest,
        boundary=None if subject.gan is None else _boundary(subject.gan),
    )


def draw_from(gan: GAN) -> Draw:
    """A model as an evaluation knows it."""

    def draw(n: int, seed: int, labels: Tensor | None) -> Tensor:
        return sampling.render(gan.G, sampling.draw_latents(gan.G, n=n, seed=seed), labels)

    return draw


def _samples(
    subject: Subject, reference: Reference, *, protocol: SampleProtocol | None, seed: int, progress: Progress
) -> Samples:
    if subject.gan is not None:
        return Samples.draw(
            draw_from(subject.gan),
            reference=reference,
            conditional=subject.gan.conditional,
            protocol=protocol or PROTOCOLS["fd10k"],
            seed=seed,
            progress=progress,
        )
    assert subject.image_set is not None
    images, labels = subject.image_set.images, subject.image_set.labels
    if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < reference.num_classes:
        raise DataError(
            f"{subject.path} has labels from {int(labels.min())} to {int(labels.max())}; "
            f"those of {reference.name} go from 0 to {reference.num_classes - 1}"
        )
    wanted = (protocol or PROTOCOLS["fd10k"]).num_images
    if protocol is not None and len(images) < wanted:
        raise ConfigError(
            f"the protocol {protocol.name} takes {wanted:,} images, and there are {len(images):,}; "
            "leave it out, and all of them are judged under their own number"
        )
    if len(images) > wanted:
        chosen = torch.randperm(len(images), generator=rng.generator(seed, "assessment/subset"))[:wanted].sort().values
        images, labels = images[chosen], None if labels is None else labels[chosen]
    return Samples.of_images(images, labels=labels, seed=seed)


def _discriminator(
    subject: Subject, samples: Samples, dataset: Dataset, *, seed: int, progress: Progress
) -> DiscriminatorFigures | None:
    """What a model's own discriminator says of images that it learned, of held-out ones, and of generated ones."""
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
        progress("asking the discriminator", done, len(sets))
        scores[name] = gan.logits(images, labels=labels if gan.conditional else None)
    progress("asking the discriminator", len(sets), len(sets))
    return discriminator_figures(**scores, boundary=_boundary(gan))


def _boundary(gan: GAN) -> float | None:
    return build_objective(gan.config.objective).decision_rule.boundary


def _transfer(
    subject: Subject, reference: Reference, *, seed: int, progress: Progress
) -> tuple[Transfer | None, str | None]:
    """GAN-train and GAN-test, or a sentence why there are none."""
    if reference.kind != "digits":
        return None, f"GAN-train and GAN-test are withheld: {reference.name} is not MNIST"
    if subject.gan is not None:
        if not subject.gan.conditional:
            return None, "GAN-train and GAN-test need a model that can be asked for a digit; this one cannot"
        return measure_transfer(draw_from(subject.gan), reference=reference, seed=seed, progress=progress), None
    assert subject.image_set is not None
    images, labels = subject.image_set.images, subject.image_set.labels
    if labels is None:
        return None, "GAN-train and GAN-test need labels, and these images have none"
    return measure_transfer_of_images(images, labels, reference=reference, progress=progress), None


def _notes(subject: Subject, samples: Samples, dataset: Dataset) -> list[str]:
    notes = []
    gan, images = subject.gan, samples.sets[0]
    if gan is not None and gan.config.data.limit is not None:
        notes.append(f"the model learned the first {gan.config.data.limit:,} training images; it is held against all")
    if samples.fixed and float(images[:1000].float().mean()) > BRIGHT:
        notes.append("these images are brighter than digits are; MNIST is white on black: invert them if they are not")
    if subject.image_set is not None and len(subject.image_set.images) > len(images):
        notes.append(f"{len(images):,} of {len(subject.image_set.images):,} images were judged, chosen at random")
    held_out = len(dataset.held_out_images)
    if samples.protocol.num_images > held_out:
        notes.append(
            f"the floor is that of {held_out:,} held-out images, since there are no more: a distance at "
            f"{samples.protocol.num_images:,} images may come below it"
        )
    return notes

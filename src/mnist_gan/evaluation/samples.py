"""Images to evaluate: drawn from a model by a named protocol, or a finished set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation.reference import Progress, Reference, no_progress
from mnist_gan.scaling import AtRest
from mnist_gan.torch_defaults import default_torch_state

DRAW_BATCH: Final = 1000
"""Images requested from a model at a time; progress is reported after each."""
MIN_IMAGES: Final = 100
"""Smallest set that can be evaluated."""


Draw: TypeAlias = Callable[[int, int, Tensor | None], Tensor]
"""A model: `draw(n, seed, labels)` returns n uint8 images (N, C, H, W) that depend on `seed` and `labels` alone.

`labels` are int64 (N,), or None for an unconditional model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleProtocol:
    """Number of images per set, and number of sets."""

    num_images: int
    draws: int = 1
    """Independent sets drawn from a model; their spread gives the interval of its distance."""

    def __post_init__(self) -> None:
        if self.num_images < MIN_IMAGES or self.draws < 1:
            raise ConfigError(
                f"{self.draws} sets of {self.num_images} images cannot be evaluated; "
                f"use at least 1 set of at least {MIN_IMAGES}"
            )

    @property
    def size(self) -> str:
        """Number of images as in names: 10k, or 1234."""
        thousands, rest = divmod(self.num_images, 1000)
        return f"{thousands}k" if rest == 0 else str(self.num_images)

    @property
    def name(self) -> str:
        """Name of the protocol: fd10k for 10,000 images."""
        return f"fd{self.size}"

    def figure(self, kind: str, judge: str) -> str:
        """Name of a figure that depends on the number of images and on the judge: fd10k_mnistnet_b."""
        return f"{kind}{self.size}_{judge.replace('-', '_')}"


PROTOCOLS: Final[dict[str, SampleProtocol]] = {
    "fd10k": SampleProtocol(num_images=10_000, draws=5),
    "fd26k": SampleProtocol(num_images=26_000),
    "fd50k": SampleProtocol(num_images=50_000, draws=2),
}
"""Protocols of stated results; fd26k is that of the literature for the modes of stacked MNIST."""


@runtime_checkable
class Labelled(Protocol):
    """Real data with labels: a `Reference` or a `PointReference`."""

    @property
    def labels(self) -> Tensor:
        """Labels of the training data, int64 (N,)."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Sets of images to evaluate."""

    sets: tuple[AtRest, ...]
    """Independent sets of equal size; a single one if `fixed`."""
    labels: Int[Tensor, "n"] | None
    """Labels asked for, the same in every set; None if unconditional or unknown."""
    fixed: bool
    """True for a finished set; False for images of a model that can draw more."""
    protocol: SampleProtocol

    @classmethod
    @default_torch_state()
    def draw(
        cls,
        draw: Draw,
        *,
        reference: Labelled,
        conditional: bool,
        protocol: SampleProtocol = PROTOCOLS["fd10k"],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Samples:
        """Draw the protocol's sets from a model; a conditional one gets the label frequencies of the training set."""
        labels = labels_in_proportion(reference.labels, n=protocol.num_images, seed=seed) if conditional else None
        sets = []
        for position in range(protocol.draws):
            which = "" if protocol.draws == 1 else f", set {position + 1} of {protocol.draws}"
            images = draw_in_batches(
                draw,
                n=protocol.num_images,
                seed=rng.derive_seed(seed, "evaluation/set", position),
                labels=labels,
                progress=partial(progress, f"drawing images{which}"),
            )
            sets.append(images)
        return cls(sets=tuple(sets), labels=labels, fixed=False, protocol=protocol)

    @classmethod
    @default_torch_state()
    def of_images(cls, images: AtRest, *, labels: Int[Tensor, "n"] | None = None, seed: int = 0) -> Samples:
        """Take a finished set: 50,000 or 10,000 of its images at random if it has as many, else all of them.

        Raises:
            DataError: fewer than `MIN_IMAGES` images.
        """
        if len(images) < MIN_IMAGES:
            raise DataError(f"too few images to evaluate: {len(images)}; provide at least {MIN_IMAGES}")
        n = next((size for size in (50_000, 10_000) if len(images) >= size), len(images))
        chosen = torch.arange(len(images))
        if n < len(images):
            chosen = torch.randperm(len(images), generator=rng.generator(seed, "evaluation/subset"))[:n].sort().values
        return cls(
            sets=(images[chosen],),
            labels=None if labels is None else labels[chosen],
            fixed=True,
            protocol=SampleProtocol(num_images=n),
        )


def draw_in_batches(
    draw: Draw,
    *,
    n: int,
    seed: int,
    labels: Int[Tensor, "n"] | None,
    progress: Callable[[int, int], None] | None = None,
) -> AtRest:
    """Draw `n` images, `DRAW_BATCH` at a time, each batch with its own seed."""
    batches = []
    for position, start in enumerate(range(0, n, DRAW_BATCH)):
        stop = min(start + DRAW_BATCH, n)
        batch_labels = None if labels is None else labels[start:stop]
        batches.append(draw(stop - start, rng.derive_seed(seed, "evaluation/piece", position), batch_labels))
        if progress is not None:
            progress(stop, n)
    return torch.cat(batches)


def labels_in_proportion(labels: Int[Tensor, "m"], *, n: int, seed: int) -> Int[Tensor, "n"]:
    """`n` labels in random order, with the frequencies of `labels` (rounded by largest remainder)."""
    exact = torch.bincount(labels).double() * (n / len(labels))
    counts = exact.floor().long()
    short = n - int(counts.sum())
    counts[(exact - counts).argsort(descending=True, stable=True)[:short]] += 1
    in_order = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return in_order[torch.randperm(n, generator=rng.generator(seed, "evaluation/labels"))]


def sampler_rows(labels: Int[Tensor, "m"], *, n: int, seed: int, matched: bool) -> Int[Tensor, "n"]:
    """Rows of the training set that a perfect sampler of it draws: at random, with replacement.

    `matched` draws exact shares of the labels, as conditional models are asked for them. That is no detail: it takes
    half of the bias of a Frechet distance away.
    """
    generator = rng.generator(seed, "evaluation/sampler")
    if not matched:
        return torch.randint(len(labels), (n,), generator=generator)
    wanted = labels_in_proportion(labels, n=n, seed=seed)
    counts = torch.bincount(labels)
    place = (torch.rand(n, dtype=torch.float64, generator=generator) * counts[wanted]).long()
    return labels.argsort(stable=True)[(counts.cumsum(0) - counts)[wanted] + place]


def floor_samples(reference: Reference, protocol: SampleProtocol) -> Samples:
    """Held-out real images: as many as the protocol has, or all of them if there are fewer."""
    generator = rng.generator(0, "evaluation/held-out")
    chosen = torch.randperm(len(reference.held_out_images), generator=generator)[: protocol.num_images]
    images, labels = reference.held_out_images[chosen], reference.held_out_labels[chosen]
    return Samples(sets=(images,), labels=labels, fixed=True, protocol=protocol)


def noise_samples(reference: Reference, protocol: SampleProtocol) -> Samples:
    """Uniform noise with labels in proportion to the training set: the ceiling of every figure."""
    n, generator = protocol.num_images, rng.generator(0, "evaluation/noise")
    images = torch.randint(0, 256, (n, *reference.images.shape[1:]), dtype=torch.uint8, generator=generator)
    labels = labels_in_proportion(reference.labels, n=n, seed=0)
    return Samples(sets=(images,), labels=labels, fixed=True, protocol=protocol)

"""The images that are judged: drawn from a model by a named protocol, or a fixed set that somebody brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation.reference import Progress, Reference, silent

PIECE: Final = 1000
"""Images asked of a model at a time, so that progress shows."""
SMALLEST: Final = 100
"""Fewest images that a figure is given for."""


Draw: TypeAlias = Callable[[int, int, Tensor | None], Tensor]
"""A model, as far as an evaluation knows it.

`draw(n, seed, labels)` gives n uint8 images (N, C, H, W) that depend on `seed` and on `labels`, int64 (N,), the class
asked for in each image; labels is None where the model is unconditional."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleProtocol:
    """How many images, and how often."""

    num_images: int
    """Images in a set."""
    draws: int = 1
    """Independent sets drawn from a model, for the spread of its distance."""

    def __post_init__(self) -> None:
        if self.num_images < SMALLEST or self.draws < 1:
            raise ConfigError(
                f"an evaluation of {self.draws} sets of {self.num_images} images cannot be; "
                f"use at least 1 set of at least {SMALLEST}"
            )

    @property
    def size(self) -> str:
        """The number of images as names have it: 10k, or 1234."""
        whole, rest = divmod(self.num_images, 1000)
        return f"{whole}k" if rest == 0 else str(self.num_images)

    @property
    def name(self) -> str:
        """The protocol's name, fd10k for 10,000 images."""
        return f"fd{self.size}"

    def figure(self, kind: str, judge: str) -> str:
        """The name of a figure that depends on the number of images and on the judge: fd10k_mnistnet_b."""
        return f"{kind}{self.size}_{judge.replace('-', '_')}"


PROTOCOLS: Final[dict[str, SampleProtocol]] = {
    "fd10k": SampleProtocol(num_images=10_000, draws=5),
    "fd50k": SampleProtocol(num_images=50_000, draws=2),
}
"""The protocols that results are stated in."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Sets of images to judge."""

    sets: tuple[UInt8[Tensor, "n c h w"], ...]
    """Independent sets of one size; a single one if `fixed`."""
    asked: Int[Tensor, "n"] | None
    """The class that was asked for in each image of every set; None if unconditional or unknown."""
    fixed: bool
    """Whether this is somebody's finished set, and not a model that could draw more."""
    protocol: SampleProtocol

    @classmethod
    def draw(
        cls,
        draw: Draw,
        *,
        reference: Reference,
        conditional: bool,
        protocol: SampleProtocol = PROTOCOLS["fd10k"],
        seed: int = 0,
        progress: Progress = silent,
    ) -> Samples:
        """Draw the protocol's sets from a model, with the class frequencies of the training set if conditional."""
        asked = None
        if conditional:
            asked = labels_in_proportion(
                reference.labels, n=protocol.num_images, num_classes=reference.num_classes, seed=seed
            )
        sets = []
        for position in range(protocol.draws):
            what = (
                "drawing images" if protocol.draws == 1 else f"drawing images, set {position + 1} of {protocol.draws}"
            )
            set_seed = rng.derive_seed(seed, "evaluation/set", position)
            sets.append(
                draw_in_pieces(
                    draw, n=protocol.num_images, seed=set_seed, labels=asked, progress=partial(progress, what)
                )
            )
        return cls(sets=tuple(sets), asked=asked, fixed=False, protocol=protocol)

    @classmethod
    def of_images(
        cls, images: UInt8[Tensor, "n c h w"], *, labels: Int[Tensor, "n"] | None = None, seed: int = 0
    ) -> Samples:
        """A fixed set: 50,000 or 10,000 random ones of its images where it has as many, else all of them.

        Raises:
            DataError: fewer images than a figure can be given for.
        """
        if len(images) < SMALLEST:
            raise DataError(f"{len(images)} images are too few to judge; bring at least {SMALLEST}")
        n = next((size for size in (50_000, 10_000) if len(images) >= size), len(images))
        chosen = torch.arange(len(images))
        if n < len(images):
            chosen = torch.randperm(len(images), generator=rng.generator(seed, "evaluation/subset"))[:n].sort().values
        return cls(
            sets=(images[chosen],),
            asked=None if labels is None else labels[chosen],
            fixed=True,
            protocol=SampleProtocol(num_images=n),
        )


def draw_in_pieces(
    draw: Draw,
    *,
    n: int,
    seed: int,
    labels: Int[Tensor, "n"] | None,
    progress: Callable[[int, int], None] | None = None,
) -> UInt8[Tensor, "n c h w"]:
    """`n` images, `PIECE` at a time, each piece under a seed of its own."""
    pieces = []
    for position, start in enumerate(range(0, n, PIECE)):
        stop = min(start + PIECE, n)
        asked = None if labels is None else labels[start:stop]
        pieces.append(draw(stop - start, rng.derive_seed(seed, "evaluation/piece", position), asked))
        if progress is not None:
            progress(stop, n)
    return torch.cat(pieces)


def labels_in_proportion(labels: Int[Tensor, "m"], *, n: int, num_classes: int, seed: int) -> Int[Tensor, "n"]:
    """`n` labels in random order whose counts are those of `labels` scaled to n, rounded by largest remainder."""
    exact = torch.bincount(labels, minlength=num_classes).double() * (n / len(labels))
    counts = exact.floor().long()
    short = n - int(counts.sum())
    counts[(exact - counts).argsort(descending=True, stable=True)[:short]] += 1
    in_order = torch.repeat_interleave(torch.arange(num_classes), counts)
    return in_order[torch.randperm(n, generator=rng.generator(seed, "evaluation/labels"))]


def noise(n: int, *, like: UInt8[Tensor, "m c h w"]) -> UInt8[Tensor, "n c h w"]:
    """Uniform noise, the ceiling of every figure: what no training at all would have to beat."""
    generator = rng.generator(0, "evaluation/noise")
    return torch.randint(0, 256, (n, *like.shape[1:]), dtype=torch.uint8, generator=generator)

"""Memorization: do generated images lie nearer to the training images than unseen real ones do?

A model that hands out training images has a perfect Frechet distance. Held-out real images say how near to its nearest
training image an honest digit is; a generator that copies is nearer, as a rank test shows. Smooth or too typical images
are nearer too, without any copying: a small ratio asks for a look at the closest pairs, it does not convict.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int, Num, UInt8
from torch import Tensor

from mnist_gan.evaluation.neighbours import nearest
from mnist_gan.evaluation.statistics import mann_whitney


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosestPair:
    """A generated image and the training image nearest to it."""

    generated: int
    """Index among the generated images."""
    training: int
    """Index among the training images."""
    distance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Memorization:
    """Distances to the nearest training image: generated against held-out real images."""

    ratio: float
    """Median distance of generated images over that of held-out ones; well below 1 where training images are copied."""
    share: float
    """The chance that a generated image is farther from the training images than a held-out one; 0.5 where alike."""
    p_value: float
    """One-sided: the chance of so small a `share` if generated and held-out images lay alike."""
    exact_copies: int
    """Generated images that are nearer to a training image than a thousandth of the median held-out distance."""
    closest: tuple[ClosestPair, ...]
    """The nearest pairs, nearest first."""


def pixel_vectors(images: UInt8[Tensor, "n c h w"]) -> UInt8[Tensor, "n d"]:
    """Images as rows, still uint8: a distance of 255 is one pixel turned from black to white."""
    return images.flatten(1)


def memorization(
    generated: Num[Tensor, "n d"],
    training: Num[Tensor, "m d"],
    *,
    held_out_distances: Num[Tensor, "k"],
    positions: Int[Tensor, "n"] | None = None,
    pairs: int = 16,
) -> Memorization:
    """Compare generated images' distances to the training images with those of held-out images.

    `positions` says which of a larger set's images the rows of `generated` are, for the pairs' indices.

    Source: Meehan, Chaudhuri & Dasgupta 2020, "A non-parametric test to detect data-copying", section 3 (global test).
    """
    distances, index = nearest(generated, training)
    typical = float(held_out_distances.double().median())
    index_of = torch.arange(len(generated)) if positions is None else positions
    test = mann_whitney(distances, held_out_distances)
    order = distances.argsort(stable=True)[:pairs].tolist()
    return Memorization(
        ratio=float(distances.median()) / typical if typical > 0 else float("nan"),
        share=test.share,
        p_value=test.p_value,
        exact_copies=int((distances < 1e-3 * typical).sum()),
        closest=tuple(
            ClosestPair(generated=int(index_of[i]), training=int(index[i]), distance=float(distances[i])) for i in order
        ),
    )

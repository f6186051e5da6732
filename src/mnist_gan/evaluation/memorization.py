"""Memorization: distances of generated images to the training images, compared with those of held-out real images.

A model that copies training images has a perfect Frechet distance, but its images are nearer to the training images
than held-out ones are; a rank test shows it. Smooth or typical images are nearer too without being copies, so a small
ratio is a reason to inspect the closest pairs and no proof.
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
    """A generated image and its nearest training image."""

    generated: int
    """Index among the generated images."""
    training: int
    """Index among the training images."""
    distance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Memorization:
    """Distances to the nearest training image: generated against held-out real images."""

    ratio: float
    """Median distance of generated images over that of held-out ones; well below 1 for copies."""
    share: float
    """Probability that a generated image is farther from the training images than a held-out one; 0.5 if alike."""
    p_value: float
    """One-sided: the probability of so small a `share` if generated and held-out images were alike."""
    exact_copies: int
    """Generated images nearer to a training image than a thousandth of the median held-out distance."""
    closest: tuple[ClosestPair, ...]
    """Closest pairs, nearest first."""


def pixel_vectors(images: UInt8[Tensor, "n c h w"]) -> UInt8[Tensor, "n d"]:
    """Flatten images to uint8 rows; a distance of 255 is one pixel changed from black to white."""
    return images.flatten(1)


def measure_memorization(
    generated: Num[Tensor, "n d"],
    training: Num[Tensor, "m d"],
    *,
    held_out_distances: Num[Tensor, "k"],
    positions: Int[Tensor, "n"] | None = None,
    pairs: int = 16,
) -> Memorization:
    """Compare the distances of generated images to the training images with those of held-out images.

    `positions` are the indices of the rows of `generated` in a larger set, for `ClosestPair.generated`.

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

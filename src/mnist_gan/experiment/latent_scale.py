"""Latent scale: a factor of z with which the averaged generator varies as much as the training images.

An average of generators draws images that vary less than real ones: within a class, the pixels of the shipped model had
98 % of the variance. Both judges find the images nearest to real ones at the factor that restores the variance. No
judge takes part in the choice, so that the distances by their features stay unbiased.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mnist_gan import rng, sampling
from mnist_gan.data import Dataset
from mnist_gan.models import Generator
from mnist_gan.scaling import AtRest
from mnist_gan.torch_defaults import default_torch_state

NIMG: Final = 2000
"""Images of each of the two scales that a fit compares."""
TRIAL: Final = 1.1
"""The second scale; the first is 1."""
LIMITS: Final = (0.95, 1.05)
"""Smallest and largest scale. After a short training, whole ways to draw a digit are missing, and larger z distort the
others instead."""


class Spread:
    """Variance of images within a class, summed over the pixels, of training images: the goal of a fit."""

    def __init__(self, dataset: Dataset, *, conditional: bool) -> None:
        labels = dataset.labels if conditional else torch.zeros(len(dataset.images), dtype=torch.int64)
        self._real = class_variances(dataset.images, labels, num_classes=int(labels.max()) + 1)
        self._varied = torch.nonzero(self._real > 0).squeeze(1)
        self._conditional = conditional

    def fit(self, G: Generator, *, seed: int) -> float:
        """Return the scale at which images of `G` have the variance of the training images.

        The variance rises almost linearly near 1, so two scales suffice. Returns 1 if there is nothing to fit: all
        training images of a class are equal, or larger z do not give more variance.
        """
        if not len(self._varied):
            return 1.0
        z = rng.latents(rng.derive_seed(seed, "latent scale"), range(NIMG), G.z_dim)
        classes = self._varied[: NIMG // 2].tolist()  # at least two images of each
        labels = sampling.cycle_labels(classes, n=NIMG)
        at_one, at_trial = (self._ratio(G, z * scale, labels) for scale in (1.0, TRIAL))
        slope = (at_trial - at_one) / (TRIAL - 1.0)
        if slope <= 0:
            return 1.0
        low, high = LIMITS
        return min(high, max(low, 1.0 + (1.0 - at_one) / slope))

    def _ratio(self, G: Generator, z: Tensor, labels: Int64[Tensor, "n"]) -> float:
        """Generated variance over real variance, the mean over the classes."""
        images = sampling.render(G, z, labels if self._conditional else None)
        fake = class_variances(images, labels, num_classes=len(self._real))
        classes = torch.bincount(labels) > 0
        return float((fake[: len(classes)][classes] / self._real[: len(classes)][classes]).mean())


@default_torch_state()
def class_variances(images: AtRest, labels: Int64[Tensor, "n"], *, num_classes: int) -> Float64[Tensor, "k"]:
    """Sum over pixels of the unbiased variance within each class; 0 for a class of less than two images."""
    return torch.stack([_variance(images[labels == label]) for label in range(num_classes)])


def _variance(images: AtRest) -> Float64[Tensor, ""]:
    if len(images) < 2:
        return torch.zeros((), dtype=torch.float64)
    total, squares = torch.zeros(images[0].numel(), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for chunk in torch.split(images.flatten(1), 2000):  # bounded memory
        values = chunk.double()
        total, squares = total + values.sum(dim=0), squares + values.square().sum()
    mean = total / len(images)
    return (squares - len(images) * mean.square().sum()) / (len(images) - 1)

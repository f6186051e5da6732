"""Comparison of an exported model with PyTorch's results, on images of many seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ArtifactError
from mnist_gan.exports.networks import Dtype
from mnist_gan.torch_defaults import default_torch_state

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
Network: TypeAlias = Callable[[Arrays], Arrays]
"""An exported network: named inputs to named outputs, as of `ImageGenerator` and `ImageScorer`."""

SEEDS: Final = 1000
"""Seeds whose first images are compared."""
BATCH_SIZE: Final = 250
MAX_LEVELS: Final[Mapping[Dtype, int]] = {"float32": 1, "float16": 8}
"""Largest accepted difference of a pixel, in grey levels of 255."""
MAX_PROBABILITY: Final[Mapping[Dtype, float]] = {"float32": 1e-3, "float16": 0.1}
"""Largest accepted difference of a probability."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Differences of an exported model from PyTorch."""

    n: int
    """Number of images."""
    levels: int
    """Largest difference of a pixel, in grey levels of 255."""
    differing: float
    """Share of pixels that differ."""
    probability: float
    """Largest difference of a probability that an image is real."""

    def describe(self) -> str:
        """Return the differences as text."""
        if self.levels == 0:
            pixels = "all pixels are equal"
        else:
            pixels = f"pixels differ by at most {self.levels} of 255, {self.differing:.2g} of all"
        return f"{self.n:,} images compared with PyTorch: {pixels}; probabilities by at most {self.probability:.1g}"

    def check(self, *, dtype: Dtype) -> None:
        """Check that the differences are those of rounding.

        Raises:
            ArtifactError: they are larger.
        """
        if self.levels > MAX_LEVELS[dtype] or not self.probability <= MAX_PROBABILITY[dtype]:
            fix = "export it as float32" if dtype == "float16" else "use another format"
            raise ArtifactError(f"the exported model is wrong and was not written: {self.describe()}; {fix}")


@default_torch_state()
def compare(gan: GAN, generator: Network, discriminator: Network, *, seeds: int = SEEDS) -> Comparison:
    """Compare image 0 of each of the first `seeds` seeds, and the discriminator's probability of it."""
    z = torch.cat([sampling.draw_latents(gan.G, n=1, seed=seed) for seed in range(seeds)])
    labels = gan.labels(seeds)
    images = sampling.render(gan.G, z, labels)
    chances = gan.probability_real(images, labels=labels)
    drawn, judged = [], []
    for start in range(0, seeds, BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        given = {} if labels is None else {"label": labels[rows].numpy()}
        drawn.append(generator({"z": z[rows].numpy(), **given})["image"])
        judged.append(discriminator({"image": images[rows].numpy(), **given})["probability"])
    gaps = np.abs(np.concatenate(drawn).astype(np.int64) - images.numpy())
    probability = np.abs(np.concatenate(judged).astype(np.float64) - chances.numpy())
    return Comparison(
        n=seeds,
        levels=int(gaps.max()),
        differing=float((gaps > 0).mean()),
        probability=float(probability.max()),
    )

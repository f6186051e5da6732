"""The real data that generated images are held against, as one judge sees it; computed once, then kept in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.data import Dataset
from mnist_gan.evaluation.cache import TensorCache, default_folder, digest_of
from mnist_gan.evaluation.digits import diversity, histogram
from mnist_gan.evaluation.frechet import Gaussian, fit_gaussian
from mnist_gan.evaluation.memorization import pixel_vectors
from mnist_gan.evaluation.mnistnet import Judge, JudgeName, Seen, load_judge
from mnist_gan.evaluation.neighbours import nearest, neighbour_radii

CACHE_VERSION: Final = 2
NEIGHBOUR_SAMPLE: Final = 10_000
"""Real images whose neighbourhoods precision, recall, density and coverage use."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told (what is being done, how much of it is done, how much there is)."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


DigitKind: TypeAlias = Literal["digits", "stacked", "none"]
"""What a judge's reading is worth: single digits of MNIST; three of them at a time; nothing, on other data."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Training and held-out images of a data set, seen by one judge. Make one with `Reference.of`."""

    name: str
    """The data set's name."""
    kind: DigitKind
    num_classes: int
    """Classes of the labels: 10, or 1,000 for stacked MNIST."""
    images: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, "n"]
    held_out_images: UInt8[Tensor, "m c h w"]
    held_out_labels: Int[Tensor, "m"]
    judge: Judge
    cache: TensorCache
    progress: Progress = silent

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        *,
        judge: JudgeName = "mnistnet",
        cache: Path | Literal["default"] | None = "default",
        progress: Progress = silent,
    ) -> Reference:
        """The reference for a data set.

        Args:
            dataset: real images.
            judge: who looks at them.
            cache: folder for what is computed of them; None keeps nothing.
            progress: is told how the first computation, without the cache, goes on.
        """
        judge_ = load_judge(judge)
        content = (dataset.images, dataset.labels, dataset.held_out_images, dataset.held_out_labels)
        key = digest_of(f"version {CACHE_VERSION}, judge {judge_.digest}", *content)
        kind: DigitKind = "digits" if dataset.is_mnist else "stacked" if dataset.name == "stacked-mnist" else "none"
        return cls(
            name=dataset.name,
            kind=kind,
            num_classes=dataset.num_classes,
            images=dataset.images,
            labels=dataset.labels,
            held_out_images=dataset.held_out_images,
            held_out_labels=dataset.held_out_labels,
            judge=judge_,
            cache=TensorCache(default_folder() if cache == "default" else cache, key[:32]),
            progress=progress,
        )

    @cached_property
    def training(self) -> Seen:
        """What the judge sees in the training images."""
        return self._seen("training", self.images)

    @cached_property
    def held_out(self) -> Seen:
        """What the judge sees in the held-out images."""
        return self._seen("held-out", self.held_out_images)

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of all training features."""
        return fit_gaussian(self.training.features)

    @cached_property
    def class_counts(self) -> Int[Tensor, "classes"]:
        """How often the judge reads each class in the training images."""
        return histogram(self.training.classes, num_classes=self.num_classes)

    @cached_property
    def diversity(self) -> list[float | None]:
        """Mean distance of pairs of training images within each class, as read by the judge."""
        return diversity(self.training.features, self.training.classes, num_classes=self.num_classes)

    @cached_property
    def neighbour_sample(self) -> Float[Tensor, "k d"]:
        """Features of a fixed random `NEIGHBOUR_SAMPLE` of the training images, float64."""
        order = torch.randperm(len(self.images), generator=rng.generator(0, "evaluation/neighbours"))
        return self.training.features[order[:NEIGHBOUR_SAMPLE]].double()

    @cached_property
    def neighbour_radii(self) -> Float[Tensor, "k"]:
        """Squared radius of each of their neighbourhoods."""
        return self.cache.get("radii", lambda: {"radii": neighbour_radii(self.neighbour_sample)})["radii"]

    @cached_property
    def held_out_pixel_distances(self) -> Float[Tensor, "m"]:
        """Distance of each held-out image to its nearest training image, over pixels."""

        def compute() -> dict[str, Tensor]:
            self.progress("nearest training images of real ones", 0, 1)
            return {"distances": nearest(pixel_vectors(self.held_out_images), pixel_vectors(self.images))[0]}

        return self.cache.get("nearest-pixels", compute)["distances"]

    @cached_property
    def held_out_feature_distances(self) -> Float[Tensor, "m"]:
        """Distance of each held-out image to its nearest training image, over features."""

        def compute() -> dict[str, Tensor]:
            return {"distances": nearest(self.held_out.features, self.training.features)[0]}

        return self.cache.get("nearest-features", compute)["distances"]

    def _seen(self, which: str, images: Tensor) -> Seen:
        def compute() -> dict[str, Tensor]:
            seen = self.judge.look(images, progress=partial(self.progress, f"features of {which} images"))
            return {"features": seen.features, "logits": seen.logits}

        kept = self.cache.get(which, compute)
        return Seen(features=kept["features"], logits=kept["logits"])

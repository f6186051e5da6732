"""Real images and their statistics under one judge: what generated images are compared with. Statistics are cached."""

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
from mnist_gan.errors import DataError
from mnist_gan.evaluation.cache import TensorCache, default_folder, digest_of
from mnist_gan.evaluation.digits import diversity
from mnist_gan.evaluation.frechet import Gaussian, fit_gaussian
from mnist_gan.evaluation.judges import dataset_sha256, open_judge
from mnist_gan.evaluation.memorization import pixel_vectors
from mnist_gan.evaluation.mnistnet import Judge, JudgeOutput
from mnist_gan.evaluation.neighbours import nearest, neighbour_radii
from mnist_gan.torch_defaults import default_torch_state

CACHE_VERSION: Final = 2
NEIGHBOUR_SAMPLE: Final = 10_000
"""Number of real images whose neighbourhoods give precision, recall, density and coverage."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Receives (description of the current work, amount done, total)."""


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""


DigitKind: TypeAlias = Literal["digits", "stacked", "classes", "none"]
"""Meaning of the classes that a judge reads: digits of MNIST; three of them, one per channel; the classes of the data
set that it was trained on; none, on other data."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Training and held-out images of a data set, with one judge. Create it with `Reference.of`."""

    name: str
    """Name of the data set."""
    kind: DigitKind
    num_classes: int
    """10, or 1,000 for stacked MNIST."""
    images: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, "n"]
    held_out_images: UInt8[Tensor, "m c h w"]
    held_out_labels: Int[Tensor, "m"]
    judge: Judge
    cache: TensorCache
    progress: Progress = no_progress

    @classmethod
    @default_torch_state()
    def of(
        cls,
        dataset: Dataset,
        *,
        judge: str = "mnistnet",
        cache: Path | Literal["default"] | None = "default",
        progress: Progress = no_progress,
    ) -> Reference:
        """Create the reference of a data set.

        Args:
            dataset: real images.
            judge: name of the judge, for `open_judge`.
            cache: folder for the statistics; None disables the cache.
            progress: called while statistics are computed that are not cached yet.

        Raises:
            ConfigError: there is no such judge.
            DataError: the judge was trained on images with another number of channels.
        """
        judge_ = open_judge(judge)
        if dataset.img_channels % judge_.network.channels:
            raise DataError(
                f"the judge {judge} reads images with {judge_.network.channels} channels, and those of {dataset.name} "
                f"have {dataset.img_channels}; name another judge with --judge"
            )
        content = (dataset.images, dataset.labels, dataset.held_out_images, dataset.held_out_labels)
        key = digest_of(f"version {CACHE_VERSION}, judge {judge_.digest}", *content)
        return cls(
            name=dataset.name,
            kind=_kind(judge_, dataset),
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
    def data_cache(self) -> TensorCache:
        """Cache of what depends on the images and on no judge."""
        content = (self.images, self.labels, self.held_out_images, self.held_out_labels)
        return TensorCache(self.cache.folder, digest_of(f"version {CACHE_VERSION}, no judge", *content)[:32])

    @cached_property
    def training(self) -> JudgeOutput:
        """Features and logits of the training images."""
        return self._predicted("training", self.images)

    @cached_property
    def held_out(self) -> JudgeOutput:
        """Features and logits of the held-out images."""
        return self._predicted("held-out", self.held_out_images)

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of all training features."""
        return fit_gaussian(self.training.features)

    @cached_property
    def class_counts(self) -> Int[Tensor, "classes"]:
        """Number of training images that the judge reads as each class."""
        return torch.bincount(self.training.classes, minlength=self.num_classes)

    @cached_property
    def digit_shares(self) -> Float[Tensor, "digits"]:
        """Share of each digit among the channels of the training images, by label; for stacked MNIST, float64."""
        places = [self.labels // 10**place % 10 for place in range(self.images.shape[1])]
        return torch.bincount(torch.cat(places), minlength=10).double() / (len(places) * len(self.labels))

    @cached_property
    def diversity(self) -> list[float | None]:
        """Mean pairwise distance of the training images of each class, as read by the judge."""
        return diversity(self.training.features, self.training.classes, num_classes=self.num_classes)

    @cached_property
    def neighbour_rows(self) -> Int[Tensor, "k"]:
        """Indices of the training images of `neighbour_sample`."""
        order = torch.randperm(len(self.images), generator=rng.generator(0, "evaluation/neighbours"))
        return order[:NEIGHBOUR_SAMPLE]

    @cached_property
    def neighbour_sample(self) -> Float[Tensor, "k d"]:
        """Features of `NEIGHBOUR_SAMPLE` training images, a fixed random choice, float64."""
        return self.training.features[self.neighbour_rows].double()

    @cached_property
    def neighbour_radii(self) -> Float[Tensor, "k"]:
        """Squared neighbourhood radii of `neighbour_sample`."""
        return self.cache.get("radii", lambda: {"radii": neighbour_radii(self.neighbour_sample)})["radii"]

    @cached_property
    def held_out_pixel_distances(self) -> Float[Tensor, "m"]:
        """Distance of each held-out image to its nearest training image, in pixels."""

        def compute() -> dict[str, Tensor]:
            self.progress("nearest training images of held-out ones", 0, 1)
            return {"distances": nearest(pixel_vectors(self.held_out_images), pixel_vectors(self.images))[0]}

        return self.data_cache.get("nearest-pixels", compute)["distances"]

    @cached_property
    def held_out_feature_distances(self) -> Float[Tensor, "m"]:
        """Distance of each held-out image to its nearest training image, in features."""

        def compute() -> dict[str, Tensor]:
            return {"distances": nearest(self.held_out.features, self.training.features)[0]}

        return self.cache.get("nearest-features", compute)["distances"]

    def _predicted(self, which: str, images: Tensor) -> JudgeOutput:
        def compute() -> dict[str, Tensor]:
            output = self.judge.predict(images, progress=partial(self.progress, f"features of {which} images"))
            return {"features": output.features, "logits": output.logits}

        tensors = self.cache.get(which, compute)
        return JudgeOutput(features=tensors["features"], logits=tensors["logits"])


def _kind(judge: Judge, dataset: Dataset) -> DigitKind:
    if judge.data_sha256 is not None:
        return "classes" if judge.data_sha256 == dataset_sha256(dataset) else "none"
    return "digits" if dataset.is_mnist else "stacked" if dataset.name == "stacked-mnist" else "none"

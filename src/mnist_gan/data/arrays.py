"""Data sets from arrays: what a plug-in or a program passes, made into a `Dataset`."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from mnist_gan import rng, storage
from mnist_gan.data.dataset import Dataset
from mnist_gan.errors import DataError
from mnist_gan.scaling import to_uint8
from mnist_gan.text import pluralize

HELD_OUT_SHARE: Final = 7
"""One image in seven is held out where a source names no held-out images, as in MNIST: 10,000 of 70,000."""


@runtime_checkable
class DataSource(Protocol):
    """A data set; the protocol of the argument `dataset`, which also takes a `Dataset`.

    Three more attributes are optional: `labels` (whole numbers (N,) from 0), `held_out_images` and `held_out_labels`.
    """

    @property
    def images(self) -> Any:
        """Training images, NumPy array or tensor (N, C, H, W) or (N, H, W): uint8, or floats in [-1, 1].

        Floats (N, D) are points, in units of their own.
        """


def as_dataset(source: Any, *, name: str) -> Dataset:
    """Make a `Dataset` of a source. Float images are rounded to 256 grey levels, as images at rest are uint8.

    Without held-out images, a seventh of the images, drawn at random and always the same, is held out. Without labels,
    all images are of one class, and a conditional training is refused.

    Args:
        source: a `DataSource` or a `Dataset`.
        name: name of the data set.

    Raises:
        DataError: images or labels have the wrong type, shape or range.
    """
    if isinstance(source, Dataset):
        return dataclasses.replace(source, name=name)
    if not hasattr(source, "images"):
        raise DataError(f"the data set {name} is {type(source).__name__} without images; it needs an attribute images")
    images, given = _images(source.images, name), getattr(source, "labels", None)
    labels = _labels(given, len(images), name)
    held_out_images, held_out_labels = getattr(source, "held_out_images", None), None
    if held_out_images is None:
        images, labels, held_out_images, held_out_labels = _split(images, labels, name)
    else:
        held_out_images = _images(held_out_images, name, part="held_out_images")
        held_out_given = getattr(source, "held_out_labels", None)
        if (held_out_given is None) != (given is None):
            raise DataError(
                f"the data set {name} has labels for one part only; give labels and held_out_labels, or none"
            )
        held_out_labels = _labels(held_out_given, len(held_out_images), name, part="held_out_labels")
        if held_out_images.shape[1:] != images.shape[1:]:
            raise DataError(
                f"the held-out images of {name} have the shape {tuple(held_out_images.shape[1:])}, and its images "
                f"{tuple(images.shape[1:])}; give both the same shape"
            )
    parts = {"images": images, "labels": labels, "held-out-images": held_out_images, "held-out-labels": held_out_labels}
    return Dataset(
        name=name,
        images=images,
        labels=labels,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels,
        digests={part: storage.sha256_bytes(tensor.numpy().tobytes()) for part, tensor in parts.items()},
        source=f"{name}: {len(images):,} training and {pluralize(len(held_out_images), 'held-out image')}",
        labelled=given is not None,
    )


def _images(value: Any, name: str, *, part: str = "images") -> Tensor:
    """uint8 (N, C, H, W), square, or points, on the CPU."""
    images = _tensor(value, f"{part} of the data set {name}")
    if images.is_floating_point() and (images.dim() == 2 or images.shape[2:] == (1, 1)):
        return _points(images, name, part=part)
    if images.dim() == 3:
        images = images.unsqueeze(1)
    if images.dim() != 4 or images.shape[2] != images.shape[3] or 0 in images.shape:
        raise DataError(
            f"{part} of the data set {name} has the shape {tuple(images.shape)}; it must be (N, C, H, W) or (N, H, W), "
            "with square images, or floats (N, D) for points"
        )
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.is_floating_point():
        raise DataError(f"{part} of the data set {name} is {images.dtype}; it must be uint8, or floats in [-1, 1]")
    low, high = float(images.min()), float(images.max())
    if not -1 <= low <= high <= 1:  # also refuses NaN
        raise DataError(
            f"{part} of the data set {name} has floats from {low:g} to {high:g}; floats must be in [-1, 1]: scale "
            "them, or pass uint8"
        )
    return to_uint8(images.contiguous())


def _points(points: Tensor, name: str, *, part: str) -> Tensor:
    """float32 (N, D, 1, 1)."""
    if 0 in points.shape or not bool(points.isfinite().all()):
        raise DataError(f"{part} of the data set {name} has no points, or numbers that are not finite")
    return points.flatten(1).float().unsqueeze(-1).unsqueeze(-1).contiguous()


def _labels(value: Any, n: int, name: str, *, part: str = "labels") -> Tensor:
    """int64 (N,); zeros without labels."""
    if value is None:
        return torch.zeros(n, dtype=torch.int64)
    labels = _tensor(value, f"{part} of the data set {name}")
    if labels.shape != (n,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise DataError(
            f"{part} of the data set {name} has the shape {tuple(labels.shape)} and the type {labels.dtype}; it must "
            f"be {n:,} whole numbers, one for each image"
        )
    if int(labels.min()) < 0:
        raise DataError(f"{part} of the data set {name} has the label {int(labels.min())}; number the classes from 0")
    return labels.to(torch.int64)


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    try:
        return torch.from_numpy(np.ascontiguousarray(value))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is {type(value).__name__}; it must be a NumPy array or a tensor of numbers") from error


def _split(images: Tensor, labels: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hold out one image in `HELD_OUT_SHARE`."""
    n = len(images)
    if n < 2:
        raise DataError(f"the data set {name} has {n} image; at least 2 are needed, of which one is held out")
    order = torch.randperm(n, generator=rng.generator(0, "held-out"))
    first = max(1, n // HELD_OUT_SHARE)
    held_out, rest = order[:first].sort().values, order[first:].sort().values
    return images[rest], labels[rest], images[held_out], labels[held_out]

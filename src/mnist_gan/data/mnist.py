"""MNIST's four files: names, sizes, digests and mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TRAIN_IMAGES: Final = "train-images-idx3-ubyte"
TRAIN_LABELS: Final = "train-labels-idx1-ubyte"
HELD_OUT_IMAGES: Final = "t10k-images-idx3-ubyte"
HELD_OUT_LABELS: Final = "t10k-labels-idx1-ubyte"
FILE_NAMES: Final = (TRAIN_IMAGES, TRAIN_LABELS, HELD_OUT_IMAGES, HELD_OUT_LABELS)
"""The four files of MNIST's layout, which Fashion-MNIST, KMNIST and others share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """Size and digest of a published file."""

    content_bytes: int
    """Uncompressed size."""
    download_bytes: int
    """Size of the .gz file."""
    digest: str
    """sha256 of the uncompressed content."""


MNIST_FILES: Final[dict[str, PublishedFile]] = {
    TRAIN_IMAGES: PublishedFile(
        content_bytes=47_040_016,
        download_bytes=9_912_422,
        digest="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    TRAIN_LABELS: PublishedFile(
        content_bytes=60_008,
        download_bytes=28_881,
        digest="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    HELD_OUT_IMAGES: PublishedFile(
        content_bytes=7_840_016,
        download_bytes=1_648_877,
        digest="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    HELD_OUT_LABELS: PublishedFile(
        content_bytes=10_008,
        download_bytes=4_542,
        digest="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
"""MNIST's files as published by LeCun, Cortes and Burges, bit for bit."""

MIRRORS: Final = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""URLs of folders with the .gz files, in the order of attempts; the original site no longer answers."""


def is_mnist(digests: dict[str, str]) -> bool:
    """True if the digests (file name -> sha256 of the content) are those of MNIST's four files."""
    return digests == {name: file.digest for name, file in MNIST_FILES.items()}

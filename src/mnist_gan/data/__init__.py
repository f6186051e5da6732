"""Data sets on disk and in memory: strict IDX files, verified downloads, and batches on the device.

Names that need torch or are slow to import are imported on first use, so that `mnist-gan data` and the IDX reader work
without them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from mnist_gan.data.download import DownloadError, download_mnist
from mnist_gan.data.idx import idx_bytes, read_idx, write_idx
from mnist_gan.data.sources import DataLocation, FileStatus, data_status

if TYPE_CHECKING:
    from mnist_gan.data.arrays import DataSource, as_dataset
    from mnist_gan.data.dataset import Dataset, limit_training, load_dataset
    from mnist_gan.data.importing import from_arrays
    from mnist_gan.data.stream import ImageStream
    from mnist_gan.scaling import to_float, to_uint8

_ON_FIRST_USE: Final = {
    "Dataset": "mnist_gan.data.dataset",
    "DataSource": "mnist_gan.data.arrays",
    "as_dataset": "mnist_gan.data.arrays",
    "limit_training": "mnist_gan.data.dataset",
    "load_dataset": "mnist_gan.data.dataset",
    "from_arrays": "mnist_gan.data.importing",
    "ImageStream": "mnist_gan.data.stream",
    "to_float": "mnist_gan.scaling",
    "to_uint8": "mnist_gan.scaling",
}

__all__ = [
    "DataLocation",
    "DataSource",
    "Dataset",
    "DownloadError",
    "FileStatus",
    "ImageStream",
    "as_dataset",
    "data_status",
    "download_mnist",
    "from_arrays",
    "idx_bytes",
    "limit_training",
    "load_dataset",
    "read_idx",
    "to_float",
    "to_uint8",
    "write_idx",
]


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ON_FIRST_USE[name]), name)

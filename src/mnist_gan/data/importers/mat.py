"""MATLAB files: EMNIST's, with one structure `dataset`, and SVHN's, with arrays `X` and `y`."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.importers.base import MAX_BYTES, Choices, Part, Raw, check_bytes, damaged
from mnist_gan.data.importers.emnist import name_of
from mnist_gan.errors import DataError

MAGIC: Final = b"MATLAB 5.0 MAT-file"
HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
INSTALL: Final = 'pip install "mnist-gan[mat]"'
HEADER_BYTES: Final = 128
COMPRESSED: Final = 15
"""Type of an element that is compressed with zlib (MathWorks, "MAT-File Format", table 1-1)."""
PIECE: Final = 1 << 16
SVHN_ZERO: Final = 10
"""SVHN's label of the digit 0."""


def read(path: Path, choices: Choices) -> Raw:
    """Read EMNIST's structure or SVHN's arrays; a folder of SVHN has `train_32x32.mat` and `test_32x32.mat`.

    Raises:
        DataError: scipy is missing, or the file is damaged, of another layout or version, or expands beyond the limit.
    """
    training = path if path.is_file() else path / "train_32x32.mat"
    content = _load(training)
    if "dataset" in content:
        return _read_emnist(content["dataset"], path)
    if not {"X", "y"} <= content.keys():
        found = ", ".join(name for name in content if not name.startswith("__")) or "none"
        raise DataError(
            f"{path} has neither EMNIST's structure `dataset` nor SVHN's arrays X and y (its variables: {found}); "
            "save images and labels with numpy.savez"
        )
    test = training.with_name("test_32x32.mat")
    held_out = _svhn_part(_load(test), test) if path.is_dir() and test.is_file() else None
    return Raw(
        kind="SVHN's .mat",
        training=_svhn_part(content, training),
        held_out=held_out,
        notes=("the label 10 is the digit 0",),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DataError(f"{path} is a MATLAB file, which needs scipy; {INSTALL}") from error
    try:
        _check_expansion(path)
        content: dict[str, Any] = loadmat(path, variable_names=["dataset", "X", "y"])
    except DataError:
        raise
    except Exception as error:  # scipy raises all kinds of errors for damaged files
        raise damaged(
            path, "cannot be read as a MATLAB file", remedy="get it again, or save it with numpy.savez"
        ) from error
    return content


def _check_expansion(path: Path) -> None:
    """Decompress the elements piece by piece, without keeping them, to refuse a bomb before scipy reads it."""
    total = 0
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        order = "<" if header[126:128] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            total += _expanded(file, size) if kind == COMPRESSED else size
            check_bytes(total, path)
            if kind != COMPRESSED:
                file.seek(size, 1)


def _expanded(file: BinaryIO, size: int) -> int:
    """Size of the next `size` bytes of the file when decompressed, counted up to `MAX_BYTES`."""
    inflater, total = zlib.decompressobj(), 0
    while size > 0 and (piece := file.read(min(size, PIECE))):
        size -= len(piece)
        while piece and total <= MAX_BYTES:
            total += len(inflater.decompress(piece, PIECE * 16))
            piece = inflater.unconsumed_tail
    return total


def _read_emnist(dataset: Any, path: Path) -> Raw:
    try:
        mapping = {int(row[0]): name_of(int(code) for code in row[1:]) for row in dataset["mapping"][0, 0]}
        parts = [_emnist_part(dataset[name][0, 0], f"{name} of {path}") for name in ("train", "test")]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{path} has another structure than EMNIST's; get the file again") from error
    return Raw(kind="EMNIST's .mat", training=parts[0], held_out=parts[1], names=mapping, transposed=True)


def _emnist_part(part: Any, place: str) -> Part:
    images, labels = np.asarray(part["images"][0, 0]), np.asarray(part["labels"][0, 0])
    side = int(images.shape[1] ** 0.5)
    return Part(images=images.reshape(-1, side, side), labels=labels, place=place)


def _svhn_part(content: dict[str, Any], path: Path) -> Part:
    images: NDArray[Any] = np.asarray(content["X"])
    if images.ndim != 4:
        raise DataError(f"{path} has an array X of shape {images.shape}; expected height x width x 3 x images")
    labels = np.asarray(content["y"]).reshape(-1)
    return Part(images=images.transpose(3, 0, 1, 2), labels=np.where(labels == SVHN_ZERO, 0, labels), place=str(path))

"""Import a data set into the four-file layout: the importer is chosen by the content of the source, not by its name."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.foreign import recognize
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.importers import csv_file, idx_files, image_folders, mat, npz, parquet
from mnist_gan.data.importers.base import Choices, Fit, Part, Raw
from mnist_gan.data.importers.conversion import Prepared, prepare
from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES
from mnist_gan.data.provenance import PROVENANCE_NAME
from mnist_gan.errors import DataError
from mnist_gan.paths import user_path
from mnist_gan.storage import new_folder, write_bytes, write_json
from mnist_gan.text import pluralize, shorten

EXPECTED: Final = (
    "give an .npz, a CSV, IDX files, parquet, a .mat, or a folder of images by class (docs/data.md describes each)"
)
HEAD: Final = 1 << 12
"""Bytes of a file by which its format is recognized."""
IDX_KINDS: Final = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x04")
IMAGE_STARTS: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


def read_source(source: Path | str, choices: Choices | None = None) -> Prepared:
    """Read a file or folder, and bring it to the form of the layout. Nothing is written.

    Args:
        source: an `.npz`, a CSV, a file of IDX images, parquet, a `.mat`, or a folder of one of these or of images.
        choices: size and form of the images.

    Raises:
        DataError: the source is none of these or damaged, or its images and labels do not form a data set; one sentence
            with the file, the place in it and a remedy.
    """
    path, choices = user_path(source), choices or Choices()
    importer = _recognize(path)
    try:
        raw: Raw = importer.read(path, choices)
        return prepare(raw, choices)
    except MemoryError as error:
        raise DataError(f"{path} needs more memory than this machine has; use a part of it") from error
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read ({error.strerror or error}); check the file"
        ) from error


def write_data_set(
    prepared: Prepared, out: Path | str, *, source: Mapping[str, Any], files: Mapping[str, bytes] | None = None
) -> None:
    """Write the four IDX files and `provenance.json` as a new folder, which appears when it is complete.

    Args:
        prepared: from `read_source`.
        out: a new or empty folder.
        source: origin of the data for the record, as JSON values; see `describe_source`.
        files: further files of the folder, such as a preview.

    Raises:
        ConfigError: the folder is not empty.
        StorageError: a file cannot be written.
    """
    with new_folder(user_path(out)) as new:
        digests = write_idx_set(new, prepared.arrays)
        for name, content in (files or {}).items():
            write_bytes(new / name, content)
        write_json(
            new / PROVENANCE_NAME,
            {
                "what": "Images and labels imported into MNIST's layout.",
                "made_with": f"mnist-gan {version('mnist-gan')}",
                "source": dict(source),
                "format": prepared.kind,
                "steps": list(prepared.steps),
                "images": {
                    "training": len(prepared.arrays[TRAIN_IMAGES]),
                    "held_out": len(prepared.arrays[HELD_OUT_IMAGES]),
                    "shape": list(prepared.arrays[TRAIN_IMAGES].shape[1:]),
                },
                "class_names": list(prepared.class_names),
                "sha256": digests,
            },
        )


def from_arrays(
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    out: Path | str,
    held_out: tuple[NDArray[Any], NDArray[Any]] | None = None,
    class_names: Mapping[Any, str] | None = None,
    size: int | None = None,
    fit: Fit | None = None,
) -> Prepared:
    """Write arrays in memory as a data set, which `--data.dir` and `DataConfig(dir=...)` take.

    Args:
        images: (N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3; levels 0 to 255, or floats in [0, 1] or [-1, 1].
        labels: numbers or names (N,), numbers (N, 1), or one-hot (N, K).
        out: a new or empty folder.
        held_out: images and labels that are never trained on; None holds out a seventh of each class.
        class_names: label -> name of its class; None uses the labels.
        size: side of the images; None keeps theirs.
        fit: pad or resize, to reach `size`.

    Raises:
        ConfigError: the folder is not empty, or the size is out of range.
        DataError: images and labels do not form a data set.
        StorageError: a file cannot be written.
    """
    choices = Choices(size=size, fit=fit)
    for array in (images, labels, *(held_out or ())):
        if np.asarray(array).dtype.hasobject:
            raise DataError("an array holds Python objects, not numbers or texts; convert it with its method astype")
    test = None
    if held_out is not None:
        test = Part(
            images=np.asarray(held_out[0]), labels=np.asarray(held_out[1]), place="the array of held-out images"
        )
    training = Part(images=np.asarray(images), labels=np.asarray(labels), place="the array of images")
    raw = Raw(kind="arrays in memory", training=training, held_out=test, names=class_names or {})
    prepared = prepare(raw, choices)
    write_data_set(prepared, out, source={"what": "arrays in memory"})
    return prepared


def describe_source(path: Path | str) -> dict[str, Any]:
    """Name, number of files and sha256 of a source, for the record.

    The digest of several files is that of the list of their digests and names, as `sha256sum` prints it.
    """
    path = user_path(path)
    if path.is_file():
        return {"name": path.name, "files": 1, "sha256": _digest(path)}
    files = [file for file in _source_files(path) if file.is_file()]
    lines = "".join(f"{_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    digest = hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()
    return {"name": path.resolve().name, "files": len(files), "sha256": digest}


def describe(prepared: Prepared, out: Path) -> str:
    """Number of images and classes, and each step, a line each."""
    training, held_out = (len(prepared.arrays[name]) for name in (TRAIN_IMAGES, HELD_OUT_IMAGES))
    counts, names = prepared.counts, prepared.class_names
    return "\n".join(
        [
            f"{out}: {training:,} training and {held_out:,} held-out images from {prepared.kind}",
            f"  {pluralize(len(names), 'class', 'classes')}: {shorten(names)}; "
            f"{min(counts):,} to {max(counts):,} training images each",
            *(f"  {step}" for step in prepared.steps),
        ]
    )


def _source_files(folder: Path) -> Iterator[Path]:
    tables = [*idx_files.find_sets(folder), *csv_file.find_tables(folder), *folder.glob("*.mat")]
    if parquet.find_files(folder):
        yield from parquet.find_files(folder)
    elif tables:
        yield from (file for file in sorted(folder.iterdir()) if not file.name.startswith("."))
    else:
        yield from image_folders.files_of(folder)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recognize(path: Path) -> ModuleType:
    """The importer for a source.

    Raises:
        DataError: there is none, or the source is known to be something else.
    """
    if path.is_dir():
        return _recognize_folder(path)
    if not path.is_file():
        raise DataError(f"{path} {'is not a file' if path.exists() else 'does not exist'}; {EXPECTED}")
    head = _head(path)
    content = _inflate(head) if head.startswith(b"\x1f\x8b") else head
    for recognizes, importer in RECOGNIZERS:
        if recognizes(head) or (importer is idx_files and recognizes(content)):
            return importer
    found = recognize(content)
    if found is not None:
        raise DataError(f"{path} {found.clause}; {found.remedy}")
    raise DataError(f"{path} {_explain(content)}")


def _recognize_folder(folder: Path) -> ModuleType:
    if parquet.find_files(folder):
        return parquet
    if idx_files.find_sets(folder):
        return idx_files
    if (folder / "train_32x32.mat").is_file():
        return mat
    if csv_file.find_tables(folder):
        return csv_file
    if image_folders.has_images(folder):
        return image_folders
    for file in sorted(folder.iterdir()):
        found = recognize(_head(file)) if file.is_file() else None
        if found is not None:
            raise DataError(f"{file} {found.clause}; {found.remedy}")
    raise DataError(f"{folder} holds no data set that is recognized; {EXPECTED}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _inflate(head: bytes) -> bytes:
    """The first bytes of a gzip file's content."""
    try:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(head, HEAD)
    except zlib.error:
        return b""


def _explain(content: bytes) -> str:
    """Reason and remedy for a file that no importer reads."""
    if content.startswith(mat.HDF5_MAGIC):
        return "is an HDF5 file, as MATLAB 7.3 writes; save it again with the option -v7, or with numpy.savez"
    if content.startswith(b"\x93NUMPY"):
        return "is a single array; save images and labels in one file: numpy.savez('set.npz', images=..., labels=...)"
    if content.startswith(IMAGE_STARTS):
        return "is one image; name the folder of images by class"
    if b"," in content and _is_text(content):
        return "is a compressed CSV; unpack it first"
    return f"is not recognized; {EXPECTED}"


def _is_npz(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and b".npy" in head[30 : 30 + int.from_bytes(head[26:28], "little")]


def _is_text(head: bytes) -> bool:
    return bool(head) and not any(byte < 9 or 13 < byte < 32 for byte in head)


def _is_csv(head: bytes) -> bool:
    """Text with several fields in its first line."""
    line = head.split(b"\n", 1)[0]
    return _is_text(head) and max(line.count(mark) for mark in (b",", b";", b"\t")) > 2 and not recognize(head)


RECOGNIZERS: Final[tuple[tuple[Callable[[bytes], bool], ModuleType], ...]] = (
    (_is_npz, npz),
    (lambda head: head.startswith(parquet.MAGIC), parquet),
    (lambda head: head.startswith(mat.MAGIC), mat),
    (lambda head: head.startswith(IDX_KINDS), idx_files),
    (_is_csv, csv_file),
)
"""Test of a file's first bytes -> its importer."""

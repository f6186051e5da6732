"""Parquet files as on the Hugging Face hub: a column of image files, and a column of labels with their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mnist_gan.data.importers.base import (
    Choices,
    Part,
    Raw,
    check_bytes,
    damaged,
    decode_image,
    is_held_out_name,
    is_training_name,
    stack_images,
)
from mnist_gan.data.importers.sizes import bring_to_size
from mnist_gan.errors import DataError

MAGIC: Final = b"PAR1"
INSTALL: Final = 'pip install "mnist-gan[parquet]"'
IMAGE_COLUMNS: Final = ("image", "img", "picture")
LABEL_COLUMNS: Final = ("label", "labels", "class", "digit", "character", "fine_label", "target")
ROWS: Final = 16
"""Rows that are read at once: a dictionary in a small file may repeat a large value."""
MAX_ROWS: Final = 3_000_000
GET_AGAIN: Final = "download it again, and check that it arrived complete"


def read(path: Path, choices: Choices) -> Raw:
    """Read a file, or a folder's files of training and of test images.

    Raises:
        DataError: pyarrow is missing, a file is damaged, or it has no column of images or of labels.
    """
    files = [path] if path.is_file() else find_files(path)
    held_out = [file for file in files if len(files) > 1 and is_held_out_name(file.stem)]
    training = [
        file
        for file in files
        if file not in held_out and (path.is_file() or not held_out or is_training_name(file.stem))
    ]
    if not training:
        raise DataError(f"{path} has no parquet file of training images; name one that has")
    names = _class_names(training[0])
    test = [file for file in held_out if "test" in file.stem] or held_out
    left_out = [file.name for file in held_out if file not in test]
    return Raw(
        kind="parquet of the Hugging Face hub",
        training=_read_files(training, choices),
        held_out=_read_files(test, choices) if test else None,
        names=names,
        notes=(f"not used: {', '.join(left_out)}",) if left_out else (),
    )


def find_files(folder: Path) -> list[Path]:
    """Parquet files of a folder and of its folder `data`."""
    return sorted(file for place in (folder, folder / "data") if place.is_dir() for file in place.glob("*.parquet"))


def _open(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path} is a parquet file, which needs pyarrow; {INSTALL}") from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except Exception as error:  # Arrow raises all kinds of errors for damaged files
        raise damaged(path, "cannot be read as parquet", remedy=GET_AGAIN) from error


def _class_names(path: Path) -> dict[int, str]:
    """Names of the classes in the metadata of the hub; empty without them."""
    with _open(path) as file:
        schema = file.schema_arrow
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[_column(schema.names, LABEL_COLUMNS, path, "labels")]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {label: str(name) for label, name in enumerate(names)}


def _column(columns: Sequence[str], candidates: Sequence[str], path: Path, what: str) -> str:
    found = next((name for name in candidates if name in columns), None)
    if found is None:
        raise DataError(
            f"{path} has no column of {what} (its columns: {', '.join(columns[:12])}); name the column {candidates[0]}"
        )
    return found


def _read_files(files: Sequence[Path], choices: Choices) -> Part:
    images, labels, places, total = [], [], [], 0
    for path in files:
        for row, (content, label) in enumerate(_rows(path)):
            place = f"row {row:,} of {path}"
            if not isinstance(content, bytes):
                raise DataError(f"{place} has no image; remove the row")
            image = decode_image(content, place)
            if choices.size is not None:
                image = bring_to_size(image, choices.size, fit=choices.fit)
            total += image.nbytes
            check_bytes(total, path)
            images.append(image)
            labels.append(label)
            places.append(place)
    if not images:
        raise DataError(f"{files[0]} has no rows; {GET_AGAIN}")
    return Part(images=stack_images(images, places), labels=np.array(labels), place=str(files[0]))


def _rows(path: Path) -> Iterator[tuple[Any, Any]]:
    """Bytes of the image file, and label, of each row."""
    with _open(path) as file:
        if file.metadata.num_rows > MAX_ROWS:
            raise DataError(
                f"{path} states {file.metadata.num_rows:,} rows; at most {MAX_ROWS:,} can be read: use a part"
            )
        columns = file.schema_arrow.names
        image = _column(columns, IMAGE_COLUMNS, path, "images")
        label = _column(columns, LABEL_COLUMNS, path, "labels")
        try:
            for batch in file.iter_batches(batch_size=ROWS, columns=[image, label]):
                for row in batch.to_pylist():
                    value = row[image]
                    yield (value.get("bytes") if isinstance(value, dict) else value), row[label]
        except OSError as error:  # pyarrow.lib.ArrowException derives from it, or from ValueError
            raise damaged(path, "is damaged", remedy=GET_AGAIN) from error

"""CSV tables with one image in each row: its label, then its pixels, as on Kaggle; with or without a header."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.importers import emnist
from mnist_gan.data.importers.base import (
    Choices,
    Part,
    Raw,
    check_bytes,
    damaged,
    is_held_out_name,
    is_training_name,
)
from mnist_gan.errors import DataError
from mnist_gan.text import pluralize

MAX_LINE: Final = 1 << 23
"""Limit for a row, in bytes."""
ROWS: Final = 1_000
"""Rows that are parsed at once."""
LABEL_COLUMN: Final = re.compile(r"labels?|class(es)?|target|y|digit|letter|character|category", re.IGNORECASE)
PIXEL_COLUMN: Final = re.compile(r"[a-z_]*\d+([x_]\d+)?", re.IGNORECASE)
CHANNELS: Final = (1, 3)


class Columns(NamedTuple):
    """Columns of a table."""

    delimiter: str
    width: int
    label_last: bool
    has_header: bool

    def split(self, line: str) -> tuple[str, str]:
        """Split a row into its label and its pixels."""
        if self.label_last:
            pixels, _, label = line.rpartition(self.delimiter)
        else:
            label, _, pixels = line.partition(self.delimiter)
        return label.strip().strip('"'), pixels


def read(path: Path, choices: Choices) -> Raw:
    """Read a table, or a folder's table of training images and that of test images.

    Raises:
        DataError: a column is missing, a row differs from the first, or a value is no number; the message has its line.
    """
    training, held_out, notes = (path, None, ()) if path.is_file() else _tables(path)
    is_emnist = emnist.is_emnist(training)
    return Raw(
        kind="EMNIST's CSV" if is_emnist else "a CSV of labels and pixels",
        training=_read_table(training),
        held_out=None if held_out is None else _read_table(held_out),
        names=emnist.find_mapping(training) if is_emnist else {},
        transposed=is_emnist,
        notes=notes,
    )


def find_tables(folder: Path) -> list[Path]:
    """CSV files of a folder."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv" and file.is_file())


def _tables(folder: Path) -> tuple[Path, Path | None, tuple[str, ...]]:
    """Tables of training and of test images, and a note about a table that is left out."""
    tables = find_tables(folder)
    training = [table for table in tables if is_training_name(table.stem)] or tables
    if len(training) > 1:
        names = ", ".join(table.name for table in training)
        raise DataError(f"{folder} holds several tables ({names}); name the one of the training images")
    held_out = [table for table in tables if table != training[0] and is_held_out_name(table.stem)]
    if not held_out:
        return training[0], None, ()
    with held_out[0].open("rb") as first, training[0].open("rb") as other:
        unlabelled = _line(first, held_out[0], 1).count(",") < _line(other, training[0], 1).count(",")
    if unlabelled:  # as the test table of Kaggle's competition
        return training[0], None, (f"{held_out[0].name} has no labels and is not used",)
    return training[0], held_out[0], ()


def _read_table(path: Path) -> Part:
    with path.open("rb") as file:
        first = _line(file, path, 1)
        columns = _columns(first, path)
        if not columns.has_header:
            file.seek(0)
        labels, pieces = _parse(_rows(file, path, columns), columns, path)
    pixels = np.concatenate(pieces)
    side, channels = _shape(columns.width - 1) or (0, 0)
    shape = (len(pixels), side, side) if channels == 1 else (len(pixels), side, side, channels)
    return Part(images=pixels.reshape(shape), labels=np.array(labels), place=str(path))


def _line(file: BinaryIO, path: Path, number: int) -> str:
    """The next line, without its end; empty at the end of the file."""
    content = file.readline(MAX_LINE)
    try:
        text = content.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"is not text in line {number:,}", remedy="save it as CSV in UTF-8") from error
    if "\0" in text or len(content) == MAX_LINE:
        raise damaged(path, f"is no table in line {number:,}", remedy="save it as CSV, with one image in each row")
    return text.rstrip("\r\n")


def _columns(first: str, path: Path) -> Columns:
    """The columns of a table, from its first line.

    Raises:
        DataError: there is no column of labels, or the other columns are not the pixels of square images.
    """
    delimiter = max(",;\t", key=first.count)
    fields = [field.strip().strip('"') for field in first.split(delimiter)]
    has_header = len(fields) > 1 and not _is_number(fields[1])
    ends = [has_header and bool(LABEL_COLUMN.fullmatch(field)) for field in (fields[0], fields[-1])]
    are_pixels = has_header and bool(PIXEL_COLUMN.fullmatch(fields[0]))
    one_too_few = _shape(len(fields)) is not None and _shape(len(fields) - 1) is None
    if len(fields) > 1 and not any(ends) and (are_pixels or one_too_few):
        raise DataError(
            f"{path} has no column of labels: its {pluralize(len(fields), 'column')} are pixels; add a column `label` "
            "before them, or name the table of the training images"
        )
    if _shape(len(fields) - 1) is None:
        raise DataError(
            f"{path}, line 1, has {pluralize(len(fields), 'column')}; expected a label and the pixels of a square "
            "image, such as 785 for 28 x 28: add the missing columns"
        )
    return Columns(delimiter, len(fields), ends == [False, True], has_header)


def _shape(pixels: int) -> tuple[int, int] | None:
    """Side and channels of a square image, or None."""
    for channels in CHANNELS:
        side = math.isqrt(pixels // channels)
        if side > 1 and side * side * channels == pixels:
            return side, channels
    return None


def _rows(file: BinaryIO, path: Path, columns: Columns) -> Iterator[tuple[int, str]]:
    """Number and text of each row; rows without content are skipped."""
    number = int(columns.has_header)
    while True:
        number += 1
        position = file.tell()
        line = _line(file, path, number)
        if not line and file.tell() == position:
            return
        if not line.strip():
            continue
        count = line.count(columns.delimiter) + 1
        if count != columns.width:
            raise DataError(
                f"{path}, line {number:,}, has {pluralize(count, 'column')}, but line 1 has {columns.width:,}; "
                "complete the row, or get the file again"
            )
        yield number, line


def _parse(rows: Iterator[tuple[int, str]], columns: Columns, path: Path) -> tuple[list[str], list[NDArray[Any]]]:
    """Labels, and pixels in pieces: uint8 where all values are whole numbers from 0 to 255."""
    labels: list[str] = []
    pieces: list[NDArray[Any]] = []
    pending: list[str] = []
    first, total = 0, 0
    for number, line in rows:
        label, pixels = columns.split(line)
        if not label:
            raise DataError(f"{path}, line {number:,}, has no label; complete the row, or remove it")
        first = first if pending else number
        labels.append(label)
        pending.append(pixels)
        if len(pending) == ROWS:
            pieces.append(_numbers(pending, columns, path, first))
            total += pieces[-1].nbytes
            check_bytes(total, path)
            pending = []
    if pending:
        pieces.append(_numbers(pending, columns, path, first))
    if not pieces:
        raise DataError(f"{path} has no rows of images; get the file again")
    return labels, pieces


def _numbers(lines: Sequence[str], columns: Columns, path: Path, first: int) -> NDArray[Any]:
    try:
        values: NDArray[Any] = np.loadtxt(
            lines, dtype=np.float32, delimiter=columns.delimiter, ndmin=2, quotechar='"', comments=None
        )
    except ValueError as error:
        bad = next((k for k, line in enumerate(lines) if not all(map(_is_number, line.split(columns.delimiter)))), 0)
        value = next((v for v in lines[bad].split(columns.delimiter) if not _is_number(v)), "")
        raise DataError(
            f"{path}, line {first + bad:,}, has the pixel {value[:20]!r}, which is no number; correct it, or get the "
            "file again"
        ) from error
    small = values.astype(np.uint8, casting="unsafe") if values.min() >= 0 and values.max() <= 255 else None
    return small if small is not None and bool((small == values).all()) else values


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True

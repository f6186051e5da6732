"""EMNIST's peculiarities: images are stored transposed, and a mapping gives the characters of the labels.

Cohen et al. 2017, "EMNIST: an extension of MNIST to handwritten letters", and the read-me of its files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mnist_gan.errors import DataError

TRANSPOSED: Final = "EMNIST stores images transposed: rows and columns were exchanged, so that they stand upright"
MAX_BYTES: Final = 1 << 16


def is_emnist(path: Path) -> bool:
    """True for the name of a file of EMNIST, such as `emnist-letters-train.csv`; the content looks like MNIST's."""
    return path.name.lower().startswith("emnist-")


def find_mapping(path: Path) -> dict[int, str]:
    """Names of the labels: from the mapping beside EMNIST's file, or from the name of its part.

    Args:
        path: a file of EMNIST, such as `emnist-letters-train-images-idx3-ubyte.gz`.
    """
    part = path.name.lower().split("-")[1]
    beside = [path.with_name(f"emnist-{part}-mapping.txt"), path.parent.parent / f"emnist-{part}-mapping.txt"]
    mapping = next((file for file in beside if file.is_file()), None)
    if mapping is not None:
        return read_mapping(mapping)
    if part == "letters":
        return {label: name_of((64 + label, 96 + label)) for label in range(1, 27)}
    return {}


def read_mapping(path: Path) -> dict[int, str]:
    """Read lines of a label and the codes of its characters, such as `1 65 97`.

    Raises:
        DataError: a line has another form.
    """
    with path.open("rb") as file:
        lines = file.read(MAX_BYTES).splitlines()
    names = {}
    for number, line in enumerate(lines, start=1):
        try:
            label, *codes = map(int, line.split())
            names[label] = name_of(codes)
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}, is not a label with the codes of its characters; get the file again"
            ) from error
    return names


def name_of(codes: Iterable[int]) -> str:
    """Characters of a class, such as `Aa`."""
    return "".join(map(chr, codes))

"""`provenance.json`: the record beside the four IDX files of an imported or a drawn data set, with its class names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mnist_gan.errors import ConfigError, DataError
from mnist_gan.storage import read_regular
from mnist_gan.text import parse_json, shorten

PROVENANCE_NAME: Final = "provenance.json"
MAX_BYTES: Final = 1 << 20
MAX_CLASS_NAMES: Final = 1_000
MAX_CLASS_NAME: Final = 100
"""Characters of the name of a class."""


def default_class_names(num_classes: int) -> tuple[str, ...]:
    """Names of classes that have none: their numbers."""
    return tuple(map(str, range(num_classes)))


def read_class_names(folder: Path, digests: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the classes 0, 1, ... of the data set in `folder`; empty without a record, or if it states none.

    Args:
        folder: holds the four IDX files.
        digests: file name -> sha256 of the files that were read.

    Raises:
        DataError: the record is damaged, or belongs to other files.
    """
    path = folder / PROVENANCE_NAME
    if not path.exists():
        return ()
    remedy = "import the data again, or delete this file to go on without names of classes"
    try:
        record = dict(parse_json(read_regular(path, most=MAX_BYTES)))
        names = check_class_names(record.get("class_names", []))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; {remedy}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}; {remedy}") from error
    if names and record.get("sha256") != dict(digests):
        raise DataError(f"{path} belongs to other files than those beside it: their digests differ; {remedy}")
    return names


def find_class(text: str, names: Sequence[str]) -> int:
    """Find a class by its name, in any case if that is clear, or by its number.

    Raises:
        ConfigError: an unknown class.
    """
    alike = [label for label, name in enumerate(names) if name.casefold() == text.casefold()]
    if text in names:
        return names.index(text)
    if len(alike) == 1:
        return alike[0]
    if text.isascii() and text.isdigit() and int(text) < len(names):
        return int(text)
    near = difflib.get_close_matches(text, names, n=1)
    shown = f"did you mean {near[0]}?" if near else f"the model draws {shorten(names)}"
    raise ConfigError(f"there is no class {text!r}; {shown}")


def check_class_names(names: Any) -> tuple[str, ...]:
    """Check the class names of an untrusted file.

    Raises:
        ValueError: they are not up to 1,000 different printable texts.
    """
    if not isinstance(names, Sequence) or isinstance(names, str) or len(names) > MAX_CLASS_NAMES:
        raise ValueError(f"its class names are not a list of up to {MAX_CLASS_NAMES:,}")
    for name in names:
        if not (type(name) is str and 0 < len(name) <= MAX_CLASS_NAME and name.isprintable() and name == name.strip()):
            raise ValueError(f"a class name is not a printable text of 1 to {MAX_CLASS_NAME} characters")
    if len(set(names)) < len(names):
        raise ValueError("two of its classes have the same name")
    return tuple(names)

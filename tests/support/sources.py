"""Small data sets in the formats in which others publish theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_gan.data.importers.base import Choices
from mnist_gan.data.importers.conversion import Prepared
from mnist_gan.data.importing import read_source
from mnist_gan.errors import DataError


def images(n: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random images of 0 to 255, (n, *shape), 8x8 by default."""
    return np.random.default_rng(seed).integers(0, 256, (n, *(shape or (8, 8)))).astype(np.uint8)


def write_csv(path: Path, pixels: NDArray[Any], labels: Any, *, header: bool = True, last: bool = False) -> Path:
    """A table as on Kaggle: the label, then the pixels."""
    names = [f"pixel{k}" for k in range(pixels[0].size)]
    rows = [[str(value) for value in image.ravel().tolist()] for image in pixels]
    lines = [
        ",".join([*row, str(label)] if last else [str(label), *row]) for label, row in zip(labels, rows, strict=True)
    ]
    first = [",".join([*names, "label"] if last else ["label", *names])] if header else []
    path.write_text("\n".join([*first, *lines]) + "\n")
    return path


def read(path: Path, **choices: Any) -> Prepared:
    """Read a source with some choices."""
    return read_source(path, Choices(**choices))


def refusal(path: Path, **choices: Any) -> str:
    """The one sentence with which a source is refused; it names the source."""
    with pytest.raises(DataError) as caught:
        read(path, **choices)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert "; " in message or ": " in message
    return message

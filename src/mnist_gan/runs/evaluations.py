"""metrics-<protocol>.jsonl: results of evaluations, one line per evaluation and judge.

A line identifies its evaluation by the digests of weights or images and of the judge, the data and the seed. Repeating
an evaluation replaces its line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mnist_gan.errors import ArtifactError
from mnist_gan.storage import read_regular, write_text
from mnist_gan.text import parse_json

IDENTITY: Final = ("sha256", "data", "protocol", "seed", "judge", "judge_sha256")
"""Fields that identify an evaluation."""
MAX_BYTES: Final = 1 << 24


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a file; empty if there is no file.

    Raises:
        ArtifactError: a line is not an evaluation, or the file cannot be read.
    """
    try:
        lines = read_regular(path, most=MAX_BYTES).decode().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    return [_parse(line, path) for line in lines if line.strip()]


def add_evaluations(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to a file, or replace those of the same evaluation.

    Figures that only the earlier row has are kept, such as GAN-train, which is measured on request: the same evaluation
    gives the same figures.

    Raises:
        ArtifactError: the file is not such a file; it is left unchanged.
        StorageError: the file cannot be written.
    """
    kept = {_identity(row): row for row in read_evaluations(path)}
    for row in rows:
        key = _identity(row)
        earlier = kept.pop(key, {})
        kept[key] = {**earlier, **row}
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in kept.values()))


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(field) for field in IDENTITY)


def _parse(line: str, path: Path) -> dict[str, Any]:
    try:
        row = parse_json(line)
        if isinstance(row, dict) and all(isinstance(row.get(field), str | int) for field in IDENTITY):
            return row
    except (ValueError, RecursionError):
        pass
    raise ArtifactError(
        f"{path} is damaged or not written by mnist-gan: the line that begins {line[:40]!r} is not an evaluation; "
        "remove that line or rename the file"
    )

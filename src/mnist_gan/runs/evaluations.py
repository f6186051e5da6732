"""metrics-<protocol>.jsonl: what evaluations found, one line an evaluation and judge.

A line says what its figures are figures of (digests of the weights or images and of the judge, data, seed); the same
evaluation made again takes the place of its line instead of standing beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mnist_gan.errors import ArtifactError
from mnist_gan.storage import write_text

IDENTITY: Final = ("sha256", "data", "protocol", "seed", "judge", "judge_sha256")
"""The fields that make two lines the same evaluation."""


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, in order; none where there is no file.

    Raises:
        ArtifactError: a line is no evaluation, or the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    return [_parse(line, path) for line in lines if line.strip()]


def add_evaluations(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to a file, made if it is not there; a row of the same identity is replaced.

    What an earlier row knew and the new one does not (GAN-train takes minutes, and is made on request) is kept: the
    same evaluation gives the same figures.

    Raises:
        ArtifactError: the file there is not such a file; it is left alone.
        StorageError: the system refused.
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
        row = json.loads(line)
        if isinstance(row, dict) and all(isinstance(row.get(field), str | int) for field in IDENTITY):
            return row
    except (ValueError, RecursionError):
        pass
    raise ArtifactError(
        f"{path} is damaged, or not of this system: the line that begins {line[:40]!r} is no evaluation; "
        "remove that line or rename the file"
    )

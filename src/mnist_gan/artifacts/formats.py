"""Format versions of stored files: an older version is migrated on reading, a newer one is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mnist_gan.errors import ArtifactError

Description: TypeAlias = dict[str, Any]
Migration: TypeAlias = Callable[[Description], Description]
"""Turns a description of one version into one of the next."""


class NewerFormatError(ArtifactError):
    """A newer release wrote the file."""


def migrate(
    description: Description, *, path: Path, kind: str, version: int, migrations: Mapping[int, Migration]
) -> Description:
    """Bring a stored description to the current format version, one version at a time.

    Args:
        description: as stored, with its `format_version`.
        path: of the checkpoint or model, for the error.
        kind: "checkpoint" or "model", for the error.
        version: the current version.
        migrations: each older version -> its migration to the next.

    Raises:
        NewerFormatError: a newer release wrote it.
        ValueError: it has no valid `format_version`.
    """
    stored = description.get("format_version")
    if type(stored) is not int or stored < 1:
        raise ValueError("it has no valid format_version")
    if stored > version:
        raise NewerFormatError(
            f"{path} has {kind} format {stored}; this release reads formats up to {version}: "
            "use the release of mnist-gan that wrote it, or a newer one"
        )
    for older in range(stored, version):
        description = {**migrations[older](description), "format_version": older + 1}
    return description

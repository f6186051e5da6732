"""The pictures at the end of a run: animation of the samples, learning curves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mnist_gan.artifacts.animation import animate_samples
from mnist_gan.artifacts.curves import save_curves
from mnist_gan.errors import ArtifactError, StorageError
from mnist_gan.runs.directory import RunDirectory

logger = logging.getLogger(__name__)


def draw_pictures(directory: RunDirectory, rows: Sequence[Mapping[str, Any]], *, floors: Mapping[str, float]) -> None:
    """Write training.gif, training.webp and curves.png; failures are logged and do not affect the run."""
    try:
        animate_samples(directory.samples, directory.animation, directory.animation_webp)
        save_curves(directory.curves, rows, title=directory.name, floors=floors)
    except (ArtifactError, StorageError) as error:
        logger.warning(error)

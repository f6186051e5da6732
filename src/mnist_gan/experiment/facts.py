"""What a model is told of the run that made it, for its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mnist_gan.data import Dataset
from mnist_gan.runs.directory import RunDirectory


def facts_of_run(directory: RunDirectory, dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the run learned from, how long so far, and on what machine, as its environment.json says; without paths."""
    images = f"{len(dataset.images):,} training images of {dataset.name}, {dataset.num_classes} classes"
    train_sec = sum(row.get("Timing/train_sec", 0.0) for row in rows)
    facts: dict[str, Any] = {"data_source": images, "train_sec": train_sec}
    try:
        recorded = dict(json.loads(directory.environment.read_bytes()))
    except (OSError, ValueError):  # a card says less then; a run is resumed only where the file is whole
        return facts
    return facts | {name: recorded[name] for name in ("device", "processor", "versions") if name in recorded}

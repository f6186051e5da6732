"""The rows of the table, in its order."""

from __future__ import annotations

import gc
import importlib
from typing import Final

from tests.campaign import (
    crashes,
    damage,
    disk_full,
    endurance,
    fallback,
    fuzz,
    hostile,
    kills,
    mirrors,
    nonfinite,
    places,
    resumes,
    signals,
    versions,
)
from tests.campaign.tally import Row

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        kills.ROW,
        resumes.ROW,
        crashes.ROW,
        signals.ROW,
        disk_full.ROW,
        damage.ROW,
        fallback.ROW,
        nonfinite.ROW,
        hostile.ROW,
        fuzz.ROW,
        mirrors.ROW,
        places.ROW,
        versions.ROW,
        endurance.ROW,
    )
}


def load_what_victims_need() -> None:
    """Import it once, before any fork; no tensor is computed here, since that would start threads."""
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # which imports half of torch
    Image.init()
    commands = (f"cli.commands.{name}" for name in ("resume", "train", "score", "sample", "evaluate", "runs"))
    for name in ("experiment", "assessment", "cli.running", "cli.progress", "cli.lookup", *commands):
        importlib.import_module(f"mnist_gan.{name}")
    gc.collect()
    gc.freeze()  # so that no victim copies memory only to look for garbage in it

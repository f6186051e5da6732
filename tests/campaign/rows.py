"""The rows of the table, in order."""

from __future__ import annotations

import codecs
import gc
import importlib
from typing import Final

from tests.campaign import (
    access,
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
        access.ROW,
        versions.ROW,
        endurance.ROW,
    )
}


def preload() -> None:
    """Import the modules of the victims before any fork; computes no tensor, which would start threads."""
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    Image.init()
    for encoding in ("utf-8-sig", "utf-16"):
        codecs.lookup(encoding)  # imported at its first use, when a victim may no longer read Python's own files
    commands = (f"cli.commands.{name}" for name in ("resume", "train", "score", "sample", "evaluate", "runs"))
    for name in ("experiment", "assessment", "cli.running", "cli.progress", "cli.lookup", *commands):
        importlib.import_module(f"mnist_gan.{name}")
    gc.collect()
    gc.freeze()  # a collection in a victim does not touch, and so does not copy, the shared memory

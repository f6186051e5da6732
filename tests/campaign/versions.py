"""Stored checkpoints and models of format version 1 and of a newer version."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import command, fork

from mnist_gan.errors import ArtifactError

STORED: Final = Path(__file__).resolve().parent / "stored"


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Restore and resume the stored files of version 1, and load those of version 2, which is refused."""
    del scale  # the number of stored files is fixed
    run = copy_version_1(folder)
    _restore_and_resume(tally, run)
    _load_newer(tally, run, folder)


def copy_version_1(folder: Path) -> Path:
    """Copy the stored run of format version 1, with the path to its data corrected."""
    shutil.copytree(STORED / "version-1", folder / "older")
    recipe = folder / "older" / "run" / "config.toml"
    lines = recipe.read_text().splitlines()
    recipe.write_text(
        "\n".join(f"dir = '{folder / 'older' / 'data'}'" if line.startswith("dir =") else line for line in lines)
    )
    return folder / "older" / "run"


def _restore_and_resume(tally: Tally, run: Path) -> None:
    checkpoint = run / "checkpoints" / "nimg-0000000064"
    stored = json.loads((checkpoint / "state.json").read_text())
    tally.check(stored["format_version"] == 1, "the stored checkpoint is not of version 1")
    result = fork(partial(_differences, run, checkpoint))
    tally.check(result.value == [], f"a checkpoint of version 1: {result.value or result.last_line}")
    sample = command("sample", "--run", run, "--n", 10, "--out", run / "digits.png")
    result = fork(sample)
    tally.check(result.code == 0, f"a model of version 1: {result}")
    result = fork(command("resume", run))
    newest = sorted((run / "checkpoints").iterdir())[-1]
    cur_nimg = json.loads((newest / "state.json").read_text())["cur_nimg"]
    tally.check(result.code == 0 and cur_nimg == 160, f"a run of version 1: {result}")
    result = fork(sample)
    tally.check(result.code == 0, f"a model after a run of version 1: {result}")


def _differences(run: Path, checkpoint: Path) -> list[str]:
    """Names of tensors and counters that differ between the stored checkpoint and the restored state."""
    import safetensors.torch
    import torch

    from mnist_gan.artifacts.checkpoints import restore_checkpoint
    from mnist_gan.experiment.setup import set_up
    from mnist_gan.runs.directory import RunDirectory

    with set_up(RunDirectory(run).read_config()) as setup:
        state = setup.state
    restore_checkpoint(checkpoint, state)
    stored = safetensors.torch.load((checkpoint / "state.safetensors").read_bytes())
    differing = [name for name, tensor in state.tensors().items() if not torch.equal(tensor, stored[name])]
    expected: dict[str, Any] = {"cur_nimg": 64, "step": 4, "last_tick_nimg": 64, "lr_scale": 1.0, "rollbacks": 0}
    return differing + [name for name, value in expected.items() if state.counters()[name] != value]


def _load_newer(tally: Tally, run: Path, folder: Path) -> None:
    newer = run / "checkpoints" / "nimg-0000009600"
    shutil.copytree(STORED / "version-2" / "checkpoint", newer)
    before = sorted(path.name for path in (run / "checkpoints").iterdir())
    result = fork(command("resume", run))
    named = f"{newer} has checkpoint format 2" in result.output and "use the release" in result.output
    kept = sorted(path.name for path in (run / "checkpoints").iterdir()) == before
    tally.check(result.code == ArtifactError.exit_code and named and kept, f"a newer checkpoint: {result}")
    model = folder / "newer-model"
    shutil.copytree(STORED / "version-2" / "model", model)
    sample = command("sample", "--run", model, "--out", folder / "x.png")
    result = fork(sample)
    named = "has model format 2" in result.output and "use the release" in result.output
    tally.check(result.code == ArtifactError.exit_code and named, f"a newer model: {result}")
    manifest = model / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    result = fork(sample)
    named = "manifest version 2" in result.output
    tally.check(result.code == ArtifactError.exit_code and named, f"a newer manifest: {result}")


ROW = Row(
    name="versions",
    provoked="a stored run, checkpoint and model of format version 1, and a checkpoint, a model and a manifest of a "
    "newer version",
    holds="version 1 is restored bit for bit and resumed; a newer version is refused by its number, and no older "
    "checkpoint is used in its place",
    inject=inject,
)

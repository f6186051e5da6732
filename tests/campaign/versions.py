"""Checkpoints and models of an older format version, and of a newer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import command, fork

from mnist_gan.errors import ArtifactError

STORED: Final = Path(__file__).resolve().parents[2] / "tests" / "faults" / "stored"


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Files that are stored with the tests, as another release left them."""
    del scale  # there are as many as there are
    run = copy_of_version_1(folder)
    _migrated(tally, run)
    _refused(tally, run, folder)


def copy_of_version_1(folder: Path) -> Path:
    """The stored run of format version 1, where its data can be found."""
    shutil.copytree(STORED / "version-1", folder / "older")
    recipe = folder / "older" / "run" / "config.toml"
    lines = recipe.read_text().splitlines()
    recipe.write_text(
        "\n".join(f"dir = '{folder / 'older' / 'data'}'" if line.startswith("dir =") else line for line in lines)
    )
    return folder / "older" / "run"


def _migrated(tally: Tally, run: Path) -> None:
    checkpoint = run / "checkpoints" / "nimg-0000000064"
    stored = json.loads((checkpoint / "state.json").read_text())
    tally.check(
        stored["format_version"] == 1 and "rollbacks" not in stored, "the stored checkpoint is not of version 1"
    )
    ended = fork(lambda: _restored(run, checkpoint))
    tally.check(ended.value == [], f"a checkpoint of version 1: {ended.value or ended.said}")
    ended = fork(command("sample", "--run", run, "--n", 10, "--out", run / "digits.png"))
    tally.check(ended.code == 0, f"a model of version 1: exit code {ended.code}: {ended.said}")
    ended = fork(command("resume", run))
    newest = sorted((run / "checkpoints").iterdir())[-1]
    version = json.loads((newest / "state.json").read_text())["format_version"]
    tally.check(ended.code == 0 and version == 2, f"a run of version 1: exit code {ended.code}: {ended.said}")
    ended = fork(command("sample", "--run", run, "--n", 10, "--out", run / "digits.png"))
    tally.check(ended.code == 0, f"a model after a run of version 1: exit code {ended.code}: {ended.said}")


def _restored(run: Path, checkpoint: Path) -> list[str]:
    """What differs between the stored tensors and those restored, and between the clocks."""
    import safetensors.torch
    import torch

    from mnist_gan.artifacts.checkpoints import restore_checkpoint
    from mnist_gan.experiment.setup import set_up
    from mnist_gan.runs.directory import RunDirectory

    state = set_up(RunDirectory(run).read_config()).state
    restore_checkpoint(checkpoint, state)
    stored = safetensors.torch.load((checkpoint / "state.safetensors").read_bytes())
    differing = [name for name, tensor in state.tensors().items() if not torch.equal(tensor, stored[name])]
    expected: dict[str, Any] = {"cur_nimg": 64, "step": 4, "last_tick_nimg": 64, "lr_scale": 1.0, "rollbacks": 0}
    return differing + [name for name, value in expected.items() if state.counters()[name] != value]


def _refused(tally: Tally, run: Path, folder: Path) -> None:
    newer = run / "checkpoints" / "nimg-0000009600"
    shutil.copytree(STORED / "version-3" / "checkpoint", newer)
    before = sorted(path.name for path in (run / "checkpoints").iterdir())
    ended = fork(command("resume", run))
    named = f"{newer} has checkpoint format 3" in ended.output and "use the release" in ended.output
    kept = sorted(path.name for path in (run / "checkpoints").iterdir()) == before
    tally.check(
        ended.code == ArtifactError.exit_code and named and kept, f"a newer checkpoint: {ended.code}: {ended.said}"
    )
    model = folder / "newer-model"
    shutil.copytree(STORED / "version-3" / "model", model)
    ended = fork(command("sample", "--run", model, "--out", folder / "x.png"))
    named = "has model format 3" in ended.output and "use the release" in ended.output
    tally.check(ended.code == ArtifactError.exit_code and named, f"a newer model: {ended.code}: {ended.said}")
    manifest = model / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    ended = fork(command("sample", "--run", model, "--out", folder / "x.png"))
    named = "manifest version 2" in ended.output
    tally.check(ended.code == ArtifactError.exit_code and named, f"a newer manifest: {ended.code}: {ended.said}")


ROW = Row(
    name="versions",
    provoked="a run, a checkpoint and a model of format version 1, and of a version to come, stored with the tests",
    holds="the older are migrated, bit for bit, and go on; the newer are refused by the name of their version, "
    "and nothing "
    "is taken in their place",
    play=play,
)

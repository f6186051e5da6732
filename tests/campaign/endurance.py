"""Ten thousand steps: memory, open files and threads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork, resident_bytes
from tests.campaign.workspace import BATCH, make_data, tiny_config

from mnist_gan import experiment
from mnist_gan.training import Tick

ALLOWED_BYTES = 16 << 20
"""Allowed growth in the second half: a thousandth of a leak of one tensor per step."""


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Train with rows, checkpoints, samples and TensorBoard, and measure at every tenth of the run."""
    steps = scale.count("FAULTS_STEPS", full=10_000, short=300)
    measured = fork(partial(_train, make_data(folder / "data"), folder / "runs", steps), timeout=1800).returned()
    resident, files, threads = measured["resident"], measured["files"], measured["threads"]
    half = len(resident) // 2
    growth = max(resident[half:]) - max(resident[: half + 1])
    tally.tried = measured["steps"]
    if growth > ALLOWED_BYTES:
        tally.lost.append(
            f"memory grew by {growth >> 20} MB in the second half: {[value >> 20 for value in resident]} MB"
        )
    if len(set(files[1:])) > 1 or len(set(threads[1:])) > 1:
        tally.lost.append(f"the number of open files {files} or threads {threads} changed")
    tally.remarks.append(
        f"memory {resident[1] / 2**20:,.0f} MB after a tenth, {resident[-1] / 2**20:,.0f} MB at the end"
    )
    tally.remarks.append(f"{files[1]} file descriptors after a tenth, {files[-1]} at the end")


def _train(data: Path, runs: Path, steps: int) -> dict[str, Any]:
    config = tiny_config(data, steps=steps, tick_nimg=BATCH * 10, checkpoint_nimg=BATCH * 25, tensorboard=True)
    measured: dict[str, Any] = {"resident": [], "files": [], "threads": []}

    def measure(tick: Tick) -> None:
        measured["steps"] = tick.step
        if tick.step * 10 // steps > len(measured["resident"]) - 1:
            measured["resident"].append(resident_bytes())
            measured["files"].append(len(list(Path("/proc/self/fd").iterdir())))
            measured["threads"].append(len(list(Path("/proc/self/task").iterdir())))

    experiment.run(config, name="long", runs_dir=runs, observer=experiment.Observer(tick=measure))
    return measured


ROW = Row(
    name="endurance",
    provoked="steps of one run, with rows, checkpoints, samples and TensorBoard",
    holds="memory and the number of file descriptors are constant",
    inject=inject,
)

"""Ten thousand steps: does memory grow, are files left open?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.world import BATCH, make_data, tiny, with_run

from mnist_gan import experiment
from mnist_gan.training import Tick

ALLOWED_BYTES = 16 << 20
"""By how much the second half may grow: a thousandth of what one tensor leaked in every step would take."""


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """A run with rows, checkpoints, samples and TensorBoard; measured at every tenth of it."""
    steps = scale.count("FAULTS_STEPS", full=10_000, short=300)
    data = make_data(folder / "data")
    ended = fork(lambda: _victim(data, folder / "runs", steps), timeout=1800)
    if ended.value is None:
        raise RuntimeError(ended.output)
    resident, files, threads = ended.value["resident"], ended.value["files"], ended.value["threads"]
    half = len(resident) // 2
    grown = max(resident[half:]) - max(resident[: half + 1])
    tally.tried = ended.value["steps"]
    if grown > ALLOWED_BYTES:
        tally.lost.append(
            f"memory grew by {grown >> 20} MB in the second half: {[value >> 20 for value in resident]} MB"
        )
    if len(set(files[1:])) > 1 or len(set(threads[1:])) > 1:
        tally.lost.append(f"open files {files}, threads {threads}")
    tally.remarks.append(
        f"memory {resident[1] / 2**20:,.0f} MB after a tenth, {resident[-1] / 2**20:,.0f} MB at the end"
    )
    tally.remarks.append(f"{files[1]} file descriptors after a tenth, {files[-1]} at the end")


def _victim(data: Path, runs: Path, steps: int) -> dict[str, Any]:
    config = with_run(
        tiny(data, steps=steps), tick_nimg=BATCH * 10, checkpoint_nimg=BATCH * 25, tensorboard=True, evaluate=False
    )
    measured: dict[str, Any] = {"resident": [], "files": [], "threads": []}

    def look(tick: Tick) -> None:
        measured["steps"] = tick.step
        if tick.step * 10 // steps > len(measured["resident"]) - 1:
            measured["resident"].append(
                int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            )
            measured["files"].append(len(list(Path("/proc/self/fd").iterdir())))
            measured["threads"].append(len(list(Path("/proc/self/task").iterdir())))

    experiment.run(config, name="long", runs_dir=runs, observer=experiment.Observer(tick=look))
    return measured


ROW = Row(
    name="endurance",
    provoked="steps of one run, with rows, checkpoints, samples and TensorBoard",
    holds="memory and file descriptors are level",
    play=play,
)

"""A training stopped after each of its steps, for every objective, with averaging and without."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.world import STEPS, footprint, make_data, tiny

from mnist_gan import experiment
from mnist_gan.config import ObjectiveConfig

OBJECTIVES: Final = {
    "minimax": ObjectiveConfig(loss="minimax"),
    "non-saturating with lazy R1": ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=3),
    "least squares with smoothed labels": ObjectiveConfig(loss="least_squares", label_smoothing=0.1),
    "hinge": ObjectiveConfig(loss="hinge"),
    "Wasserstein with a gradient penalty": ObjectiveConfig(loss="wasserstein", gp_lambda=10.0),
    "Wasserstein with clipped weights": ObjectiveConfig(loss="wasserstein", weight_clip=0.01),
    "relativistic with R1 and R2": ObjectiveConfig(loss="relativistic", r1_gamma=1.0, r2_gamma=1.0),
}


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """One victim for each objective; the short form stops each after every fourth step."""
    data = make_data(folder / "data")
    every = scale.count("FAULTS_RESUME_EVERY", full=1, short=9)
    tally.remark_every(every, "steps")
    for name in OBJECTIVES:
        for averaging in (True, False) if not scale.short else (True,):
            place = folder / f"{len(list(folder.iterdir()))}"
            ended = fork(lambda n=name, a=averaging, p=place: _victim(n, a, data, p, every))  # type: ignore[misc]
            if ended.value is None:
                raise RuntimeError(ended.output)
            tally.add(ended.value)
    tally.remarks.append(f"{len(OBJECTIVES)} objectives")


def _victim(name: str, averaging: bool, data: Path, place: Path, every: int) -> dict[str, Any]:
    tally = Tally()
    config = tiny(data, averaging=averaging, objective=OBJECTIVES[name])
    whole = footprint(experiment.run(config, name="whole", runs_dir=place).directory.root)
    what = f"{name}, {'with' if averaging else 'without'} averaging"
    for step in range(1, STEPS, every):
        root = experiment.run(config, name="stopped", runs_dir=place, stop=_after(step)).directory.root
        experiment.resume(root)
        tally.check(footprint(root) == whole, f"{what}, stopped after step {step}")
        shutil.rmtree(root)
    outcome = experiment.run(config, name="stopped", runs_dir=place, stop=_after(1))
    while not outcome.finished:  # and one that is stopped after every step
        outcome = experiment.resume(outcome.directory.root, stop=_after(1))
    tally.check(footprint(outcome.directory.root) == whole, f"{what}, stopped after every step")
    return tally.as_dict()


def _after(steps: int) -> Callable[[], bool]:
    polls = iter(range(10**9))
    return lambda: next(polls) >= steps


ROW = Row(
    name="resumes",
    provoked="a training of ten steps stopped after one of them, and after all of them, every objective, "
    "averaging on and off",
    holds="the same sha256 as without a stop",
    play=play,
)

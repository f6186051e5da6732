"""A training stopped after each of its steps, for every objective, with and without averaging."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.workspace import STEPS, make_data, run_digest, stop_after, tiny_config

from mnist_gan import experiment
from mnist_gan.config import ObjectiveConfig

OBJECTIVES: Final = {
    "minimax": ObjectiveConfig(loss="minimax"),
    "non-saturating with lazy R1": ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=3),
    "least squares with label smoothing": ObjectiveConfig(loss="least_squares", label_smoothing=0.1),
    "hinge": ObjectiveConfig(loss="hinge"),
    "Wasserstein with gradient penalty": ObjectiveConfig(loss="wasserstein", gp_lambda=10.0),
    "Wasserstein with weight clipping": ObjectiveConfig(loss="wasserstein", weight_clip=0.01),
    "relativistic with R1 and R2": ObjectiveConfig(loss="relativistic", r1_gamma=1.0, r2_gamma=1.0),
}


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Stop and resume in one victim for each objective; the short form leaves steps out."""
    data = make_data(folder / "data")
    every = scale.count("FAULTS_RESUME_EVERY", full=1, short=9)
    tally.remark_every(every, "steps")
    for name in OBJECTIVES:
        for averaging in (True, False) if not scale.short else (True,):
            runs = folder / f"{name}-{averaging}"
            often = 4 if scale.short else 1
            tally.add(fork(partial(_stop_and_resume, name, averaging, data, runs, every, often)).returned())
    tally.remarks.append(f"{len(OBJECTIVES)} objectives")


def _stop_and_resume(name: str, averaging: bool, data: Path, runs: Path, every: int, often: int) -> dict[str, Any]:
    tally = Tally()
    config = tiny_config(data, averaging=averaging, objective=OBJECTIVES[name])
    reference = run_digest(experiment.run(config, name="whole", runs_dir=runs).directory.root)
    case = f"{name}, {'with' if averaging else 'without'} averaging"
    for step in range(1, STEPS, every):
        root = experiment.run(config, name="stopped", runs_dir=runs, stop=stop_after(step)).directory.root
        experiment.resume(root)
        tally.check(run_digest(root) == reference, f"{case}, stopped after step {step}")
        shutil.rmtree(root)
    outcome = experiment.run(config, name="stopped", runs_dir=runs, stop=stop_after(often))
    while not outcome.finished:
        outcome = experiment.resume(outcome.directory.root, stop=stop_after(often))
    tally.check(run_digest(outcome.directory.root) == reference, f"{case}, stopped again and again")
    return tally.as_dict()


ROW = Row(
    name="resumes",
    provoked="a training of ten steps stopped after one of them, and after each of them; every objective, with and "
    "without averaging",
    holds="the same sha256 as without a stop",
    inject=inject,
)

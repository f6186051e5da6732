"""A small study, and trials written by hand in place of trainings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_gan import config as config_module
from mnist_gan.studies.coordinator import plan_final, plan_tuning
from mnist_gan.studies.folder import Attempt, StudyDirectory
from mnist_gan.studies.plan import Study, Trial, from_toml
from mnist_gan.studies.results import read_results

FIGURE = "Metric/fd2k_mnistnet"
TOML = """
seeds = 3
points = [0.5, 1.0]
[budget]
images = 40
[arms.ns]
preset = "classic-mlp"
[arms.hinge]
preset = "classic-mlp"
changes.objective.loss = "hinge"
"""


def small_study(more: str = "", *, text: str = TOML, folder: Path = Path()) -> Study:
    """Two arms, three seeds; `more` is TOML that is prepended, such as `target = 5.0`."""
    return from_toml(more + text, source="study.toml", folder=folder)


def trainable_study(data_dir: Path, more: str = "", *, images: int = 40, arms: str = "") -> Study:
    """The small study on synthetic digits, with networks that train in a second; `arms` is TOML of further arms."""
    changes = f"""
{arms}
[changes]
data = {{name = "idx", dir = "{data_dir}"}}
training = {{batch_size = 20, device = "cpu"}}
generator = {{z_dim = 4, channels = [16]}}
discriminator = {{channels = [16]}}
"""
    return small_study(more, text=TOML.replace("images = 40", f"images = {images}") + changes)


def write_trial(directory: StudyDirectory, trial: Trial, values: Sequence[float], *, seconds: float = 1.0) -> None:
    """Write a finished run with the figure's values at even shares of its length."""
    run = directory.run(trial)
    run.root.mkdir(parents=True)
    run.config.write_text(config_module.to_toml(trial.config))
    rows = [
        {
            "cur_nimg": trial.nimg * (index + 1) // len(values),
            "step": index + 1,
            "epoch": 0.1 * (index + 1),
            "Timing/train_sec": seconds,
            FIGURE: value,
        }
        for index, value in enumerate(values)
    ]
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    directory.record(Attempt(trial=trial.name, state="finished", seconds=2 * seconds * len(values)))


def results_of(
    study: Study,
    directory: StudyDirectory,
    values: Mapping[str, Sequence[float]],
    *,
    diverged: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
) -> Any:
    """Results of trials whose last values are `values` by arm, in the order of the seeds."""
    for trial in plan_final(study, directory):
        if trial.name in diverged:
            directory.record(Attempt(trial=trial.name, state="diverged", message="Loss/D/loss is nan"))
        elif trial.seed < len(values[trial.arm]):
            last = values[trial.arm][trial.seed]
            write_trial(directory, trial, [last + 10, last], seconds=(seconds or {}).get(trial.arm, 1.0))
    return read_results(study, directory)


class WrittenBackend:
    """Writes trials instead of training them: the figure of a trial is its generator's learning rate."""

    def __init__(self, directory: StudyDirectory, study: Study, *, end: Mapping[str, Attempt] | None = None) -> None:
        self.directory, self.study, self.end = directory, study, end or {}
        self.trained: list[str] = []

    def slots(self) -> int:
        return 2

    def run(
        self, orders: Mapping[str, str], *, stop: Callable[[], bool], poll: Callable[[], None]
    ) -> Iterator[Attempt]:
        trials = {
            trial.name: trial
            for trial in [*plan_tuning(self.study, self.directory), *plan_final(self.study, self.directory)]
        }
        for name in orders:
            self.trained.append(name)
            if name not in self.end:
                write_trial(self.directory, trials[name], [trials[name].config.optimizer.g_lr])
            poll()
            yield self.end.get(name, Attempt(trial=name, state="finished", seconds=2.0))

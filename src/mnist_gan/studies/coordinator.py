"""Runs a study: tuning trials, then the compared trials; continues one that was interrupted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mnist_gan import storage
from mnist_gan.errors import ConfigError, DataError, StorageError
from mnist_gan.figures import METRIC_PREFIX
from mnist_gan.runs.channel import read_live_status
from mnist_gan.runs.state import read_rows_if_any
from mnist_gan.studies.backends import Backend, capacity
from mnist_gan.studies.calibration import measure_speeds, recipe_key
from mnist_gan.studies.execution import write_order
from mnist_gan.studies.folder import FAILED, Attempt, StudyDirectory, TrialState, last_attempts
from mnist_gan.studies.plan import Arm, Stage, Study, Trial, make_trial, same_direction
from mnist_gan.text import format_duration, pluralize

BEFORE_TRAINING: Final = frozenset({ConfigError.exit_code, DataError.exit_code, StorageError.exit_code})
"""Exit codes of a trial that every other trial would repeat: the study ends at the first."""

SHOW_SHARE: Final = 0.01
"""Share of one processor that reading the progress may take."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Progress of a study."""

    states: dict[str, TrialState]
    """State of each trial."""
    share: float
    """Share of all images, in [0, 1]."""
    seconds_left: float | None
    """None before the first speed is known."""
    processor_seconds: float
    """Cost so far: seconds of all processes times their threads."""

    def count(self, *states: TrialState) -> int:
        """Number of trials in these states."""
        return sum(state in states for state in self.states.values())

    def describe(self) -> str:
        """Progress in one line."""
        failed = self.count(*FAILED)
        left = "time left unknown" if self.seconds_left is None else f"{format_duration(self.seconds_left)} left"
        return ", ".join(
            [
                f"{self.count('finished') + failed} of {pluralize(len(self.states), 'trial')}",
                *([f"{failed} failed"] if failed else []),
                *([f"{running} running"] if (running := self.count("running")) else []),
                *([left] if self.share < 1 else []),
                f"cost {format_duration(self.processor_seconds)} of processor time",
            ]
        )


class Coordinator:
    """Runs the trials of a study that are not done.

    Args:
        study: the study.
        directory: its folder, locked by the caller.
        backend: place where the trials run.
        stop: polled; if it returns True, running trials save a checkpoint and the study ends, to be continued.
        show: receives a text, the count of hundredths done and 100.
    """

    def __init__(
        self,
        study: Study,
        directory: StudyDirectory,
        backend: Backend,
        *,
        stop: Callable[[], bool] = lambda: False,
        show: Callable[[str, int, int], None] = lambda *_: None,
    ) -> None:
        self.study, self.directory, self.backend = study, directory, backend
        self.stop, self.show = stop, show
        self._next_show = 0.0

    def run(self) -> bool:
        """Run tuning and comparison; return True if all trials have ended.

        Raises:
            ConfigError: a trial cannot start, as its config or data are wrong; the others would fail alike.
        """
        self._calibrate()
        self._run_trials([trial for trial in plan_tuning(self.study, self.directory) if not self._is_chosen(trial)])
        if self.stop():
            return False
        self._choose()
        self._run_trials(plan_final(self.study, self.directory))
        return not self.stop()

    def _is_chosen(self, trial: Trial) -> bool:
        return trial.arm in self.directory.read_chosen()

    def _choose(self) -> None:
        """Fix the values of the arms whose tuning has ended. Later trials of the search would change the comparison."""
        chosen = self.directory.read_chosen()
        for arm in self.study.tuned_arms:
            if arm.name not in chosen:
                chosen[arm.name] = best_values(self.study, self.directory, arm)
                logger.info(f"{arm.name} is tuned: {describe_values(chosen[arm.name])}")
        if chosen:
            storage.write_json(self.directory.chosen, chosen)

    def _calibrate(self) -> None:
        """Measure the speed of every recipe of a stage, if the budget is in seconds."""
        if self.study.options.budget.seconds is None:
            return
        if missing := missing_speeds(self.study, self.directory):
            speeds = measure_speeds(missing, slots=self.backend.slots(), show=self.show)
            storage.write_json(self.directory.calibration, self.directory.read_calibration() | speeds)

    def _run_trials(self, trials: Sequence[Trial]) -> None:
        attempts = last_attempts(self.directory.attempts())
        waiting = [
            trial for trial in trials if self.directory.state(trial, attempts)[0] not in {"finished", "diverged"}
        ]
        orders = {trial.name: write_order(self.directory, trial) for trial in waiting}
        if not orders:
            return
        for attempt in self.backend.run(orders, stop=self.stop, poll=self._show_progress):
            self._record(attempt)

    def _record(self, attempt: Attempt) -> None:
        self.directory.record(attempt)
        if attempt.state in FAILED:
            logger.warning(f"{attempt.trial} {attempt.state}: {attempt.message}")
        if attempt.state == "failed" and attempt.code in BEFORE_TRAINING:
            raise ConfigError(f"{attempt.trial} cannot be trained: {attempt.message}")
        if attempt.state == "finished":
            _check_figure(self.study, self.directory, attempt.trial)
        self._show_progress()

    def _show_progress(self) -> None:
        if time.monotonic() < self._next_show:
            return
        began = time.monotonic()
        progress = read_progress(self.study, self.directory, slots=self.backend.slots())
        self.show(progress.describe(), round(100 * progress.share), 100)
        self._next_show = time.monotonic() + (time.monotonic() - began) / SHOW_SHARE


def plan_tuning(study: Study, directory: StudyDirectory, *, only: Arm | None = None) -> list[Trial]:
    """Tuning trials in order, of all arms or of one."""
    share = study.options.tuning.share if study.options.tuning else 1.0
    return [
        _sized(study, directory, arm, stage="tuning", seed=number, values=values, share=share)
        for arm, number, values in study.tuning_trials()
        if only is None or arm is only
    ]


def plan_final(study: Study, directory: StudyDirectory) -> list[Trial]:
    """Compared trials in order, of the arms that need no tuning or are tuned."""
    chosen = {**dict.fromkeys((arm.name for arm in study.tuned_arms), None), **directory.read_chosen()}
    return [
        _sized(study, directory, arm, stage="final", seed=seed, values=values)
        for arm, seed in study.final_trials()
        if (values := chosen.get(arm.name, {})) is not None
    ]


def best_values(study: Study, directory: StudyDirectory, arm: Arm) -> dict[str, Any] | None:
    """Values of the arm's best tuning trial; None if none finished."""
    trials = plan_tuning(study, directory, only=arm)
    finished = [
        (same_direction(value, study.options), index)
        for index, trial in enumerate(trials)
        if (value := last_value(study, directory, trial)) is not None
    ]
    return dict(trials[min(finished)[1]].values) if finished else None


def describe_values(values: dict[str, Any] | None) -> str:
    """Values of a search in one line."""
    if values is None:
        return "no tuning trial finished"
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def last_value(study: Study, directory: StudyDirectory, trial: Trial) -> float | None:
    """Figure at the end of a finished trial; None for any other."""
    run = directory.run(trial)
    rows = read_rows_if_any(run)
    if not rows or rows[-1]["cur_nimg"] < trial.nimg:
        return None
    return rows[-1].get(METRIC_PREFIX + study.options.figure)


def missing_speeds(study: Study, directory: StudyDirectory) -> dict[str, Trial]:
    """One trial of each recipe whose speed is unknown, by key."""
    known = directory.read_calibration()
    tuning = [
        make_trial(study, arm, stage="tuning", seed=number, nimg=1, values=values)
        for arm, number, values in study.tuning_trials()
    ]
    untuned = [
        make_trial(study, arm, stage="final", seed=0, nimg=1) for arm in study.arms if arm not in study.tuned_arms
    ]
    return {key: trial for trial in [*tuning, *untuned] if (key := recipe_key(trial)) not in known}


def read_progress(study: Study, directory: StudyDirectory, *, slots: int | None = None) -> Progress:
    """Read the progress from the files of the trials.

    Args:
        study: the study.
        directory: its folder.
        slots: trials at once, for the time left. None is as many as this machine carries.
    """
    at_once = slots or capacity(study.options.threads)
    attempts = directory.attempts()
    last = last_attempts(attempts)
    spent = _spent(attempts)
    trials = [*plan_tuning(study, directory), *_all_final(study, directory)]
    states = {trial.name: directory.state(trial, last)[0] for trial in trials}
    seen: dict[str, int] = {}
    rates: dict[str, list[float]] = {}
    for trial in trials:
        seen[trial.name], rate = _measure(trial, directory, states[trial.name], spent.get(trial.name, 0.0))
        if rate:
            rates.setdefault(trial.arm, []).append(rate)
    total = sum(trial.nimg for trial in trials)
    every = [rate for own in rates.values() for rate in own]
    mean = {trial.arm: _mean(rates.get(trial.arm, every)) for trial in trials}
    left = [(trial.nimg - seen[trial.name]) * (mean[trial.arm] or 0.0) for trial in trials]
    running = {
        trial.name: seen[trial.name] * (mean[trial.arm] or 0.0) for trial in trials if states[trial.name] == "running"
    }
    cost = sum(max(spent.get(name, 0.0), running.get(name, 0.0)) for name in {*spent, *running})
    return Progress(
        states=states,
        share=sum(seen.values()) / total if total else 1.0,
        seconds_left=sum(left) / min(at_once, max(1, sum(each > 0 for each in left))) if every else None,
        processor_seconds=cost * study.options.threads,
    )


def _measure(trial: Trial, directory: StudyDirectory, state: TrialState, spent: float) -> tuple[int, float | None]:
    """Images that count as done, and seconds per image if they are known."""
    if state in {"finished", "diverged"}:
        return trial.nimg, spent / trial.nimg if spent and state == "finished" else None
    if state == "waiting":
        return 0, None
    live = read_live_status(directory.run(trial))
    speed = live.get("img_per_sec")
    return min(trial.nimg, live.get("cur_nimg", 0)), 1 / speed if speed else None


def _spent(attempts: Iterable[Attempt]) -> dict[str, float]:
    spent: dict[str, float] = {}
    for attempt in attempts:
        spent[attempt.trial] = spent.get(attempt.trial, 0.0) + attempt.seconds
    return spent


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _all_final(study: Study, directory: StudyDirectory) -> list[Trial]:
    """Compared trials, those of arms that are still being tuned with the recipe before tuning."""
    planned = {(trial.arm, trial.seed): trial for trial in plan_final(study, directory)}
    return [
        planned.get((arm.name, seed)) or _sized(study, directory, arm, stage="final", seed=seed, values={})
        for arm, seed in study.final_trials()
    ]


def _sized(
    study: Study,
    directory: StudyDirectory,
    arm: Arm,
    *,
    stage: Stage,
    seed: int,
    values: dict[str, Any],
    share: float = 1.0,
) -> Trial:
    """A trial of the length that the budget gives it; of one image while the speed of its recipe is unknown."""
    budget = study.options.budget
    trial = make_trial(study, arm, stage=stage, seed=seed, nimg=budget.images or 1, values=values)
    if budget.images is not None and share == 1:
        return trial
    if budget.seconds is None:
        nimg = budget.images or 1
    else:
        nimg = round(directory.read_calibration().get(recipe_key(trial), 0.0) * budget.seconds)
    return make_trial(study, arm, stage=stage, seed=seed, nimg=max(1, round(share * nimg)), values=values)


def _check_figure(study: Study, directory: StudyDirectory, name: str) -> None:
    """Refuse a figure that the trials do not measure, after the first of them.

    Raises:
        ConfigError: the figure is not in the trial's rows.
    """
    rows = read_rows_if_any(directory.run(name))
    measured = sorted(
        {field.removeprefix(METRIC_PREFIX) for row in rows for field in row if field.startswith(METRIC_PREFIX)}
    )
    if study.options.figure not in measured:
        raise ConfigError(
            f"figure is {study.options.figure}, which {directory.run(name).root} does not measure; choose one of "
            f"{', '.join(each for each in measured if '/' not in each)} and run the study again (trials are kept)"
        )

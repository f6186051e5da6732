"""Results of a study: the curves of its trials, the values that are compared, and their statistics."""

from __future__ import annotations

import math
import statistics as medians
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mnist_gan.errors import MnistGanError
from mnist_gan.figures import METRIC_PREFIX
from mnist_gan.runs.state import read_rows_if_any
from mnist_gan.studies.coordinator import plan_final, plan_tuning
from mnist_gan.studies.folder import FAILED, StudyDirectory, TrialState, last_attempts
from mnist_gan.studies.plan import Study, Trial, make_trial, same_direction
from mnist_gan.studies.statistics import (
    Band,
    Difference,
    Summary,
    Values,
    band,
    compare,
    holm,
    performance_profile,
    summarize,
)

CURVE_RESAMPLES: Final = 2_000
"""Bootstrap resamples of a band, at each of its points."""
CURVE_POINTS: Final = 40
PROFILE_POINTS: Final = 60


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """Curve and end of one trial; values are such that lower is better."""

    trial: Trial
    state: TrialState
    message: str
    nimg: Values
    """Images seen at each evaluation."""
    seconds: Values
    """Seconds of training until each evaluation, without evaluations and saving."""
    values: Values

    @property
    def counts(self) -> bool:
        """True if the trial takes part in the comparison: it finished, or it failed."""
        return self.state == "finished" or self.state in FAILED

    @property
    def final(self) -> float:
        """Value at the end; `inf` for a failed trial."""
        return float(self.values[-1]) if self.state == "finished" and len(self.values) else math.inf

    def at(self, position: float, clock: Values) -> float:
        """Value at a position of a clock, interpolated; `inf` where a failed trial no longer trained.

        A position before the first evaluation has its value, one after the end of a finished trial the last.
        """
        if not len(clock) or (self.state in FAILED and position > clock[-1]):
            return math.inf
        return float(np.interp(position, clock, self.values))

    def time_to(self, target: float, clock: Values) -> float:
        """First position of a clock at which the value is at most `target`; `inf` if there is none."""
        reached = np.flatnonzero(self.values <= target)
        return float(clock[reached[0]]) if len(reached) else math.inf


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """Results of one arm."""

    name: str
    trials: Sequence[TrialResult]
    """Compared trials that finished or failed, by seed."""
    equal_images: Summary
    equal_seconds: Summary
    tuned: Mapping[str, Any] | None
    """Values of the search; None without one."""
    tuning_failed: int
    """Tuning trials that failed."""
    versus_images: Difference | None
    """Beside the baseline, after equal images; None for the baseline, and without pairs."""
    versus_seconds: Difference | None
    time_to_target: tuple[Summary, Summary] | None
    """Images and seconds to the target; None without a target."""
    at_points: Sequence[float]
    """Interquartile mean at each point of the budget."""
    median_seconds: float
    """Seconds of training of a finished trial."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Results of a study."""

    study: Study
    arms: Sequence[ArmResult]
    """The baseline first."""
    images: float
    """Images of the first table."""
    seconds: float
    """Seconds of the second table: the median of the fastest arm."""
    states: Mapping[str, TrialState]
    """State of every compared trial."""
    failures: Mapping[str, str]
    """State and message of every failed trial, tuning included."""

    @property
    def seeds(self) -> int:
        """Smallest number of counted trials of an arm."""
        return min((len(arm.trials) for arm in self.arms), default=0)

    @property
    def complete(self) -> bool:
        """True if every planned trial has ended."""
        return all(state == "finished" or state in FAILED for state in self.states.values())


def read_results(study: Study, directory: StudyDirectory) -> Results | None:
    """Read the trials and compute the statistics; None before any trial of the comparison has ended."""
    attempts = last_attempts(directory.attempts())
    every = [
        *(
            read_trial(study, directory, trial, *directory.state(trial, attempts))
            for trial in plan_final(study, directory)
        ),
        *_without_tuning(study, directory),
    ]
    counted = [each for each in every if each.counts]
    finished = [each for each in counted if each.state == "finished" and len(each.values)]
    if not finished:
        return None
    tuning = {trial.name: directory.state(trial, attempts) for trial in plan_tuning(study, directory)}
    names = [study.baseline, *(arm.name for arm in study.arms if arm.name != study.baseline)]
    by_arm = {name: [each for each in counted if each.trial.arm == name] for name in names}
    times = [
        medians.median(float(each.seconds[-1]) for each in finished if each.trial.arm == name)
        for name in names
        if any(each.trial.arm == name for each in finished)
    ]
    images, seconds = float(min(each.trial.nimg for each in finished)), min(times)
    arms = [
        _arm_result(study, directory, name, by_arm, images=images, seconds=seconds, tuning=tuning)
        for name in names
        if by_arm[name]
    ]
    failed = {each.trial.name: (each.state, each.message) for each in every if each.state in FAILED}
    failed |= {name: each for name, each in tuning.items() if each[0] in FAILED}
    return Results(
        study=study,
        arms=_corrected(arms),
        images=images,
        seconds=seconds,
        states={each.trial.name: each.state for each in every},
        failures={name: f"{state}: {message}" if message else state for name, (state, message) in failed.items()},
    )


def read_trial(study: Study, directory: StudyDirectory, trial: Trial, state: TrialState, message: str) -> TrialResult:
    """Read the curve of a trial; one whose files are damaged has failed."""
    try:
        rows = read_rows_if_any(directory.run(trial))
    except MnistGanError as error:
        rows, state, message = (), "failed", str(error)
    name = METRIC_PREFIX + study.options.figure
    seconds = np.cumsum([row.get("Timing/train_sec", 0.0) for row in rows])
    measured = [index for index, row in enumerate(rows) if name in row]
    if state == "finished" and not measured:
        state, message = "failed", f"it did not measure {study.options.figure}"
    return TrialResult(
        trial=trial,
        state=state,
        message=message,
        nimg=np.array([float(rows[index]["cur_nimg"]) for index in measured]),
        seconds=np.array([float(seconds[index]) for index in measured]),
        values=np.array([same_direction(float(rows[index][name]), study.options) for index in measured]),
    )


def curve_band(trials: Sequence[TrialResult], *, clock: str, end: float, seed: int = 0) -> tuple[Values, Band]:
    """Positions of a clock up to `end`, and the arm's curve there.

    Args:
        trials: of one arm.
        clock: nimg or seconds.
        end: last position.
        seed: of the bootstrap.
    """
    begin = max((float(getattr(each, clock)[0]) for each in trials if len(each.values)), default=0.0)
    positions = np.linspace(min(begin, end), end, CURVE_POINTS)
    curves = np.array([[each.at(position, getattr(each, clock)) for position in positions] for each in trials])
    return positions, band(curves, resamples=CURVE_RESAMPLES, seed=seed)


def profile(trials: Sequence[TrialResult], thresholds: Values, *, seed: int = 0) -> Band:
    """Share of the arm's trials whose final value is at most each threshold."""
    finals = np.array([each.final for each in trials])
    return performance_profile(finals, thresholds, resamples=CURVE_RESAMPLES, seed=seed)


def profile_thresholds(arms: Sequence[ArmResult]) -> Values:
    """Thresholds from the best to the worst finite value, in equal ratios where all are positive."""
    finite = [value for arm in arms for each in arm.trials if math.isfinite(value := each.final)]
    low, high = min(finite), max(finite)
    return np.geomspace(low, high, PROFILE_POINTS) if low > 0 else np.linspace(low, high, PROFILE_POINTS)


def _without_tuning(study: Study, directory: StudyDirectory) -> list[TrialResult]:
    """Failed trials in place of those of arms of which no tuning trial finished."""
    lost = {name for name, values in directory.read_chosen().items() if values is None}
    nothing = np.array([], dtype=np.float64)
    return [
        TrialResult(
            trial=make_trial(study, arm, stage="final", seed=seed, nimg=study.options.budget.images or 1),
            state="failed",
            message="no tuning trial finished",
            nimg=nothing,
            seconds=nothing,
            values=nothing,
        )
        for arm, seed in study.final_trials()
        if arm.name in lost
    ]


def _arm_result(
    study: Study,
    directory: StudyDirectory,
    name: str,
    by_arm: Mapping[str, Sequence[TrialResult]],
    *,
    images: float,
    seconds: float,
    tuning: Mapping[str, tuple[TrialState, str]],
) -> ArmResult:
    trials, options = sorted(by_arm[name], key=lambda each: each.trial.seed), study.options
    values = {each.trial.seed: (_after_images(each, images), _after_seconds(each, seconds)) for each in trials}
    base = {
        each.trial.seed: (_after_images(each, images), _after_seconds(each, seconds)) for each in by_arm[study.baseline]
    }
    pairs = [] if name == study.baseline else [seed for seed in values if seed in base]
    versus = [
        compare([values[seed][k] for seed in pairs], [base[seed][k] for seed in pairs], resamples=options.resamples)
        if pairs
        else None
        for k in range(2)
    ]
    tables = [summarize([each[k] for each in values.values()], resamples=options.resamples) for k in range(2)]
    finished = [each for each in trials if each.state == "finished"]
    return ArmResult(
        name=name,
        trials=trials,
        equal_images=tables[0],
        equal_seconds=tables[1],
        tuned=(directory.read_chosen().get(name) or {}) if study.arm(name) in study.tuned_arms else None,
        tuning_failed=sum(state in FAILED for trial, (state, _) in tuning.items() if trial.startswith(f"{name}-tune")),
        versus_images=versus[0],
        versus_seconds=versus[1],
        time_to_target=_time_to_target(study, trials),
        at_points=[
            summarize([each.at(point * each.trial.nimg, each.nimg) for each in trials], resamples=100).iqm
            for point in options.points
        ],
        median_seconds=medians.median(float(each.seconds[-1]) for each in finished) if finished else math.inf,
    )


def _after_images(result: TrialResult, images: float) -> float:
    """Value after equal images; of a trial of that length, its last."""
    if result.state in FAILED or images >= result.trial.nimg:
        return result.final
    return result.at(images, result.nimg)


def _after_seconds(result: TrialResult, seconds: float) -> float:
    return result.final if result.state in FAILED else result.at(seconds, result.seconds)


def _time_to_target(study: Study, trials: Sequence[TrialResult]) -> tuple[Summary, Summary] | None:
    if study.options.target is None:
        return None
    target = same_direction(study.options.target, study.options)
    images, seconds = (
        summarize([each.time_to(target, getattr(each, clock)) for each in trials], resamples=study.options.resamples)
        for clock in ("nimg", "seconds")
    )
    return images, seconds


def _corrected(arms: Sequence[ArmResult]) -> list[ArmResult]:
    """Correct the p-values of each table for the number of arms."""
    result = list(arms)
    for field in ("versus_images", "versus_seconds"):
        compared = [index for index, arm in enumerate(result) if getattr(arm, field) is not None]
        adjusted = holm([getattr(result[index], field).p_value for index in compared])
        for index, p_holm in zip(compared, adjusted, strict=True):
            changed: dict[str, Any] = {field: replace(getattr(result[index], field), p_holm=p_holm)}
            result[index] = replace(result[index], **changed)
    return result

"""Runs beside one another: what each came to, and what was set differently."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mnist_gan import config as config_module
from mnist_gan.errors import ArtifactError
from mnist_gan.figures import METRIC_PREFIX, figure_info
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory
from mnist_gan.runs.evaluations import read_evaluations
from mnist_gan.runs.metrics import read_rows
from mnist_gan.runs.summary import RunSummary, summarize
from mnist_gan.storage import read_manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """The best value of a metric on the way."""

    value: float
    cur_nimg: int
    """When that was, in images seen."""


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """What one run came to."""

    summary: RunSummary
    img_per_sec: float | None
    """Median over the rows."""
    train_sec: float
    """Seconds of training, without evaluations and saving."""
    best: dict[str, Best] = field(default_factory=dict)
    """Metric -> its best value, for metrics that have a better and a worse."""
    evaluations: dict[str, float] = field(default_factory=dict)
    """Figures of `mnist-gan evaluate` for the model that the run has now."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs, in the order they were named."""

    runs: tuple[RunFigures, ...]
    rows: tuple[Sequence[Mapping[str, Any]], ...]
    """Of each run's metrics.jsonl."""
    differences: dict[str, tuple[Any, ...]]
    """Setting -> its value in each run, for settings that are not the same in all."""


def compare(runs: Sequence[RunDirectory]) -> Comparison:
    """Read runs and hold them against one another.

    Raises:
        ArtifactError: one is no run, or its files are damaged.
        ConfigError: its config is damaged.
    """
    configs = [flatten(config_module.to_dict(run.read_config())) for run in runs]
    rows = tuple(read_rows(run.metrics) for run in runs)
    return Comparison(
        runs=tuple(figures_of(run, own) for run, own in zip(runs, rows, strict=True)),
        rows=rows,
        differences=differences(configs),
    )


def figures_of(run: RunDirectory, rows: Sequence[Mapping[str, Any]]) -> RunFigures:
    """One run, from its rows and its evaluations."""
    speeds = [row["Timing/img_per_sec"] for row in rows if row.get("Timing/img_per_sec")]
    return RunFigures(
        summary=summarize(run),
        img_per_sec=statistics.median(speeds) if speeds else None,
        train_sec=sum(row.get("Timing/train_sec", 0.0) for row in rows),
        best=best_metrics(rows),
        evaluations=evaluations_of(run),
    )


def best_metrics(rows: Sequence[Mapping[str, Any]]) -> dict[str, Best]:
    """The best value of every metric that has a better and a worse, and when it was."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(METRIC_PREFIX))
    found = {}
    for name in names:
        info = figure_info(name)
        if info is None or info.better not in {"lower", "higher"}:
            continue
        choose = min if info.better == "lower" else max
        row = choose((row for row in rows if name in row), key=lambda row, name=name: row[name])  # type: ignore[misc]
        found[name.removeprefix(METRIC_PREFIX)] = Best(value=row[name], cur_nimg=row["cur_nimg"])
    return found


def evaluations_of(run: RunDirectory) -> dict[str, float]:
    """What evaluations found of the model that is in the run now, the newest last; none of earlier models."""
    try:
        digest = read_manifest(run.model)[GENERATOR_NAME]["sha256"]
    except (ArtifactError, KeyError):
        return {}
    rows = [row for path in sorted(run.root.glob("metrics-*.jsonl")) for row in read_evaluations(path)]
    return {
        name.removeprefix(METRIC_PREFIX): value
        for row in rows
        if row["sha256"] == digest
        for name, value in row.items()
        if name.startswith(METRIC_PREFIX)
    }


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Settings whose values are not the same in all configs."""
    names = dict.fromkeys(name for config in configs for name in config)
    values = {name: tuple(config.get(name) for config in configs) for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


def flatten(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, under names such as optimizer.g_lr."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat

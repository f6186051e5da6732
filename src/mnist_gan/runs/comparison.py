"""Comparison of runs: figures of each, and the settings that differ."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mnist_gan import config as config_module
from mnist_gan.errors import ArtifactError
from mnist_gan.figures import METRIC_PREFIX, figure_info
from mnist_gan.paths import user_path
from mnist_gan.runs.directory import GENERATOR_NAME, MAX_DESCRIPTION_BYTES, RunDirectory
from mnist_gan.runs.evaluations import read_evaluations
from mnist_gan.runs.metrics import read_rows
from mnist_gan.runs.state import Status, read_status
from mnist_gan.storage import read_manifest, read_regular


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """Best value of a metric during the training."""

    value: float
    cur_nimg: int
    """Images seen when it was measured."""


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """Status and figures of one run."""

    status: Status
    img_per_sec: float | None
    """Training speed: median over the rows; None without rows."""
    train_sec: float
    """Training time in seconds, without evaluations and saving."""
    best: dict[str, Best] = field(default_factory=dict)
    """Best value of every metric of which lower or higher is better."""
    evaluations: dict[str, float] = field(default_factory=dict)
    """Figures of `mnist-gan evaluate` for the current model of the run."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of runs, in the given order."""

    runs: tuple[RunFigures, ...]
    rows: tuple[Sequence[Mapping[str, Any]], ...]
    """Rows of metrics of each run."""
    differences: dict[str, tuple[Any, ...]]
    """Values of every setting that is not the same in all runs, one per run."""
    same_data: bool
    """True if all runs learned the same images; otherwise their distances are not comparable."""


def compare(*paths: str | os.PathLike[str]) -> Comparison:
    """Compare the runs at `paths`.

    Raises:
        ArtifactError: one is not a run, or its files are damaged.
        ConfigError: the config of one is damaged.
    """
    runs = [RunDirectory(user_path(path)) for path in paths]
    configs = [flatten(config_module.to_dict(run.read_config())) for run in runs]
    rows = tuple(read_rows(run.metrics) for run in runs)
    changed = differences(configs)
    return Comparison(
        runs=tuple(_read_figures(run, own) for run, own in zip(runs, rows, strict=True)),
        rows=rows,
        differences=changed,
        same_data=not changed.keys() & {"data.name", "data.limit"} and _have_equal_data(runs),
    )


def _have_equal_data(runs: Sequence[RunDirectory]) -> bool:
    """True if environment.json records the same digests for all runs; a run without the record counts as equal."""
    return len({digest for run in runs if (digest := _data_digest(run)) is not None}) <= 1


def _data_digest(run: RunDirectory) -> str | None:
    try:
        recorded = json.loads(read_regular(run.environment, most=MAX_DESCRIPTION_BYTES))
        return json.dumps(recorded["data"]["sha256"], sort_keys=True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _read_figures(run: RunDirectory, rows: Sequence[Mapping[str, Any]]) -> RunFigures:
    speeds = [row["Timing/img_per_sec"] for row in rows if row.get("Timing/img_per_sec")]
    return RunFigures(
        status=read_status(run),
        img_per_sec=statistics.median(speeds) if speeds else None,
        train_sec=sum(row.get("Timing/train_sec", 0.0) for row in rows),
        best=best_metrics(rows),
        evaluations=read_model_evaluations(run),
    )


def best_metrics(rows: Sequence[Mapping[str, Any]]) -> dict[str, Best]:
    """Return the best value of every metric of which lower or higher is better."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(METRIC_PREFIX))
    best = {}
    for name in names:
        info = figure_info(name)
        if info is None or info.better not in {"lower", "higher"}:
            continue
        choose = min if info.better == "lower" else max
        row = choose((row for row in rows if name in row), key=lambda row, name=name: row[name])  # type: ignore[misc]
        best[name.removeprefix(METRIC_PREFIX)] = Best(value=row[name], cur_nimg=row["cur_nimg"])
    return best


def read_model_evaluations(run: RunDirectory) -> dict[str, float]:
    """Read the figures of `mnist-gan evaluate` for the current model of a run; the newest replace older ones."""
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
    """Return the settings that are not the same in all configs, with their values."""
    names = dict.fromkeys(name for config in configs for name in config)
    values = {name: tuple(config.get(name) for config in configs) for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


def of_training(
    changed: Mapping[str, tuple[Any, ...]], *, configs: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[Any, ...]]:
    """Return the differences that a user has made in the training.

    Without the name of the preset, the records of a run, the use of the processor's cores, which changes no more than
    rounding, and a length that only differs by rounding to whole steps.
    """
    ignored = {"preset", "training.threads", "training.shards"}
    kept = {name: values for name, values in changed.items() if name not in ignored and not name.startswith("run.")}
    lengths = kept.get("training.total_nimg", ())
    steps = [config.get("training.batch_size", 1) * config.get("training.d_steps", 1) for config in configs]
    if lengths and None not in lengths and max(lengths) - min(lengths) < max(steps) > min(steps):
        del kept["training.total_nimg"]
    return kept


def flatten(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables to names such as optimizer.g_lr."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat

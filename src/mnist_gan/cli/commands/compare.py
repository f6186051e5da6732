"""`mnist-gan compare`: compares the figures, settings and curves of runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch, check_png
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.figures import METRIC_PREFIX, figure_kind, format_number
from mnist_gan.text import format_duration

if TYPE_CHECKING:
    from mnist_gan.runs.comparison import Comparison, RunFigures

SHOWN: Final = (
    "fd",
    "fdinf",
    "c2st",
    "form_box",
    "missing_digits",
    "diversity",
    "agreement",
    "memorization_pixels",
    "gan_train",
)
"""Kinds of figures in the table, in this order; --json has all of them."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Compare two or more runs: figures, speed, the settings that differ, and the curves in one picture."""

    runs: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...", help_behavior_hint="(two or more)")
    ] = ()
    """Run folders or names."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    out: Path = Path("comparison.png")
    """Picture (.png) of the curves."""
    json: Switch = False
    """Print JSON instead of tables."""


@options.command("compare", CompareOptions)
def main(chosen: CompareOptions) -> int:
    """Run the command and return its exit code."""
    if len(chosen.runs) < 2:
        raise ConfigError(f"compare needs two or more runs, and {len(chosen.runs) or 'none'} was named")
    check_png(chosen.out)

    from mnist_gan.artifacts.curves import save_comparison
    from mnist_gan.cli import tables
    from mnist_gan.cli.lookup import find_run, has_rows
    from mnist_gan.runs.comparison import compare

    comparison = compare(*(find_run(name, runs_dir=chosen.runs_dir, usable=has_rows) for name in chosen.runs))
    names = distinct_names([(run.status.name, run.status.path) for run in comparison.runs])
    save_comparison(chosen.out, dict(zip(names, comparison.rows, strict=True)))
    if chosen.json:
        tables.print_json(to_json(comparison, names, picture=chosen.out))
        return EXIT_OK
    tables.print_table(("", *names), rows(comparison))
    if not comparison.same_data:
        print("\nthe runs learned different data: distances between them are not comparable")
    print()
    if comparison.differences:
        tables.print_table(("setting", *names), difference_rows(comparison))
    else:
        print("all settings are the same")
    print(f"\n{chosen.out}: their curves")
    return EXIT_OK


def distinct_names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Return a distinct name for each run: its name, else its path, else its path with a number.

    Args:
        runs: name and path of each run.
    """
    names = [name for name, _ in runs]
    labels = [path if names.count(name) > 1 else name for name, path in runs]
    return [
        f"{label} ({labels[:index].count(label) + 1})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]


def rows(comparison: Comparison) -> list[list[str]]:
    """Return a row per fact, with a column per run."""
    facts: list[tuple[str, Callable[[RunFigures], str]]] = [
        ("state", lambda run: run.status.state),
        ("preset", lambda run: run.status.preset),
        ("data", lambda run: run.status.data),
        ("images seen", lambda run: f"{run.status.cur_nimg:,}"),
        ("images/s", lambda run: "" if run.img_per_sec is None else f"{run.img_per_sec:,.0f}"),
        ("time training", lambda run: format_duration(run.train_sec)),
        ("loss G", lambda run: format_number(run.status.latest.get("Loss/G/loss"))),
        ("loss D", lambda run: format_number(run.status.latest.get("Loss/D/loss"))),
    ]
    table = [[title, *map(describe, comparison.runs)] for title, describe in facts]
    for name in shown([name for run in comparison.runs for name in metrics_of(run)]):
        table.append([f"{name}, last", *(format_number(metrics_of(run).get(name)) for run in comparison.runs)])
        if any(name in run.best for run in comparison.runs):
            table.append([f"{name}, best", *(best(run, name) for run in comparison.runs)])
    for name in shown([name for run in comparison.runs for name in run.evaluations]):
        final = (format_number(run.evaluations.get(name)) for run in comparison.runs)
        table.append([f"{name}, final", *final])
    return table


def metrics_of(run: RunFigures) -> dict[str, float]:
    """Return the newest figures that the run's evaluations during training measured."""
    latest = run.status.latest.items()
    return {name.removeprefix(METRIC_PREFIX): value for name, value in latest if name.startswith(METRIC_PREFIX)}


def shown(names: Sequence[str]) -> list[str]:
    """Return the names whose kind is in `SHOWN`, without duplicates, in the order of `SHOWN`."""
    return [name for kind in SHOWN for name in dict.fromkeys(names) if figure_kind(name) == kind]


def best(run: RunFigures, name: str) -> str:
    """Return the best value of a figure and its image count."""
    value = run.best.get(name)
    return "–" if value is None else f"{format_number(value.value)} at {value.cur_nimg:,}"


def difference_rows(comparison: Comparison) -> list[list[str]]:
    """Return a row per setting that differs."""
    return [[name, *map(describe_setting, values)] for name, values in comparison.differences.items()]


def describe_setting(value: Any) -> str:
    """Return a setting as on the command line."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | tuple():
            return " ".join(map(describe_setting, value))
        case _:
            return str(value)


def to_json(comparison: Comparison, names: Sequence[str], *, picture: Path) -> dict[str, Any]:
    """Return the comparison as plain values."""
    return {
        "runs": [{"label": name, **dataclasses.asdict(run)} for name, run in zip(names, comparison.runs, strict=True)],
        "differences": {
            setting: dict(zip(names, values, strict=True)) for setting, values in comparison.differences.items()
        },
        "same_data": comparison.same_data,
        "picture": str(picture),
    }

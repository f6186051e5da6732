"""`mnist-gan compare`: runs beside one another, with what was set differently and their curves in one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.figures import METRIC_PREFIX, figure_kind, format_number

if TYPE_CHECKING:
    from mnist_gan.runs.comparison import Comparison, RunFigures

VERB: Final = "compare"
SHOWN: Final = ("fd", "kd", "missing_digits", "diversity", "agreement", "memorization_pixels", "gan_train")
"""Kinds of figures that the table shows, in this order; --json has all of them."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Hold two or more runs against one another: figures, speed, settings that differ, and curves in one picture."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...")] = ()
    """Runs' folders or names."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    out: Path = Path("comparison.png")
    """The picture (.png) of their curves to write."""
    json: Switch = False
    """Print JSON in place of tables."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(CompareOptions, arguments, verb=VERB, positional="runs", most=None)
    if chosen is None:
        return EXIT_OK
    if len(chosen.runs) < 2:
        raise ConfigError(f"there are {len(chosen.runs)} runs named, and a comparison needs two or more")
    if chosen.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {chosen.out} must end in .png")

    from mnist_gan.artifacts.curves import save_comparison
    from mnist_gan.cli import tables
    from mnist_gan.cli.finding import find_run, has_rows
    from mnist_gan.runs.comparison import compare

    found = [find_run(name, runs_dir=chosen.runs_dir, usable=has_rows) for name in chosen.runs]
    comparison = compare(*found)
    names = distinct_names([(run.status.name, run.status.path) for run in comparison.runs])
    save_comparison(chosen.out, dict(zip(names, comparison.rows, strict=True)))
    if chosen.json:
        tables.print_json(to_json(comparison, names, picture=chosen.out))
        return EXIT_OK
    tables.print_table(("", *names), rows(comparison))
    print()
    if comparison.differences:
        tables.print_table(("setting", *names), difference_rows(comparison))
    else:
        print("all settings are the same")
    print(f"\n{chosen.out}: their curves")
    return EXIT_OK


def distinct_names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Names of runs, given as (name, path): the path where two have one name, and a number where they are the same."""
    names = [name for name, _ in runs]
    said = [path if names.count(name) > 1 else name for name, path in runs]
    return [
        f"{name} ({said[:index].count(name) + 1})" if said.count(name) > 1 else name for index, name in enumerate(said)
    ]


def rows(comparison: Comparison) -> list[list[str]]:
    """A row a fact, a column a run; without facts that no run has."""
    from mnist_gan.cli.progress import describe_duration

    facts: list[tuple[str, Callable[[RunFigures], str]]] = [
        ("state", lambda run: run.status.state),
        ("preset", lambda run: run.status.preset),
        ("data", lambda run: run.status.data),
        ("images seen", lambda run: f"{run.status.cur_nimg:,}"),
        ("images/s", lambda run: "" if run.img_per_sec is None else f"{run.img_per_sec:,.0f}"),
        ("time training", lambda run: describe_duration(run.train_sec)),
        ("loss G", lambda run: format_number(run.status.latest.get("Loss/G/loss"))),
        ("loss D", lambda run: format_number(run.status.latest.get("Loss/D/loss"))),
    ]
    table = [[name, *(said(run) for run in comparison.runs)] for name, said in facts]
    for name in shown([name for run in comparison.runs for name in metrics_of(run)]):
        table.append([f"{name}, last", *(format_number(metrics_of(run).get(name)) for run in comparison.runs)])
        if any(name in run.best for run in comparison.runs):
            table.append([f"{name}, best", *(best(run, name) for run in comparison.runs)])
    evaluated = shown([name for run in comparison.runs for name in run.evaluations])
    table += [
        [f"{name}, final", *(format_number(run.evaluations.get(name)) for run in comparison.runs)] for name in evaluated
    ]
    return table


def metrics_of(run: RunFigures) -> dict[str, float]:
    """The newest values of what was measured while training."""
    latest = run.status.latest.items()
    return {name.removeprefix(METRIC_PREFIX): value for name, value in latest if name.startswith(METRIC_PREFIX)}


def shown(names: Sequence[str]) -> list[str]:
    """Those of the names that the table shows, each once, in the order of `SHOWN`."""
    return [name for kind in SHOWN for name in dict.fromkeys(names) if figure_kind(name) == kind]


def best(run: RunFigures, name: str) -> str:
    """A metric's best value and when it was."""
    found = run.best.get(name)
    return "–" if found is None else f"{format_number(found.value)} at {found.cur_nimg:,}"


def difference_rows(comparison: Comparison) -> list[list[str]]:
    """A row a setting that differs."""
    return [[name, *map(describe_setting, values)] for name, values in comparison.differences.items()]


def describe_setting(value: Any) -> str:
    """A setting as a config file has it."""
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
    """Plain values: all that is known of each run, and the settings that differ."""
    return {
        "runs": [{"label": name, **dataclasses.asdict(run)} for name, run in zip(names, comparison.runs, strict=True)],
        "differences": {
            setting: dict(zip(names, values, strict=True)) for setting, values in comparison.differences.items()
        },
        "picture": str(picture),
    }

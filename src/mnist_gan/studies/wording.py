"""Words and numbers of a study's results, the same on the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mnist_gan.evaluation.statistics import Interval
from mnist_gan.figures import format_number
from mnist_gan.studies.plan import Options, same_direction
from mnist_gan.studies.results import ArmResult, Results
from mnist_gan.studies.statistics import Difference, Summary, caution
from mnist_gan.text import pluralize

HEADERS = ("arm", "trials", "median", "IQM [95 %]", "difference", "P(better)", "p (Holm)", "result")
"""Columns of the two tables of a study."""


def natural(value: float, options: Options) -> float:
    """A value in the figure's own direction."""
    return same_direction(value, options)


def natural_interval(interval: Interval, options: Options) -> Interval:
    """An interval in the figure's own direction."""
    low, high = (natural(end, options) for end in interval)
    return Interval(min(low, high), max(low, high))


def number(value: float) -> str:
    """A value with three significant digits; a failure in words."""
    return "failed" if math.isinf(value) else format_number(value)


def bounds(interval: Interval) -> str:
    """An interval in brackets."""
    low, high = ("−∞" if end == -math.inf else "∞" if end == math.inf else format_number(end) for end in interval)
    return f"[{low}, {high}]"


def trials_text(summary: Summary) -> str:
    """Number of trials and of failed ones."""
    return f"{summary.n}, {summary.failed} failed" if summary.failed else str(summary.n)


def table_rows(results: Results, table: str) -> list[list[str]]:
    """Return a row under `HEADERS` per arm.

    Args:
        results: of the study.
        table: images or seconds.
    """
    return [_row(results, arm, getattr(arm, f"equal_{table}"), getattr(arm, f"versus_{table}")) for arm in results.arms]


def _row(results: Results, arm: ArmResult, summary: Summary, versus: Difference | None) -> list[str]:
    options = results.study.options
    iqm = f"{number(natural(summary.iqm, options))} {bounds(natural_interval(summary.interval, options))}"
    cells = [arm.name, trials_text(summary), number(natural(summary.median, options)), iqm]
    if versus is None:
        return [*cells, "", "", "", "baseline" if arm.name == results.study.baseline else "no pairs yet"]
    difference = (
        f"{format_number(natural(versus.median, options))} {bounds(natural_interval(versus.interval, options))}"
    )
    p = "< 0.001" if versus.p_holm < 1e-3 else format_number(versus.p_holm, digits=2)
    chance = f"{versus.improvement:.2f} {bounds(versus.improvement_interval)}"
    return [*cells, difference, chance, p, verdict(versus)]


def verdict(versus: Difference) -> str:
    """Result of a comparison with the baseline, in words."""
    match versus.verdict:
        case "better" | "worse" as word:
            return word
        case "suggested":
            word = "better" if versus.median < 0 else "worse"
            return f"suggests {word}, not significant ({pluralize(versus.pairs, 'seed')}, p = {versus.p_holm:.2g})"
        case _:
            return f"no difference shown ({detectable(versus)})"


def detectable(versus: Difference) -> str:
    """Difference that so many seeds could have found."""
    seeds = pluralize(versus.pairs, "seed")
    if math.isinf(versus.detectable):
        return f"{seeds} could have found none"
    return f"{seeds} could have found {format_number(versus.detectable, digits=2)}"


def target_rows(results: Results) -> list[list[str]]:
    """Return a row per arm: trials that met the target, median images and seconds with their intervals."""
    rows = []
    for arm in results.arms:
        if arm.time_to_target is not None:
            images, seconds = arm.time_to_target
            met = images.n - images.failed
            rows.append(
                [
                    arm.name,
                    f"{met} of {images.n}",
                    _time(images.median, "", images.interval),
                    _time(seconds.median, " s", seconds.interval),
                ]
            )
    return rows


def _time(median: float, unit: str, interval: Interval) -> str:
    return "never" if math.isinf(median) else f"{format_number(median)}{unit} {bounds(interval)}"


def notes(results: Results) -> list[str]:
    """Warnings about the results, as sentences."""
    found = [caution(results.seeds)]
    if not results.complete:
        ended = sum(len(arm.trials) for arm in results.arms)
        found.append(
            f"The study is not complete: {ended} of {pluralize(len(results.states), 'trial')} of the comparison ended."
        )
    failed = [name for name in results.failures if name in results.states]
    if failed:
        found.append(
            f"{pluralize(len(failed), 'trial')} failed and count as worse than every other value: {_some(failed)}."
        )
    unmet = [arm.name for arm in results.arms if arm.time_to_target and math.isinf(arm.time_to_target[0].median)]
    if unmet:
        found.append(
            f"At least half of the trials of {_some(unmet)} never meet the target of {results.study.options.target:g}."
        )
    return [each for each in found if each]


def tables_text(results: Results) -> tuple[str, str]:
    """Titles of the two tables."""
    budget = results.study.options.budget
    images = f"Equal images: after {results.images:,.0f} images"
    seconds = f"Equal seconds: after {format_number(results.seconds)} s of training"
    read = " (read off the curves; the learning rates of a longer trial have not fallen yet)"
    return (images, seconds + read) if budget.images else (images + read, seconds)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

"""report.html and results.json of a study.

The page is self-contained: inline SVG and style, no script, no request; light and dark, for a phone and for print.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
import shlex
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, NamedTuple

import jinja2
import torch
from markupsafe import Markup

from mnist_gan import config as config_module
from mnist_gan.artifacts.environment import processor_name
from mnist_gan.assessment import svg
from mnist_gan.assessment.report import POLICY
from mnist_gan.figures import figure_info, format_number
from mnist_gan.runs.comparison import differences, flatten
from mnist_gan.studies import wording
from mnist_gan.studies.coordinator import Progress, describe_values
from mnist_gan.studies.plan import Options, figure_title
from mnist_gan.studies.results import (
    ArmResult,
    Results,
    TrialResult,
    curve_band,
    profile,
    profile_thresholds,
)
from mnist_gan.studies.statistics import Band, Difference, Summary, Values
from mnist_gan.text import format_duration, pluralize

MARK: Final = '<meta name="generator" content="mnist-gan study">'
WITHOUT_RIVAL: Final = "the arm"


class _Panel(NamedTuple):
    """A plot of the page."""

    title: str
    markup: Markup
    caption: str = ""


def render_report(results: Results, progress: Progress, *, name: str) -> str:
    """The page as HTML."""
    options = results.study.options
    images_title, seconds_title = wording.tables_text(results)
    rivals = list(results.arms[1:])
    return _template().render(
        title=options.title or f"Study {name}",
        lead=_lead(results),
        notes=wording.notes(results),
        cards=[
            (f"{arm.name}: {wording.verdict(arm.versus_images)}", _card(results, arm))
            for arm in rivals
            if arm.versus_images
        ],
        headers=wording.HEADERS,
        tables=[
            _Table(images_title, wording.table_rows(results, "images"), _forests(results, "images")),
            _Table(seconds_title, wording.table_rows(results, "seconds"), _forests(results, "seconds")),
        ],
        curves=_curves(results),
        target=_target(results),
        points=_points(results),
        arms=_arm_table(results),
        failures=results.failures,
        seeds=_seed_table(results),
        explanations=_explanations(results),
        facts=_facts(results, progress, name),
    )


def to_json(results: Results, progress: Progress) -> dict[str, Any]:
    """Values and statistics as plain values; a failed trial has no value."""
    options = results.study.options
    return {
        "figure": options.figure,
        "better": options.direction,
        "baseline": results.study.baseline,
        "complete": results.complete,
        "resamples": options.resamples,
        "equal_images": results.images,
        "equal_seconds": _finite(results.seconds),
        "processor_seconds": progress.processor_seconds,
        "notes": wording.notes(results),
        "failures": dict(results.failures),
        "arms": {arm.name: _arm_json(arm, options) for arm in results.arms},
    }


class _Table(NamedTuple):
    title: str
    rows: list[list[str]]
    plots: list[_Panel]


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    style = resources.files("mnist_gan.assessment").joinpath("report.css").read_text(encoding="utf-8")
    environment.globals |= {"policy": Markup(POLICY), "mark": Markup(MARK), "style": Markup(style)}
    own = resources.files("mnist_gan.studies").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(own)


def _lead(results: Results) -> str:
    study, options = results.study, results.study.options
    budget = options.budget
    length = f"{budget.images:,} images" if budget.images else f"{format_number(budget.seconds)} s of training"
    info = figure_info(options.figure)
    meaning = f", {info.meaning}" if info else ""
    return (
        f"{pluralize(len(study.arms), 'arm')} x {pluralize(options.seeds, 'seed')}, {length} each. "
        f"Figure: {options.figure}{meaning}; {options.direction} is better. "
        f"Each arm is compared with {study.baseline}, paired by seed."
    )


def _card(results: Results, arm: ArmResult) -> str:
    versus = arm.versus_images
    assert versus is not None
    options = results.study.options
    value, interval = wording.natural(versus.median, options), wording.natural_interval(versus.interval, options)
    return (
        f"Difference from {results.study.baseline} in {options.figure} after equal images: {format_number(value)} "
        f"{wording.bounds(interval)}. A trial of it is better with probability {versus.improvement:.2f}."
    )


def _forests(results: Results, table: str) -> list[_Panel]:
    options = results.study.options
    values, gaps = [], []
    for arm in results.arms:
        summary: Summary = getattr(arm, f"equal_{table}")
        low, high = wording.natural_interval(summary.interval, options)
        values.append((arm.name, low, wording.natural(summary.iqm, options), high))
        versus: Difference | None = getattr(arm, f"versus_{table}")
        if versus is not None:
            low, high = wording.natural_interval(versus.interval, options)
            gaps.append((arm.name, low, wording.natural(versus.median, options), high))
    better = "right" if options.direction == "higher" else "left"
    panels = [
        _Panel(
            "Each arm",
            Markup(
                svg.forest(
                    values,
                    alt="interquartile mean and interval of each arm",
                    x_label=options.figure,
                    baseline=results.study.baseline,
                )
            ),
            "Interquartile mean over the seeds, with its 95 % bootstrap interval. The baseline comes first.",
        )
    ]
    if gaps:
        plot = svg.forest(
            gaps, alt="difference of each arm from the baseline", x_label=f"difference in {options.figure}", level=0.0
        )
        caption = f"Paired difference from {results.study.baseline}, with its interval; further {better} is better."
        panels.append(
            _Panel("Beside the baseline", Markup(plot), f"{caption} Across the dashed line: no difference shown.")
        )
    return panels


def _curves(results: Results) -> list[tuple[str, list[_Panel]]]:
    """Panels of each rival with the baseline: against images, against seconds, performance profile."""
    baseline, *rivals = results.arms
    pairs: list[tuple[ArmResult, ...]] = [(baseline, rival) for rival in rivals] or [(baseline,)]
    return [
        (pair[-1].name, [_curve(results, pair, "nimg"), _curve(results, pair, "seconds"), _profile(results, pair)])
        for pair in pairs
    ]


def _curve(results: Results, pair: Sequence[ArmResult], clock: str) -> _Panel:
    options = results.study.options
    drawn = []
    for arm in pair:
        ends = [float(getattr(each, clock)[-1]) for each in arm.trials if len(each.values)]
        if ends:
            drawn.append((arm, *curve_band(arm.trials, clock=clock, end=sorted(ends)[len(ends) // 2])))
    title = f"{options.figure} against {'images' if clock == 'nimg' else 'seconds'}"
    unit, scale = ("thousand images", 1e-3) if clock == "nimg" else ("seconds of training", 1.0)
    drawn = [(arm, x * scale, band) for arm, x, band in drawn]
    return _Panel(title, _band_plot(drawn, options, alt=title, x_label=unit, target=options.target))


def _profile(results: Results, pair: Sequence[ArmResult]) -> _Panel:
    options = results.study.options
    thresholds = profile_thresholds(results.arms)
    lines, ribbons = [], []
    for series, arm in enumerate(pair):
        shares = profile(arm.trials, thresholds)
        x = [wording.natural(value, options) for value in thresholds]
        lines.append(svg.Line(x, shares.center.tolist(), series))
        ribbons.append(svg.Ribbon(x, shares.low.tolist(), shares.high.tolist(), series))
    sign = "at least" if options.direction == "higher" else "at most"
    plot = svg.lines(
        lines,
        [arm.name for arm in pair],
        alt="performance profile",
        x_label=options.figure,
        limits=(0.0, 1.05),
        ribbons=ribbons,
    )
    return _Panel(
        "Performance profile", Markup(plot), f"Share of the trials whose last value is {sign} the value below."
    )


def _band_plot(
    drawn: Sequence[tuple[ArmResult, Values, Band]], options: Options, *, alt: str, x_label: str, target: float | None
) -> Markup:
    lines, ribbons = [], []
    for series, (_, x, band) in enumerate(drawn):
        ends = [[wording.natural(float(value), options) for value in each] for each in (band.low, band.high)]
        low, high = ends if options.direction != "higher" else ends[::-1]
        points = [
            (float(a), wording.natural(float(b), options))
            for a, b in zip(x, band.center, strict=True)
            if math.isfinite(b)
        ]
        if points:
            lines.append(svg.Line([a for a, _ in points], [b for _, b in points], series))
            ribbons.append(svg.Ribbon(x.tolist(), low, high, series))
    if not lines:
        return Markup("")
    positive = all(value > 0 for line in lines for value in line.y)
    spread = max(value for line in lines for value in line.y) / max(
        1e-9, min(value for line in lines for value in line.y)
    )
    log = options.direction == "lower" and positive and spread > 5
    level = None if target is None or (log and target <= 0) else (target, "target")
    names = [arm.name for arm, *_ in drawn]
    return Markup(svg.lines(lines, names, alt=alt, x_label=x_label, ribbons=ribbons, level=level, log=log))


def _target(results: Results) -> dict[str, Any] | None:
    target = results.study.options.target
    if target is None:
        return None
    return {"value": f"{target:g}", "rows": wording.target_rows(results)}


def _points(results: Results) -> dict[str, Any]:
    options = results.study.options
    headers = ["arm", *(f"{point:.0%}" for point in options.points)]
    rows = [
        [arm.name, *(wording.number(wording.natural(value, options)) for value in arm.at_points)]
        for arm in results.arms
    ]
    return {"headers": headers, "rows": rows}


def _arm_table(results: Results) -> list[tuple[str, str, str]]:
    """Name, the settings that differ between the arms, and the search of each arm."""
    study = results.study
    contents = [flatten(config_module.to_dict(arm.config)) for arm in study.arms]
    changed = differences(contents)
    rows = []
    for position, arm in enumerate(study.arms):
        settings = {name: values[position] for name, values in changed.items() if values[position] is not None}
        found = next((each for each in results.arms if each.name == arm.name), None)
        search = "; ".join(f"{each.field}: {each.describe()}" for each in arm.search)
        if search and found is not None and found.tuned:
            search += f". Chosen: {describe_values(dict(found.tuned))}"
        if found is not None and found.tuning_failed:
            search += f". {pluralize(found.tuning_failed, 'tuning trial')} failed"
        rows.append((arm.name, describe_values(settings), search))
    return rows


def _seed_table(results: Results) -> list[list[str]]:
    """Last value of every trial, a row per arm."""
    seeds = list(results.study.seeds)
    rows = [["arm", *map(str, seeds)]]
    for arm in results.arms:
        by_seed = {each.trial.seed: each for each in arm.trials}
        rows.append([arm.name, *(_seed_cell(by_seed.get(seed), results.study.options) for seed in seeds)])
    return rows


def _seed_cell(trial: TrialResult | None, options: Options) -> str:
    if trial is None:
        return "–"
    return trial.state if math.isinf(trial.final) else format_number(wording.natural(trial.final, options))


def _explanations(results: Results) -> dict[str, str]:
    options = results.study.options
    return {
        "Interquartile mean (IQM)": "Mean of the middle half of the seeds. Its interval is a percentile bootstrap over "
        f"seeds with {options.resamples:,} resamples, each arm resampled by itself (stratified). With few seeds it is "
        "too narrow: its simulated coverage is 75 % at 3 seeds, 90 % at 5, 94 % at 10 and 95 % at 20.",
        "Difference": f"Hodges-Lehmann estimate of the paired differences from {results.study.baseline}, with the "
        f"exact interval of the signed-rank test{_level(results)}.",
        "P(better)": "Probability that a trial of the arm is better than one of the baseline, with a bootstrap "
        "interval stratified by arm.",
        "p (Holm)": "Wilcoxon signed-rank test, two-sided, corrected for the number of arms of the table.",
        "no difference shown": "The interval holds 0. In brackets: the difference that so many seeds find with a "
        "probability of 80 % at the 5 % level, from the spread seen here.",
        "failed": "Diverged or killed. A failed trial counts as worse than every value.",
        "Bands": "95 % bootstrap intervals over seeds at each point of the curve.",
    }


def _level(results: Results) -> str:
    levels = {round(arm.versus_images.level, 3) for arm in results.arms if arm.versus_images is not None}
    return f" (confidence level {', '.join(f'{level:.1%}' for level in sorted(levels))})" if levels else ""


def _facts(results: Results, progress: Progress, name: str) -> dict[str, str]:
    study = results.study
    return {
        "Command": f"mnist-gan study run {shlex.quote(name)}",
        "Figure": figure_title(study.options.figure),
        "Seeds": f"{study.seeds[0]} to {study.seeds[-1]}, the same for every arm; arms interleaved",
        "Threads of a trial": str(study.options.threads),
        "Cost": f"{format_duration(progress.processor_seconds)} of processor time, tuning and failed trials included",
        "Processor": processor_name(),
        "Versions": f"mnist-gan {importlib.metadata.version('mnist-gan')}, torch {torch.__version__}",
    }


def _arm_json(arm: ArmResult, options: Options) -> dict[str, Any]:
    return {
        "trials": {
            str(each.trial.seed): {
                "run": each.trial.name,
                "state": each.state,
                "value": _finite(wording.natural(each.final, options)),
                "images": each.nimg.tolist(),
                "seconds": each.seconds.tolist(),
                "values": [wording.natural(value, options) for value in each.values.tolist()],
            }
            for each in arm.trials
        },
        "equal_images": _summary_json(arm.equal_images, options),
        "equal_seconds": _summary_json(arm.equal_seconds, options),
        "versus_baseline_images": _difference_json(arm.versus_images, options),
        "versus_baseline_seconds": _difference_json(arm.versus_seconds, options),
        "at_points": {
            str(point): _finite(wording.natural(value, options))
            for point, value in zip(options.points, arm.at_points, strict=True)
        },
        "time_to_target": _target_json(arm),
        "median_seconds": _finite(arm.median_seconds),
        "tuned": arm.tuned,
        "tuning_failed": arm.tuning_failed,
    }


def _summary_json(summary: Summary, options: Options) -> dict[str, Any]:
    return {
        "n": summary.n,
        "failed": summary.failed,
        "median": _finite(wording.natural(summary.median, options)),
        "iqm": _finite(wording.natural(summary.iqm, options)),
        "interval": [_finite(end) for end in wording.natural_interval(summary.interval, options)],
    }


def _difference_json(versus: Difference | None, options: Options) -> dict[str, Any] | None:
    if versus is None:
        return None
    content = {
        name: _finite(value) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(versus).items()
    }
    return content | {
        "median": _finite(wording.natural(versus.median, options)),
        "interval": [_finite(end) for end in wording.natural_interval(versus.interval, options)],
        "improvement_interval": list(versus.improvement_interval),
        "verdict": versus.verdict,
    }


def _target_json(arm: ArmResult) -> dict[str, Any] | None:
    if arm.time_to_target is None:
        return None
    return {
        clock: {
            "met": summary.n - summary.failed,
            "median": _finite(summary.median),
            "interval": [_finite(end) for end in summary.interval],
        }
        for clock, summary in zip(("images", "seconds"), arm.time_to_target, strict=True)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

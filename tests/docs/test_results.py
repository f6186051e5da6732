"""Tables of docs/results.md and README.md agree with the logs in benchmarks/logs."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from typing import Any

import pytest
from benchmarks import losses, quality, toys
from benchmarks.recipes import read_log
from scripts.docpages import ROOT

RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOGS = ROOT / "benchmarks" / "logs"
QUALITY = read_log(LOGS / "quality.jsonl")
STACKED = read_log(LOGS / "quality-stacked.jsonl")
FORMER = [row for row in read_log(LOGS / "quality-patches.jsonl") if row["preset"] in {"quick", "standard", "best"}]


@pytest.mark.parametrize(
    "trainings", [QUALITY, STACKED, FORMER], ids=["networks of today", "stacked MNIST", "former networks"]
)
def test_quality_table_equals_the_log(trainings: list[dict[str, Any]]) -> None:
    assert quality.table(trainings) in RESULTS


def test_race_of_stacked_mnist_shows_the_figures_of_the_log() -> None:
    for row in read_log(LOGS / "race-stacked.jsonl"):
        kl, mutual, distance = row["kluniform26k"], row["mutual26k"], row["fd10k"]
        figures = f"{row['modes26k']:,} | {kl:.3f} | {mutual:.3f} | {distance:.1f} |"
        assert f"| {row['dense']} | {row['images']:,} | {row['processor_seconds']:.0f} | {figures}" in RESULTS


@pytest.mark.parametrize("log", ["toys", "toys-weaker-r1"])
def test_table_of_the_toys_equals_the_log(log: str) -> None:
    assert toys.summary(read_log(LOGS / f"{log}.jsonl")) in RESULTS


def test_race_of_the_toys_shows_the_figures_of_the_log() -> None:
    before = read_log(LOGS / "toys-weaker-r1.jsonl")
    trained = defaultdict[tuple[str, str], list[dict[str, Any]]](list)
    for row in read_log(LOGS / "race-toys.jsonl"):
        trained[row["preset"], str(row["changes"])].append(row)
    for preset, seeds in {"grid25": {5, 8, 13, 11}, "ring8": {11, 4, 13, 15}}.items():
        trained[preset, "before"] = [row for row in before if row["preset"] == preset and row["seed"] in seeds]
    for (preset, _), rows in trained.items():
        quality, seconds = [100 * row["quality"] for row in rows], [row["cpu_seconds"] for row in rows]
        figures = f"{statistics.mean(quality):.1f} ({min(quality):.1f}) | {statistics.mean(seconds):.0f} |"
        assert re.search(rf"^\| `{preset}` \| .* \| {re.escape(figures)}$", RESULTS, re.MULTILINE), (preset, figures)


def test_race_of_flash_shows_the_figures_of_the_log() -> None:
    settings = ("g_lr", "d_lr", "classifier_weight", "r1_gamma", "batch_size", "ema_rampup")
    trained = defaultdict[str, list[dict[str, Any]]](list)
    for row in read_log(LOGS / "race-flash.jsonl"):
        trained[" | ".join(f"{row[name]:g}" for name in settings)].append(row)
    for chosen, rows in trained.items():
        distances = [statistics.mean(row[name] for row in rows) for name in ("fd10k_mnistnet", "fd10k_mnistnet_b")]
        seeds = ", ".join(str(row["seed"]) for row in rows)
        assert f"| {chosen} | {seeds} | {distances[0]:.3f} | {distances[1]:.3f} |" in RESULTS


def test_table_of_the_study_of_losses_equals_its_results() -> None:
    assert losses.table(json.loads((LOGS / "losses.json").read_text(encoding="utf-8"))) in RESULTS


@pytest.mark.parametrize("preset", sorted({row["preset"] for row in QUALITY}))
def test_readme_shows_the_medians_of_the_log(preset: str) -> None:
    names = {
        "c2st20k": ".1%",
        "fd10k_mnistnet": ".3f",
        "fd10k_mnistnet_b": ".3f",
        "coverage10k_mnistnet": ".3f",
        "agreement": ".1%",
    }
    figures = [row["figures"] for row in QUALITY if row["preset"] == preset]
    medians = [format(statistics.median(row[name] for row in figures), form) for name, form in names.items()]
    (cells,) = re.findall(rf"^\| `{preset}`, [^|]*seed[^|]* \| (.*) \|$", README, re.MULTILINE)
    assert cells.replace(" %", "%").split(" | ") == medians


@pytest.mark.parametrize("race", ["72k", "200k", "600k", "finalists-200k", "finalists-404k"])
def test_race_tables_show_the_final_distances_of_the_log(race: str) -> None:
    log: dict[str, list[float]] = {}
    for entry in read_log(LOGS / f"race-{race}.jsonl"):
        log.setdefault(entry["name"], []).append(entry["marks"][-1]["fd10k_mnistnet"])
    digits = 2 if race in {"72k", "200k"} else 3
    shown = {f"| {name} | **{statistics.median(values):.{digits}f}**" for name, values in log.items()}
    rows = re.findall(r"^\| `?([a-z][\w.-]*)`? \|[^*\n]*\| (\*\*[\d.]+\*\*)", RESULTS, re.MULTILINE)
    assert shown <= {f"| {name} | {distance}" for name, distance in rows}

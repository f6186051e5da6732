"""Quality of complete trainings of the presets: median and range over seeds of every figure with a target.

    mnist-gan train standard --training.seed 0 --name standard-0     # and other seeds and presets
    mnist-gan evaluate standard-0 --judge both --full                # each run; saves its figures with the run
    mnist-gan evaluate stacked-0 --judge both                        # stacked MNIST has no figures in full
    python -m benchmarks.quality runs/* --log quality.jsonl          # collect them in a log and print the table
    python -m benchmarks.quality --log quality.jsonl                 # print the table again

A run replaces an earlier one with the same preset and seed. docs/results.md reports `benchmarks/logs/quality.jsonl`
and `quality-stacked.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.recipes import read_log

from mnist_gan.figures import METRIC_PREFIX
from mnist_gan.runs.directory import RunDirectory

FIGURES = {
    "modes26k_mnistnet": "{:,.0f}",
    "modes26k_mnistnet_b": "{:,.0f}",
    "kluniform26k_mnistnet": "{:.3f}",
    "kluniform26k_mnistnet_b": "{:.3f}",
    "klproduct26k_mnistnet": "{:.3f}",
    "klproduct26k_mnistnet_b": "{:.3f}",
    "fd26k_mnistnet": "{:.1f}",
    "fd26k_mnistnet_b": "{:.1f}",
    "fdinf200k_mnistnet": "{:.3f}",
    "fdinf200k_mnistnet_b": "{:.3f}",
    "fd10k_mnistnet": "{:.3f}",
    "fd10k_mnistnet_b": "{:.3f}",
    "c2st20k": "{:.1%}",
    "c2stauc20k": "{:.3f}",
    "c2stgap20k": "{:.1%}",
    "form_box": "{:.1%}",
    "form_centred": "{:.1%}",
    "form_black": "{:.1%}",
    "form_faint": "{:.2%}",
    "coverage10k_mnistnet": "{:.3f}",
    "coverage10k_mnistnet_b": "{:.3f}",
    "recall10k_mnistnet": "{:.3f}",
    "density10k_mnistnet": "{:.3f}",
    "diversity": "{:.3f}",
    "smallest_diversity": "{:.3f}",
    "agreement": "{:.2%}",
    "smallest_share": "{:.3f}",
    "largest_share": "{:.3f}",
    "gan_train": "{:.2%}",
    "gan_test": "{:.2%}",
    "memorization_pixels": "{:.3f}",
}


def gather(run: Path) -> dict[str, Any]:
    """Facts and figures of a run as one row; figures without a judge in their name are those of the first judge.

    Raises:
        SystemExit: the run has not been evaluated with both judges, and in full where it can be.
    """
    config = RunDirectory(run).read_config()
    stacked = config.data.name == "stacked-mnist"
    rows = {row["judge"]: row for row in read_log(run / f"metrics-{'fd26k' if stacked else 'fd10k'}.jsonl")}
    full = stacked or f"{METRIC_PREFIX}gan_train" in rows.get("mnistnet", {})
    if rows.keys() != {"mnistnet", "mnistnet-b"} or not full:
        options = "--judge both" if stacked else "--judge both --full"
        raise SystemExit(f"{run} lacks figures; run `mnist-gan evaluate {run} {options}`")
    figures, floors = dict[str, float](), dict[str, float]()
    for judge in ("mnistnet-b", "mnistnet"):
        figures |= _named(rows[judge])
        floors |= _named(rows[judge]["floors"])
    return {
        "preset": config.preset,
        "seed": config.training.seed,
        "threads": config.training.threads,
        "total_nimg": config.training.total_nimg,
        "chosen_nimg": rows["mnistnet"]["cur_nimg"],
        "figures": figures,
        "floors": floors,
    }


def _named(row: dict[str, Any]) -> dict[str, float]:
    return {name.removeprefix(METRIC_PREFIX): value for name, value in row.items() if name.startswith(METRIC_PREFIX)}


def table(rows: list[dict[str, Any]]) -> str:
    """A column per preset: median over its seeds, and their range. Figures that no row has are left out."""
    by_preset: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_preset.setdefault(row["preset"], []).append(row)
    lines = ["| figure | real digits | " + " | ".join(f"`{preset}`" for preset in by_preset) + " |"]
    lines.append("|---" * (2 + len(by_preset)) + "|")
    seeds = (", ".join(str(row["seed"]) for row in group) for group in by_preset.values())
    lines.append("| seeds | | " + " | ".join(seeds) + " |")
    lines.append("| images | | " + " | ".join(f"{group[0]['total_nimg']:,}" for group in by_preset.values()) + " |")
    for name, form in FIGURES.items():
        if not any(name in row["figures"] for row in rows):
            continue
        cells = [_cell([row["figures"].get(name) for row in group], form) for group in by_preset.values()]
        floor = rows[-1]["floors"].get(name)
        lines.append(f"| `{name}` | {'' if floor is None else form.format(floor)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: list[float | None], form: str) -> str:
    values = [value for value in found if value is not None]
    if not values:
        return "–"
    median = f"**{form.format(statistics.median(values))}**"
    if len(values) == 1:
        return median
    return f"{median} ({form.format(min(values))} to {form.format(max(values))})"


def main() -> None:
    """Add the given runs to the log, then print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run folders, evaluated with both judges in full")
    parser.add_argument("--log", type=Path, default=Path("quality.jsonl"), help="log (default quality.jsonl)")
    arguments = parser.parse_args()
    rows = {(row["preset"], row["seed"]): row for row in read_log(arguments.log)}
    for run in arguments.runs:
        row = gather(run)
        rows[row["preset"], row["seed"]] = row
    if arguments.runs:
        arguments.log.write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
    print(table(list(rows.values())))


if __name__ == "__main__":
    main()

"""Training time after which `quick` reaches the distance that the tutorials' GAN has after five minutes.

    python -m benchmarks.head_start --log head-start.jsonl --seeds 0 1 2    # about 20 minutes on an idle machine
    python -m benchmarks.head_start --log head-start.jsonl --seeds          # print the table again

For each seed, `classic-dcgan` is trained for `--seconds`, then `quick` (with its whole schedule) for `--head-start`
seconds. Only the time of training steps counts. The distance is that of the averaged generator.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.recipes import JUDGES, change, measure_average, read_log

from mnist_gan import experiment, presets
from mnist_gan.data import load_dataset
from mnist_gan.evaluation import Reference

DISTANCE = f"fd10k_{JUDGES[0]}"
TICKS = 60
"""Minimum number of ticks per training, which is the resolution of the clock."""


def train_for(
    preset: str, *, seed: int, seconds: float, marks: list[float], references: list[Reference]
) -> list[dict[str, Any]]:
    """Train for `seconds` and measure at each mark, in seconds of training; measuring does not count."""
    config = change(presets.get(preset), training={"seed": seed})
    speed = experiment.dry_run(config, seconds=1.0).img_per_sec
    config = change(config, run={"tick_nimg": max(config.training.batch_size, int(speed * seconds / TICKS / 4))})
    spent, rows, due = 0.0, list[dict[str, Any]](), sorted(marks)
    for tick in experiment.train(config):
        spent += tick.seconds
        if due and (spent >= due[0] or tick.reason == "finished"):
            due = [mark for mark in due if mark > spent]
            figures = measure_average(tick, config, references)
            rows.append({"preset": preset, "seed": seed, "seconds": spent, "cur_nimg": tick.cur_nimg, **figures})
        if not due:
            break
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """A row per seed: the final distance of `classic-dcgan`, and the time at which `quick` is closer."""
    lines = ["| seed | classic-dcgan | quick is closer at | with |", "|---" * 4 + "|"]
    times = []
    for seed in sorted({row["seed"] for row in rows}):
        own = [row for row in rows if row["seed"] == seed]
        slow = max((row for row in own if row["preset"] == "classic-dcgan"), key=lambda row: row["seconds"])
        closer = [row for row in own if row["preset"] == "quick" and row[DISTANCE] <= slow[DISTANCE]]
        if not closer:
            lines.append(f"| {seed} | {slow[DISTANCE]:.2f} after {slow['seconds']:.0f} s | not within this time | |")
            continue
        first = min(closer, key=lambda row: row["seconds"])
        times.append(first["seconds"])
        lines.append(
            f"| {seed} | {slow[DISTANCE]:.2f} after {slow['seconds']:.0f} s ({slow['cur_nimg']:,} images) "
            f"| {first['seconds']:.1f} s ({first['cur_nimg']:,} images) | {first[DISTANCE]:.2f} |"
        )
    median = f"\n\nMedian: {statistics.median(times):.1f} s." if times else ""
    return "\n".join(lines) + median


def main() -> None:
    """Train the seeds that the log lacks, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=Path("head-start.jsonl"), help="log (default head-start.jsonl)")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="seeds (default 0 1 2)")
    parser.add_argument("--seconds", type=float, default=300.0, help="training time of classic-dcgan (default 300)")
    parser.add_argument("--head-start", type=float, default=30.0, help="training time of quick (default 30)")
    arguments = parser.parse_args()
    dataset = load_dataset(presets.quick().data)
    references = [Reference.of(dataset, judge=judge) for judge in JUDGES]
    plans = {
        "classic-dcgan": [arguments.seconds * share for share in (0.25, 0.5, 1.0)],
        "quick": [arguments.head_start * share for share in (0.125, 0.25, 0.5, 0.75, 1.0)],
    }
    for seed in arguments.seeds:
        for preset, marks in plans.items():
            if any((row["seed"], row["preset"]) == (seed, preset) for row in read_log(arguments.log)):
                continue
            rows = train_for(preset, seed=seed, seconds=marks[-1], marks=marks, references=references)
            with arguments.log.open("a") as log:
                log.writelines(json.dumps(row) + "\n" for row in rows)
            print(preset, seed, json.dumps(rows[-1]), flush=True)
    print(table(read_log(arguments.log)))


if __name__ == "__main__":
    main()

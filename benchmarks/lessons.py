"""The claims of the guided lessons, each over many seeds.

    python -m benchmarks.lessons --seeds 10 --out benchmarks/logs/lessons.jsonl
    python -m benchmarks.lessons collapse                    # one of the lessons

Every experiment on the plane is played to its end with each seed, on one thread, and every claim about it is checked.
Seeds that are in the file already are not repeated. The exit code is 1 if a claim fails.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from mnist_gan.studio.lessons import LESSONS, Game
from mnist_gan.studio.services.plane import play_experiment

EXPERIMENTS = [
    (lesson.name, number, experiment)
    for lesson in LESSONS
    for number, experiment in enumerate(lesson.experiments)
    if isinstance(experiment, Game)
]


def measure(lesson: str, number: int, experiment: Game, *, seed: int) -> dict[str, Any]:
    """Play an experiment with a seed: the figures that its claims are about."""
    began = time.process_time()
    figures = play_experiment(experiment, seed=seed)
    return {
        "lesson": lesson,
        "experiment": number,
        "seed": seed,
        "figures": {claim.figure: figures[claim.figure] for claim in experiment.claims},
        "cpu_seconds": round(time.process_time() - began, 2),
    }


def summary(rows: list[dict[str, Any]]) -> str:
    """Lines of a table in Markdown, one per claim."""
    lines = ["| lesson | experiment | claim | holds | range |", "|---|---|---|---|---|"]
    for lesson, number, experiment in EXPERIMENTS:
        own = [row for row in rows if (row["lesson"], row["experiment"]) == (lesson, number)]
        if not own:
            continue
        for claim in experiment.claims:
            values = [row["figures"][claim.figure] for row in own]
            held = sum(claim.holds(row["figures"]) for row in own)
            text = f"{claim.figure} {claim.relation} {claim.value:g}"
            lines.append(
                f"| {lesson} | {experiment.title} | {text} | {held} of {len(own)} | "
                f"{min(values):.3g} to {max(values):.3g} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", help="names of lessons; none: all")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("lessons.jsonl"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in chosen.out.read_text().splitlines()] if chosen.out.exists() else []
    for seed in range(chosen.seeds):
        for lesson, number, experiment in EXPERIMENTS:
            if chosen.lessons and lesson not in chosen.lessons:
                continue
            if any((row["lesson"], row["experiment"], row["seed"]) == (lesson, number, seed) for row in rows):
                continue
            rows.append(measure(lesson, number, experiment, seed=seed))
            with chosen.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(summary(rows))
    claims = {(lesson, number): experiment.claims for lesson, number, experiment in EXPERIMENTS}
    if not all(claim.holds(row["figures"]) for row in rows for claim in claims[row["lesson"], row["experiment"]]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Toys by the protocol of PacGAN: modes, high quality and seconds of a preset over many seeds.

    python -m benchmarks.toys ring8 grid25 --seeds 20 --out toys.jsonl

One process trains one seed after the other, on one thread, and measures 2,500 samples of the averaged generator at the
end. Seconds are those of the processor, which other programs do not change, and of the clock. Seeds that are in the
file already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from mnist_gan import experiment, presets
from mnist_gan.config import Config, with_fields
from mnist_gan.evaluation import reference_of
from mnist_gan.experiment.model import averaged_generator, evaluate_generator
from mnist_gan.experiment.setup import set_up


def with_seed(config: Config, seed: int) -> Config:
    return with_fields(config, {"training.seed": seed, "training.threads": 1, "training.device": "cpu"})


def measure(preset: str, seed: int) -> dict[str, Any]:
    """Train a preset with a seed, and measure the result."""
    config = with_seed(presets.get(preset), seed)
    with set_up(config) as setup:
        reference = reference_of(setup.dataset)
    began, cpu = time.perf_counter(), time.process_time()
    *_, last = experiment.train(config)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    row = evaluate_generator(averaged_generator(last.state, config), reference).row()
    figures = {name.removeprefix("Metric/").removesuffix("2500"): value for name, value in row.items()}
    return {"preset": preset, "seed": seed, "cpu_seconds": cpu, "seconds": seconds, "steps": last.step, **figures}


def summary(rows: list[dict[str, Any]]) -> str:
    """Lines of a table in Markdown, one per preset."""
    lines = [
        "| preset | seeds | all modes | high quality, %: mean (least) | processor s: mean (most) |",
        "|---|---|---|---|---|",
    ]
    for preset in dict.fromkeys(row["preset"] for row in rows):
        own = [row for row in rows if row["preset"] == preset]
        most = max(row["modes"] for row in own)
        quality, cpu = [100 * row["quality"] for row in own], [row["cpu_seconds"] for row in own]
        lines.append(
            f"| {preset} | {len(own)} | {sum(row['modes'] == most for row in own)} of {len(own)} have {most:.0f} | "
            f"{statistics.mean(quality):.1f} ({min(quality):.1f}) | {statistics.mean(cpu):.0f} ({max(cpu):.0f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train toys over many seeds and measure them exactly.")
    parser.add_argument("presets", nargs="*", default=["ring8", "grid25"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("toys.jsonl"))
    chosen = parser.parse_args()
    rows = [json.loads(line) for line in chosen.out.read_text().splitlines()] if chosen.out.exists() else []
    for seed in range(chosen.seeds):
        for preset in chosen.presets:
            if any(row["preset"] == preset and row["seed"] == seed for row in rows):
                continue
            rows.append(measure(preset, seed))
            print(json.dumps(rows[-1]), flush=True)
            with chosen.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(summary(rows))


if __name__ == "__main__":
    main()

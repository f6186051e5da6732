"""Record healthy and failing trainings, and print the diagnosis of each.

    python benchmarks/diagnoses.py record tests/evaluation/recorded --seeds 0 1    # trains; about a minute per run
    python benchmarks/diagnoses.py diagnose tests/evaluation/recorded              # reads the rows again

The rows of a run are saved without timing in `<recipe>-<seed>.jsonl`, one JSON object per line. The thresholds of
`mnist_gan.evaluation.diagnosis` were fitted on the runs of seed 0; the tests check them on the other seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

from mnist_gan import experiment, presets
from mnist_gan.config import Config
from mnist_gan.evaluation import diagnose

HEALTHY = ("quick",)
NIMG = 96_000
DIGITS_KEPT = 4


def recipe(name: str, *, seed: int) -> Config:
    """A preset with the length and the evaluation interval of the failure gallery."""
    config = presets.get(name)
    return dataclasses.replace(
        config,
        training=dataclasses.replace(config.training, total_nimg=NIMG, epochs=None, seed=seed),
        run=dataclasses.replace(config.run, tick_nimg=3_000, evaluate_nimg=6_000, checkpoint_nimg=NIMG),
    )


def record(name: str, *, seed: int, folder: Path) -> None:
    """Train one recipe and save its rows, rounded, without timing."""
    with tempfile.TemporaryDirectory() as runs_dir:
        directory = experiment.run(recipe(name, seed=seed), name="run", runs_dir=runs_dir).directory
        rows = [json.loads(line) for line in directory.metrics.read_text().splitlines()]
    kept = [{key: _short(value) for key, value in row.items() if not key.startswith("Timing/")} for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{seed}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


def summarize(path: Path) -> str:
    """The states of a recorded run in order, and its last diagnosis."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    ends = [index for index, row in enumerate(rows, start=1) if any(key.startswith("Metric/fd") for key in row)]
    states = [diagnose(rows[:end]).state for end in ends]
    changes = [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]
    return f"{path.stem}: {' -> '.join(changes)}\n    {diagnose(rows)}"


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS_KEPT}g}") if isinstance(value, float) else value


def main() -> None:
    """Record runs, or diagnose recorded ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["record", "diagnose"])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("tests/evaluation/recorded"))
    parser.add_argument("--recipes", nargs="+", default=[*HEALTHY, *presets.FAILURES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    if arguments.what == "record":
        for seed in arguments.seeds:
            for name in arguments.recipes:
                record(name, seed=seed, folder=arguments.folder)
                print(summarize(arguments.folder / f"{name}-{seed}.jsonl"), flush=True)
        return
    for path in sorted(arguments.folder.glob("*.jsonl")):
        print(summarize(path))


if __name__ == "__main__":
    main()

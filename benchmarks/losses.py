"""Table of the study `losses` for docs/results.md.

    mnist-gan study run losses                                # 192 trials, 100 minutes on two cores
    python -m benchmarks.losses studies/losses/results.json   # prints the table

docs/results.md reports `benchmarks/logs/losses.json`, which is such a results.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mnist_gan.evaluation.statistics import Interval
from mnist_gan.figures import format_number
from mnist_gan.studies.wording import bounds

HEADERS = (
    "loss and regularizer",
    "tuned: learning rates of G and D, beta1, others",
    "median",
    "IQM [95 %]",
    "difference from the baseline [95 %]",
    "p (Holm)",
    "IQM [95 %] at equal seconds",
)


def table(results: dict[str, Any]) -> str:
    """A row per arm in Markdown, the best first."""
    arms = sorted(results["arms"].items(), key=lambda pair: pair[1]["equal_images"]["iqm"])
    lines = ["| " + " | ".join(HEADERS) + " |", "|---" * len(HEADERS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_row(name, arm))} |" for name, arm in arms)])


def _row(name: str, arm: dict[str, Any]) -> list[str]:
    images, seconds, versus = arm["equal_images"], arm["equal_seconds"], arm.get("versus_baseline_images")
    difference = "baseline" if versus is None else f"{format_number(versus['median'])} {_bounds(versus['interval'])}"
    p = "" if versus is None else format_number(versus["p_holm"], digits=2)
    return [
        f"`{name}`",
        _tuned(arm["tuned"]),
        f"**{format_number(images['median'])}**",
        f"{format_number(images['iqm'])} {_bounds(images['interval'])}",
        difference,
        p,
        f"{format_number(seconds['iqm'])} {_bounds(seconds['interval'])}",
    ]


def _tuned(values: dict[str, float]) -> str:
    rates = ", ".join(f"{values[f'optimizer.{name}']:g}" for name in ("g_lr", "d_lr", "beta1"))
    others = [f"{name.split('.')[1]} {value:g}" for name, value in values.items() if not name.startswith("optimizer.")]
    return "; ".join([rates, *others])


def _bounds(interval: list[float]) -> str:
    return bounds(Interval(*interval))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results.json of the study")
    print(table(json.loads(parser.parse_args().results.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()

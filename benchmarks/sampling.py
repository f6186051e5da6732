"""Speed of drawing and judging images, divided over the cores by batches and by layers.

    python -m benchmarks.sampling                # whole commands with 10,000 and 100,000 images, too
    python -m benchmarks.sampling --no-commands

By layers is the baseline: torch's threads share the work of each layer. The ways take turns, beside 0 and 1 busy
programs, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.contention import busy_processes

from mnist_gan import GAN, sampling
from mnist_gan.evaluation.mnistnet import load_judge

COMPETITORS = (0, 1)
WHERE = {"draw": "mnist_gan.sampling.images.map_in_parallel", "judge": "mnist_gan.evaluation.mnistnet.map_in_parallel"}


def by_layers(
    function: Callable[[Any], Any], items: Iterable[Any], *, progress: Callable[[int], None] | None = None
) -> list[Any]:
    """The baseline of `map_in_parallel`: one item after the other, with all threads."""
    return [function(item) for item in items]


def measure(work: Callable[[], object], name: str, *, divided: bool) -> float:
    """Seconds of the work, its items divided over the cores or in order."""
    began = time.perf_counter()
    if divided:
        work()
    else:
        with mock.patch(WHERE[name], by_layers):
            work()
    return time.perf_counter() - began


def time_command(n: int) -> float:
    """Seconds of `mnist-gan sample --n N` as a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "digits.npz"
        command = [sys.executable, "-m", "mnist_gan", "sample", "--run", "shipped", "--n", str(n), "--out", str(out)]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5_000, help="images of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    gan = GAN.load("shipped")
    z, labels = sampling.draw_latents(gan.G, n=arguments.n, seed=0), gan.labels(arguments.n)
    images = sampling.render(gan.G, z, labels)
    work = {
        "draw": lambda: sampling.render(gan.G, z, labels),
        "judge": lambda: load_judge().predict(images),
    }
    for count in COMPETITORS:
        seconds: dict[tuple[str, bool], list[float]] = {}
        with busy_processes(count, seconds=3600):
            for _ in range(arguments.rounds):
                for name, function in work.items():
                    for divided in (False, True):
                        seconds.setdefault((name, divided), []).append(measure(function, name, divided=divided))
        for name in work:
            slow, fast = (arguments.n / statistics.median(seconds[name, divided]) for divided in (False, True))
            speeds = f"{slow:,.0f} images/s by layers, {fast:,.0f} by batches ({fast / slow:.2f})"
            print(f"{name}, {count} busy programs: {speeds}")
    for n in (10_000, 100_000) if arguments.commands else ():
        median = statistics.median(time_command(n) for _ in range(3))
        print(f"mnist-gan sample --n {n}: {median:.1f} s as a whole command (median of 3)")


if __name__ == "__main__":
    main()

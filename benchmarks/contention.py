"""Training speed beside busy programs, for one thread, two threads, and two shards.

    python -m benchmarks.contention                    # about three minutes on two idle cores
    python -m benchmarks.contention --nice 10          # trainings with low priority, as the studio starts them

Each measurement is a process of its own that trains a preset in memory. Beside it, 0, 1 or 2 other processes count in
an endless loop. The ways take turns, and the median of the rounds counts. Speeds are relative to one idle thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

WAYS = {"1 thread": (1, 1), "2 threads": (2, 1), "2 shards": (2, 2)}
"""Name -> threads and shards. Trainings choose as many shards as threads."""
COMPETITORS = (0, 1, 2)
BUSY_LOOP = "import time; end = time.time() + {seconds}\nwhile time.time() < end: pass"


def measure_speed(preset: str, *, threads: int, shards: int, seconds: float) -> float:
    """Images per second of a training in this process, after a second of warming up."""
    from mnist_gan import presets, train

    config = presets.get(preset)
    interval = config.training.batch_size * config.objective.penalty_interval
    config = dataclasses.replace(
        config,
        training=dataclasses.replace(config.training, threads=threads, shards=shards),
        run=dataclasses.replace(config.run, tick_nimg=interval, evaluate=False),
    )
    began, nimg, spent = time.perf_counter(), 0, 0.0
    for tick in train(config):
        elapsed = time.perf_counter() - began
        if elapsed > 1.0:
            nimg, spent = nimg + tick.nimg, spent + tick.seconds
        if spent > seconds:
            break
    return nimg / spent


@contextmanager
def busy_processes(count: int, *, seconds: float) -> Iterator[None]:
    """Keep `count` processes busy inside the block, for `seconds` at most."""
    code = BUSY_LOOP.format(seconds=seconds)
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_in_process(preset: str, way: str, *, competitors: int, seconds: float, nice: int) -> float:
    """`measure_speed` in a process of its own, beside busy ones."""
    threads, shards = WAYS[way]
    command = [sys.executable, "-m", "benchmarks.contention", "--preset", preset, "--seconds", str(seconds)]
    command += ["--only", str(threads), str(shards)]
    with busy_processes(competitors, seconds=20 * seconds + 60):
        result = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=lambda: os.nice(nice) and None
        )
    return float(result.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="training time of one measurement")
    parser.add_argument("--nice", type=int, default=0, help="added to the niceness of the trainings")
    parser.add_argument("--only", type=int, nargs=2, metavar=("THREADS", "SHARDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        threads, shards = arguments.only
        print(measure_speed(arguments.preset, threads=threads, shards=shards, seconds=arguments.seconds))
        return
    speeds: dict[tuple[str, int], list[float]] = {}
    for _ in range(arguments.rounds):
        for competitors in COMPETITORS:
            for way in WAYS:
                speed = measure_in_process(
                    arguments.preset,
                    way,
                    competitors=competitors,
                    seconds=arguments.seconds,
                    nice=arguments.nice,
                )
                speeds.setdefault((way, competitors), []).append(speed)
    base = statistics.median(speeds["1 thread", 0])
    print("| | " + " | ".join(f"{n} busy programs" for n in COMPETITORS) + " |")
    print("|---" * (len(COMPETITORS) + 1) + "|")
    for way in WAYS:
        medians = [statistics.median(speeds[way, n]) for n in COMPETITORS]
        print(f"| {way} | " + " | ".join(f"{m:,.0f} images/s ({m / base:.2f})" for m in medians) + " |")


if __name__ == "__main__":
    main()

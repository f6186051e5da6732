"""Latency of a slider's picture over HTTP, without and with a training on the same machine.

    python benchmarks/studio_latency.py                  # alone, then with a niced training of `quick`
    python benchmarks/studio_latency.py --pictures 1000

The studio runs as `mnist-gan studio` starts it. Pictures are requested one after another, 20 per second, each with
different sliders, so none comes from a cache. The time covers the whole request up to its last byte. The training is
`mnist-gan train quick` with the niceness of the studio's own trainings, on all cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

TRAINING_NICENESS = 10
LIMIT_MS = 50.0


@contextlib.contextmanager
def studio(runs: Path) -> Iterator[str]:
    """Run a studio in its own process and yield its address."""
    command = [sys.executable, "-m", "mnist_gan", "studio", "--runs-dir", str(runs), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = next(match for line in process.stdout if (match := re.search(r"http://[0-9.:]+", line)))
            yield found[0]
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def training(runs: Path) -> Iterator[None]:
    """Run a training of `quick` that has made its first steps."""
    command = [sys.executable, "-m", "mnist_gan", "train", "quick", "--name", "beside", "--runs-dir", str(runs)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.nice(TRAINING_NICENESS),
    ) as process:
        try:
            rows = runs / "beside" / "metrics.jsonl"
            while not (rows.exists() and rows.stat().st_size):
                if process.poll() is not None:
                    raise SystemExit("the training did not start; check that `mnist-gan train quick` works")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait()


def milliseconds(address: str, *, pictures: int) -> list[float]:
    """Return the time of each picture."""
    taken = []
    with httpx.Client(base_url=address, timeout=60) as client:
        client.get("/api/models/shipped/directions").raise_for_status()  # cached per model
        for number in range(pictures):
            sliders = ",".join(f"{((number * (7 + k)) % 61 - 30) / 10:.1f}" for k in range(6))
            begun = time.perf_counter()
            answer = client.get(f"/api/explore/image?digit={number % 10}&seed={number // 50}&d={sliders}")
            taken.append(1000 * (time.perf_counter() - begun))
            answer.raise_for_status()
            time.sleep(max(0.0, 0.05 - taken[-1] / 1000))
    return taken


def summary(taken: list[float]) -> dict[str, float]:
    """Return percentiles in milliseconds."""
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    figures = {"median": cuts[49], "p95": cuts[94], "p99": cuts[98], "longest": max(taken)}
    return {name: round(value, 1) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    pictures = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        with studio(runs) as address:
            alone = summary(milliseconds(address, pictures=pictures))
            with training(runs):
                beside = summary(milliseconds(address, pictures=pictures))
    result = {"cores": os.cpu_count(), "pictures": pictures, "alone_ms": alone, "beside_training_ms": beside}
    print(json.dumps(result, indent=2))
    if beside["p95"] > LIMIT_MS:
        raise SystemExit(f"the 95th percentile beside a training is above {LIMIT_MS:g} ms")


if __name__ == "__main__":
    main()

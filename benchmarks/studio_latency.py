"""Latency of a slider's picture over HTTP, with and without a training on the same machine.

    python benchmarks/studio_latency.py                  # alone, then with a niced training of `quick`
    python benchmarks/studio_latency.py --pictures 1000

The studio is started by `mnist-gan studio`. 20 pictures per second are requested one after another, each with different
sliders, so that none comes from a cache. The time is that of the whole request, up to the last byte. The training is
`mnist-gan train quick` on all cores, with the niceness that the studio gives its own trainings.
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
    """Start a studio in a process; yields its address."""
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
    """Train `quick` in a process, from its first row on."""
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
                    raise SystemExit("the training failed to start; run `mnist-gan train quick` to see why")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait()


def measure_latencies(address: str, *, pictures: int) -> list[float]:
    """Latency of each picture in milliseconds."""
    latencies = []
    with httpx.Client(base_url=address, timeout=60) as client:
        client.get("/api/models/shipped/directions").raise_for_status()  # computed once per model
        for number in range(pictures):
            sliders = ",".join(f"{((number * (7 + k)) % 61 - 30) / 10:.1f}" for k in range(6))
            start = time.perf_counter()
            response = client.get(f"/api/explore/image?digit={number % 10}&seed={number // 50}&d={sliders}")
            latencies.append(1000 * (time.perf_counter() - start))
            response.raise_for_status()
            time.sleep(max(0.0, 0.05 - latencies[-1] / 1000))
    return latencies


def summary(latencies: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    figures = {"median": cuts[49], "p95": cuts[94], "p99": cuts[98], "longest": max(latencies)}
    return {name: round(value, 1) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    pictures = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        with studio(runs) as address:
            alone = summary(measure_latencies(address, pictures=pictures))
            with training(runs):
                beside = summary(measure_latencies(address, pictures=pictures))
    result = {"cores": os.cpu_count(), "pictures": pictures, "alone_ms": alone, "beside_training_ms": beside}
    print(json.dumps(result, indent=2))
    if beside["p95"] > LIMIT_MS:
        raise SystemExit(f"the 95th percentile beside a training is above {LIMIT_MS:g} ms")


if __name__ == "__main__":
    main()

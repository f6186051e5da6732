"""How long a slider's picture takes, asked for over HTTP as a page does, with a training beside it and without.

    python benchmarks/studio_latency.py                  # alone, then beside a niced training of `quick`
    python benchmarks/studio_latency.py --pictures 1000

The studio runs as `mnist-gan studio` starts it. One picture is asked for after another, 20 a second, each with other
sliders, so that none comes from a cache; what is timed is the whole request, from before it is sent until its last byte
is here. The training is `mnist-gan train quick`, as nice as the studio makes its own, on all cores.
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
    """A studio in its own process; yields its address."""
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
    """A training of `quick` that has begun and goes on."""
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
                    raise SystemExit("the training did not begin; does `mnist-gan train quick` work here?")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait()


def milliseconds(address: str, *, pictures: int) -> list[float]:
    """How long each picture took."""
    taken = []
    with httpx.Client(base_url=address, timeout=60) as client:
        client.get("/api/models/shipped/directions").raise_for_status()  # found once for a model
        for number in range(pictures):
            sliders = ",".join(f"{((number * (7 + k)) % 61 - 30) / 10:.1f}" for k in range(6))
            begun = time.perf_counter()
            answer = client.get(f"/api/explore/image?digit={number % 10}&seed={number // 50}&d={sliders}")
            taken.append(1000 * (time.perf_counter() - begun))
            answer.raise_for_status()
            time.sleep(max(0.0, 0.05 - taken[-1] / 1000))
    return taken


def summary(taken: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
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

"""Arguments, processes and files of a small training on the command line."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SMALL_TRAINING = shlex.split(
    "classic-mlp --generator.channels 16 --generator.z-dim 8 --discriminator.channels 16 --training.batch-size 20 "
    "--training.device cpu --training.threads 1 --run.no-evaluate"
)
"""Arguments of `train` for a training that takes a second."""


def start_program(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_gan", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def start_ranks(module: str, arguments: list[str], *, ranks: int = 2) -> list[subprocess.Popen[str]]:
    """Start a module as the ranks of one training on this machine, with the variables that torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(ranks)
    ]


def wait_for(condition: Callable[[], bool], *, process: subprocess.Popen[str], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def metric_rows(run: Path) -> list[dict[str, float]]:
    """Rows of metrics.jsonl without the times, which differ between equal runs."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.startswith("Timing/")} for row in rows]


def newest_weights(run: Path) -> bytes:
    """Content of the newest checkpoint."""
    newest = sorted((run / "checkpoints").glob("nimg-*"))[-1]
    return (newest / "state.safetensors").read_bytes()

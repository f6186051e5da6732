"""Arguments, processes and files of a small training on the command line."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch.distributed as dist

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


@contextlib.contextmanager
def started_ranks(module: str, arguments: list[str], *, ranks: int = 2) -> Iterator[list[subprocess.Popen[str]]]:
    """Start a module as the ranks of one training on this machine, as torchrun does; kill those that are left.

    Like torchrun's agent, this process serves the store at which the ranks meet, on a port that the system chooses.
    """
    # torch documents TCPStore, but does not declare it for mypy
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    common = {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(ranks)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


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

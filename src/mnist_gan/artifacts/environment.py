"""The environment of a run: versions, processor, device, threads, data digests, source revision."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

from mnist_gan.data import Dataset

PACKAGES = ("mnist-gan", "torch", "numpy", "safetensors")


def describe_environment(dataset: Dataset, *, device: torch.device) -> dict[str, Any]:
    """Content of `environment.json`."""
    return {
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES},
        "platform": platform.platform(),
        "processor": processor_name(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "data": {"name": dataset.name, "images": len(dataset.images), "sha256": dataset.digests},
        "source_revision": source_revision(),
    }


def exactness_warnings(recorded: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """One message for each difference in the environment that breaks bit-exact resuming."""
    names = {"processor": "the processor", "device": "the device", "threads": "the number of threads"}
    pairs: list[tuple[str, object, object]] = [(names[key], recorded.get(key), current.get(key)) for key in names]
    torch_versions = [(r.get("versions") or {}).get("torch") for r in (recorded, current)]
    pairs.append(("the version of torch", torch_versions[0], torch_versions[1]))
    return [
        f"{what} changed from {then} to {now}; the resumed run will not be bit-identical to an uninterrupted one"
        for what, then, now in pairs
        if then != now
    ]


def processor_name() -> str:
    """Model name of the processor, from the operating system."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def device_name(device: torch.device) -> str:
    """Device type, with the model of a GPU."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def source_revision() -> str | None:
    """Git commit of the checkout that the package runs from, with `-dirty` after local changes; None outside of one."""
    git, here = shutil.which("git"), Path(__file__).resolve().parent
    if git is None or not any((parent / ".git").exists() for parent in here.parents):
        return None

    def answer(*arguments: str) -> str:
        # without optional locks: git that is killed while it refreshes the index would leave the checkout locked
        command = [git, "--no-optional-locks", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        changed = answer("status", "--porcelain", "--untracked-files=no")
        return answer("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None

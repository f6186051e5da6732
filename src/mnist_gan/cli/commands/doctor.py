"""`mnist-gan doctor`: checks this machine and suggests remedies."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, DataError, StorageError
from mnist_gan.quota import usable_cores
from mnist_gan.text import pluralize

HEADERS: Final = ("state", "check", "finding")
REQUIRED: Final = ("numpy", "safetensors", "pillow", "matplotlib", "tensorboard", "rich")
EXTRAS: Final = {
    "scikit-learn": "digits",
    "pyarrow": "parquet",
    "scipy": "mat",
    "wandb": "wandb",
    "onnxruntime": "onnx",
    "huggingface_hub": "hub",
}
"""Optional packages, with the extra that installs each."""
RUN_BYTES: Final = 200 << 20
"""Upper bound of the disk space of a run."""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Check versions, device, threads, disk, data and permissions, and suggest a remedy for each problem.

    The exit code is that of the first failed check: 3 for data, 74 for the disk, 1 for the installation; 0 if none
    failed.
    """

    runs_dir: Path = Path("runs")
    """Folder of runs."""
    json: Switch = False
    """Print JSON instead of a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Result of one check."""

    what: str
    """Subject of the check."""
    state: Literal["ok", "warn", "FAIL"]
    found: str
    """Observation."""
    remedy: str = ""
    exit_code: int = EXIT_OK

    def describe(self) -> str:
        """Return the observation and the remedy."""
        return f"{self.found}; {self.remedy}" if self.remedy else self.found


@options.command("doctor", DoctorOptions)
def main(chosen: DoctorOptions) -> int:
    """Run the command and return its exit code."""
    findings = list(check_all(chosen.runs_dir))

    from mnist_gan.cli import tables

    if chosen.json:
        tables.print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        tables.print_table(HEADERS, [[finding.state, finding.what, finding.describe()] for finding in findings])
    return next((finding.exit_code for finding in findings if finding.state == "FAIL"), EXIT_OK)


def check_all(runs_dir: Path) -> Iterator[Finding]:
    """Run all checks, prerequisites first."""
    yield check_python()
    yield from check_torch()
    yield from check_packages()
    yield from check_data()
    yield check_writing("runs", runs_dir)
    yield check_space(runs_dir)


def check_python() -> Finding:
    """Report the version of Python."""
    return Finding(what="Python", state="ok", found=f"{platform.python_version()} ({sys.executable})")


def check_torch() -> Iterator[Finding]:
    """Check the version of PyTorch, the device that `auto` resolves to, and the number of threads."""
    reinstall = 'pip install --force-reinstall "torch>=2.10,<2.14"'
    try:
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        yield Finding(what="PyTorch", state="FAIL", found=str(error), remedy=reinstall, exit_code=1)
        return
    tested = (2, 10) <= tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 14)
    yield Finding(
        what="PyTorch",
        state="ok" if tested else "warn",
        found=torch.__version__,
        remedy="" if tested else f"this release is tested with 2.10 to 2.13: {reinstall}",
    )
    yield _check_device(torch)
    threads = torch.get_num_threads()
    cores = usable_cores()
    few = threads < cores
    remedy = f"for speed, unset OMP_NUM_THREADS or add --training.threads {cores}" if few else ""
    found = f"{threads} of {pluralize(cores, 'core')}"
    yield Finding(what="threads", state="warn" if few else "ok", found=found, remedy=remedy)


def _check_device(torch: Any) -> Finding:
    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        return Finding(what="device", state="ok", found=f"cuda: {name}, {memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        return Finding(what="device", state="ok", found="mps: Apple GPU")
    from mnist_gan.artifacts.environment import processor_name

    unused = shutil.which("nvidia-smi") is not None
    remedy = "there is an NVIDIA driver, but this PyTorch has no CUDA; install its CUDA build" if unused else ""
    return Finding(what="device", state="warn" if unused else "ok", found=f"cpu: {processor_name()}", remedy=remedy)


def check_packages() -> Iterator[Finding]:
    """Check the required and the optional packages."""
    missing = [name for name in REQUIRED if _version(name) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in REQUIRED if name not in missing)
    if missing:
        yield Finding(
            what="packages",
            state="FAIL",
            found=f"no {', '.join(missing)}",
            remedy=f"pip install {' '.join(missing)}",
            exit_code=1,
        )
    else:
        yield Finding(what="packages", state="ok", found=found)
    for name, extra in EXTRAS.items():
        version = _version(name)
        remedy = "" if version else f'to install it: pip install "mnist-gan[{extra}]"'
        yield Finding(
            what=f"extra {extra}",
            state="ok",
            found=f"{name} {version or 'is not installed (optional)'}",
            remedy=remedy,
        )


def check_data() -> Iterator[Finding]:
    """Check the data that `train` would use, and the cache."""
    from mnist_gan.data import data_status

    places = data_status()
    damaged = [place for place in places if place.state == "damaged"]
    for place in damaged:
        yield Finding(
            what="data",
            state="FAIL",
            found=f"damaged: {place.path}",
            remedy=place.remedy,
            exit_code=DataError.exit_code,
        )
    mnist = next((place for place in places if place.is_mnist), None)
    environment = next(place for place in places if place.role == "MNIST_GAN_DATA")
    if environment.state not in {"ok", "damaged", "not set"}:  # `train` looks nowhere else
        yield Finding(
            what="data",
            state="FAIL",
            found=f"MNIST_GAN_DATA is {environment.path}: {environment.state}",
            remedy=environment.remedy,
            exit_code=DataError.exit_code,
        )
    elif mnist is not None:
        yield Finding(what="data", state="ok", found=f"MNIST in {mnist.path}")
    elif not damaged:
        fallback = any(place.role == "digits" and place.verifies for place in places)
        instead = (
            "`train` tries to download it, else uses scikit-learn's digits"
            if fallback
            else "`train` tries to download it"
        )
        remedy = f"{instead}; or run `{PROGRAM} data --download`"
        yield Finding(what="data", state="warn", found="no MNIST yet", remedy=remedy)
    from mnist_gan.data.download import cache_dir

    yield check_writing("cache", cache_dir())


def check_writing(what: str, folder: Path) -> Finding:
    """Check write permission in a folder, or in its nearest existing parent. Leaves no file behind."""
    parent = existing_parent(folder)
    try:
        if not parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryFile(dir=parent) as file:
            file.write(b"test")
    except OSError as error:
        option = "--runs-dir FOLDER" if what == "runs" else "set XDG_CACHE_HOME"
        return Finding(
            what=f"writing {what}",
            state="FAIL",
            found=f"{folder}: {error.strerror or error}",
            remedy=f"choose another folder ({option}), or change its permissions",
            exit_code=StorageError.exit_code,
        )
    return Finding(what=f"writing {what}", state="ok", found=str(folder.absolute()))


def check_space(runs_dir: Path) -> Finding:
    """Check the free disk space."""
    free = shutil.disk_usage(existing_parent(runs_dir)).free
    enough = free >= RUN_BYTES
    return Finding(
        what="disk",
        state="ok" if enough else "FAIL",
        found=f"{free / 2**30:.1f} GiB free for runs",
        remedy="" if enough else "free some space, or choose another disk with --runs-dir",
        exit_code=EXIT_OK if enough else StorageError.exit_code,
    )


def existing_parent(folder: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    here = folder.absolute()
    return next((path for path in (here, *here.parents) if path.exists()), here)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

"""Processor quota of a container, from the control groups of Linux. Torch and `os.cpu_count` do not know it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")


def processor_quota(root: Path = CONTROL_GROUPS, *, own_group: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return the processors that this process may use, such as 0.5; None without a quota.

    Args:
        root: where the control groups are mounted (version 2, or version 1).
        own_group: list of the groups of the process.
    """
    quotas = [quota for folder in _folders(root, own_group) if (quota := _read(folder)) is not None]
    return min(quotas, default=None)


def usable_cores() -> int:
    """Whole processor cores that this process may use; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = processor_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def _folders(root: Path, own_group: Path) -> list[Path]:
    """Folders with a quota for this process: its own group and all above it."""
    folders = [root, root / "cpu", root / "cpu,cpuacct"]
    with contextlib.suppress(OSError, ValueError):
        for line in own_group.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "cpu" in controllers.split(","):
                here = (root / controllers if controllers else root) / path.lstrip("/")
                folders += [here, *(parent for parent in here.parents if parent.is_relative_to(root))]
    return folders


def _read(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    return None

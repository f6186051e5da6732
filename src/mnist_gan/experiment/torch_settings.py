"""Process-wide settings of torch and of the allocator for a training."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Final

import torch

from mnist_gan.parallel import torch_threads
from mnist_gan.torch_defaults import default_torch_state

CUBLAS_VARIABLE: Final = "CUBLAS_WORKSPACE_CONFIG"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt: free bytes at the top of the heap that are returned to the system, and the size from
which a block is mapped separately."""


@contextlib.contextmanager
def training_settings(device: torch.device, *, threads: int) -> Iterator[None]:
    """Set threads, deterministic algorithms and torch's own defaults for the block; restore the previous values after.

    The allocator settings stay: glibc cannot report the previous ones. They affect speed only.
    """
    with default_torch_state(), torch_threads(threads), _determinism(device):
        _keep_freed_memory()
        yield


@contextlib.contextmanager
def _determinism(device: torch.device) -> Iterator[None]:
    mode = torch.get_deterministic_debug_mode()
    fill, benchmark = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.benchmark  # type: ignore[attr-defined]
    workspace = os.environ.get(CUBLAS_VARIABLE)
    if device.type == "cuda":
        os.environ.setdefault(CUBLAS_VARIABLE, ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms imports torch's compiler
    # every tensor is written before it is read; filling new memory would cost a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(CUBLAS_VARIABLE, None)


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step.

    By default it returns large blocks to the system and gets them back page by page, filled with zeros. With two
    threads that took a third of a step or more (`docs/results.md`). Allocators of other systems have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)

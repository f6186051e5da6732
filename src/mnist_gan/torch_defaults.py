"""Torch's own defaults for the length of a call, whatever the caller has set.

A program that uses this package may have another default dtype or device, or call it inside `torch.no_grad`,
`torch.inference_mode` or `torch.autocast`. The public functions run in `default_torch_state`, so that their results do
not depend on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import torch

T = TypeVar("T")

AUTOCAST_DEVICES: Final = ("cpu", "cuda", "mps")


@contextlib.contextmanager
def default_torch_state() -> Iterator[None]:
    """Compute in float32 on the CPU, with gradients, without inference mode and autocast; restore the caller's state.

    Also a decorator. Default dtype and precision of matrix products belong to the process: other threads see the change
    while the block runs.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        _set(stack, torch.get_default_dtype, torch.set_default_dtype, torch.float32)
        with contextlib.suppress(RuntimeError):  # torch refuses if the caller used its newer settings of precision
            _set(stack, torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest")
        yield


def steps_within(context: Callable[[], contextlib.AbstractContextManager[object]], items: Iterator[T]) -> Iterator[T]:
    """Compute each item of an iterator inside a context of its own; between the items, the caller's settings hold."""
    while True:
        with context():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _set(stack: contextlib.ExitStack, get: Callable[[], T], put: Callable[[T], None], value: T) -> None:
    before = get()
    if before != value:
        put(value)
        stack.callback(put, before)

"""Ctrl-C in a program or notebook that calls `run` or `resume`."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def interrupt_after_step(stop: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C finish the step and save a checkpoint; raise the KeyboardInterrupt at the end of the block.

    Yields the stop callable for the training. Before its first poll, and the second time, Ctrl-C interrupts at once. A
    program with a handler of its own keeps it, and so does a thread other than the main one.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield stop
        return
    polled = interrupted = False

    def poll() -> bool:
        nonlocal polled
        polled = True
        return interrupted or stop()

    def receive(*_: object) -> None:
        nonlocal interrupted
        if interrupted or not polled:
            raise KeyboardInterrupt
        interrupted = True
        logger.warning("interrupted; finishing the step and saving a checkpoint")

    signal.signal(signal.SIGINT, receive)
    try:
        yield poll
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt

"""Ctrl-C and termination signals as a stop request that the training polls before each step."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Final

from mnist_gan.errors import EXIT_INTERRUPTED, EXIT_RESUMABLE

SIGNALS: Final = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": EXIT_RESUMABLE, "SIGHUP": EXIT_RESUMABLE}
"""Signals that stop a run, with their exit codes. SIGHUP: the terminal was closed; absent on Windows."""


class Terminated(BaseException):
    """The process received a termination signal outside a training, or a second one."""


class StopRequest:
    """Stop callable that signals set inside a `with` block.

    The first signal lets the current step finish. A second one ends the process at once, and so does one before the
    first poll, when there is no step to finish. Files are complete or absent in either case.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        """Exit code of the signal; None without a signal."""
        self._polled = False
        self._previous: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """True if the training must stop."""
        self._polled = True
        return self.exit_code is not None

    def __enter__(self) -> StopRequest:
        """Install the signal handlers; an ignored signal, as under nohup, stays ignored."""
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._polled and self.exit_code is None:
            self.exit_code = SIGNALS[signal.Signals(number).name]
            return
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

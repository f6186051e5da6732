"""Ctrl-C and termination as a request that the training polls: a run ends between two steps and can be resumed."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final

from mnist_gan.errors import EXIT_INTERRUPTED, EXIT_RESUMABLE

INTERRUPTIONS: Final = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": EXIT_RESUMABLE, "SIGHUP": EXIT_RESUMABLE}
"""Signals that stop a run (SIGHUP: the terminal was closed; not on Windows), with the exit code of each."""


class Terminated(BaseException):
    """The process was told to end, and nothing was under way that could be finished first."""


class StopRequest:
    """A stop callable that signals set, for the length of a `with` block.

    The first signal lets the step under way finish. A second one ends the process at once, and so does one that comes
    before the first poll, while there is no step to finish: files are whole or absent in any case.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        """What to exit with if the run was stopped; None if nobody asked for it."""
        self._polled = False
        self._previous: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether to stop; polled before every step."""
        self._polled = True
        return self.exit_code is not None

    def __enter__(self) -> StopRequest:
        """Begin to listen. A signal that is ignored (under nohup, say) stays so."""
        for name in INTERRUPTIONS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._polled and self.exit_code is None:
            self.exit_code = INTERRUPTIONS[signal.Signals(number).name]
            return
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

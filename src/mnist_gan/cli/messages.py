"""Handler that prints the log messages of the package for the user."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator


class MessageHandler(logging.Handler):
    """Passes each message, with its traceback if it has one, to `show`; ignores a closed terminal or pipe."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        with contextlib.suppress(OSError):
            self._show(self.format(record))


def print_message(message: str) -> None:
    """Print a message on standard error."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def show_messages(show: Callable[[str], None] = print_message) -> Iterator[None]:
    """Pass log messages of level INFO and above to `show` inside the block; replaces an outer `show_messages`."""
    logger = logging.getLogger("mnist_gan")
    outer = [handler for handler in logger.handlers if isinstance(handler, MessageHandler)]
    level, handler = logger.level, MessageHandler(show)
    _exchange(logger, outer, [handler])
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        _exchange(logger, [handler], outer)
        logger.setLevel(level)


def _exchange(logger: logging.Logger, old: list[MessageHandler], new: list[MessageHandler]) -> None:
    for handler in old:
        logger.removeHandler(handler)
    for handler in new:
        logger.addHandler(handler)

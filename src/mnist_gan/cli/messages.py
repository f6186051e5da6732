"""Log messages of the package, shown to the user as plain sentences."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator


def print_message(message: str) -> None:
    """Print on standard error."""
    print(message, file=sys.stderr, flush=True)


class MessageHandler(logging.Handler):
    """Passes each message, with the traceback if there is one, to `show`; a closed terminal or pipe is ignored."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        with contextlib.suppress(OSError):
            self._show(self.format(record))


@contextlib.contextmanager
def show_messages(show: Callable[[str], None] = print_message) -> Iterator[None]:
    """Show messages of INFO and above with `show` inside the block, in place of an outer `show_messages`."""
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

"""Work queue: a thread computes for the pages, so that the event loop never blocks.

A full queue refuses work with status 429. An entry ends early if its client disconnects or its deadline passes. Each
thread keeps PyTorch to one core, which leaves the others to a training.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import torch

from mnist_gan.studio.errors import DeadlineError, DisconnectedError, OverloadedError, UnavailableError

T = TypeVar("T")

MAX_ENTRIES: Final = 32
"""Entries that may wait in one queue."""
TIMEOUT_SECONDS: Final = 10.0
"""Default deadline of an entry, including its time in the queue."""
POLL_SECONDS: Final = 0.1
"""Interval at which a waiting handler checks whether its client is still connected."""
CLOSE_SECONDS: Final = 30.0
"""Longest wait for the step in progress. The interpreter aborts if it ends while a thread is inside torch."""


class Cancelled(Exception):  # noqa: N818 - a request of the client, not an error
    """Raised inside work whose entry was cancelled."""


@dataclass(eq=False)
class QueueEntry:
    """A unit of work in a queue, with its deadline and cancellation flag."""

    work: Work
    deadline: float
    """In seconds of `time.monotonic`."""
    cancelled: bool = False
    future: Future[Any] = field(default_factory=Future)
    """Receives the last value that the work yields, or its exception."""
    _steps: Iterator[Any] | None = None
    _last: Any = None

    @property
    def started(self) -> bool:
        """True once the first step has begun."""
        return self._steps is not None

    def check(self) -> None:
        """Stop work that is not needed any more. Long work calls this now and then.

        Raises:
            Cancelled: the entry was cancelled.
            TimeoutError: its deadline has passed.
        """
        if self.cancelled:
            raise Cancelled
        if time.monotonic() >= self.deadline:
            raise TimeoutError

    def advance(self) -> bool:
        """Run one step of the work. Returns False when the work has ended and the future is set."""
        if self._steps is None and not self.future.set_running_or_notify_cancel():
            return False
        try:
            self.check()
            if self._steps is None:
                self._steps = self.work(self)
            self._last = next(self._steps)
        except StopIteration:
            self.future.set_result(self._last)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            return True
        return False


Work: TypeAlias = Callable[[QueueEntry], Iterator[Any]]
"""A generator function. Its steps alternate with those of other entries; the last value is the result."""


class Queue:
    """A bounded queue and the thread that works on it, one step of each entry in turn.

    Args:
        name: suffix of the thread's name.
        size: maximum number of waiting entries.
        gradients: False runs the work in inference mode.
    """

    def __init__(self, name: str, *, size: int = MAX_ENTRIES, gradients: bool = False) -> None:
        self._name, self._size, self._gradients = name, size, gradients
        self._entries: deque[QueueEntry] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, entry: QueueEntry) -> None:
        """Add an entry.

        Raises:
            OverloadedError: the queue is full.
            UnavailableError: it is closed.
        """
        with self._changed:
            if self._closed:
                raise UnavailableError("The studio is closing.")
            if len(self._entries) >= self._size:
                raise OverloadedError("The studio is busy. Try again in a moment.")
            self._entries.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"studio-{self._name}", daemon=True)
                self._thread.start()
            self._changed.notify()

    async def run(
        self,
        work: Callable[[QueueEntry], T],
        *,
        disconnected: Callable[[], Awaitable[bool]],
        seconds: float = TIMEOUT_SECONDS,
    ) -> T:
        """Return what `work` returns in the queue's thread. The entry is cancelled if the client disconnects.

        Raises:
            OverloadedError: the queue is full.
            DeadlineError: it took longer than `seconds`.
            DisconnectedError: the client has disconnected.
        """
        entry = QueueEntry(lambda entry: iter([work(entry)]), time.monotonic() + seconds)
        self.submit(entry)
        future = asyncio.wrap_future(entry.future)
        future.add_done_callback(_retrieve_exception)
        try:
            while not (await asyncio.wait({future}, timeout=POLL_SECONDS))[0]:
                entry.check()
                if await disconnected():
                    raise Cancelled
            result: T = future.result()
        except TimeoutError:
            message = f"This took longer than {seconds:g} seconds and was stopped. Ask for less, or try again."
            raise DeadlineError(message) from None
        except Cancelled:
            raise DisconnectedError("The client has disconnected.") from None
        finally:
            entry.cancelled = True
        return result

    def close(self) -> None:
        """Cancel all entries and end the thread after its step, for which it waits up to `CLOSE_SECONDS`."""
        with self._changed:
            self._closed = True
            for entry in self._entries:
                entry.cancelled = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode(not self._gradients):
            while (entry := self._next()) is not None:
                if entry.advance():
                    with self._changed:
                        self._entries.append(entry)

    def _next(self) -> QueueEntry | None:
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closed)
            return self._entries.popleft() if self._entries else None


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    """Read the exception, so that asyncio does not log it as never retrieved."""
    with contextlib.suppress(asyncio.CancelledError):
        future.exception()

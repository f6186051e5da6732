"""Computation for the pages: one thread for what must be immediate, one for what may take a while.

The event loop computes nothing. It hands work to a `Lane`, a single thread with a bounded waiting line: who comes when
the line is full is told to come again (429), what nobody waits for any more is left out, and what takes too long is
given up (504). A thread keeps PyTorch to one core, so that a training beside it keeps the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import torch
from starlette.requests import Request

from mnist_gan.studio.problems import Problem

T = TypeVar("T")

WAITING: Final = 32
"""Requests that may wait in one line."""
SECONDS: Final = 10.0
"""In which an answer must be there, waiting included."""
LOOK_SECONDS: Final = 0.1
"""Between two looks whether the client is still there."""
CLOSE_SECONDS: Final = 2.0
RETRY: Final = {"retry-after": "1"}


class GivenUp(Exception):  # noqa: N818 - no error: nobody waits for the result
    """Raised inside work that nobody waits for any more."""


@dataclass
class Ticket:
    """A place in a line, and a word to the work that stands there."""

    deadline: float
    """By `time.monotonic`."""
    abandoned: bool = False
    """Whether nobody waits for the result any more."""

    @property
    def wanted(self) -> bool:
        """Whether the work is to be done, or to go on."""
        return not self.abandoned and time.monotonic() < self.deadline

    def check(self) -> None:
        """To be called now and then by work that takes long.

        Raises:
            GivenUp: the work is not wanted any more.
        """
        if not self.wanted:
            raise GivenUp


Work: TypeAlias = Callable[[Ticket], Iterator[Any]]
"""A generator: its pieces take turns with those of other work, and its last yield is its result."""


@dataclass
class _Entry:
    ticket: Ticket
    work: Work
    future: Future[Any]
    pieces: Iterator[Any] | None = None
    last: Any = None


@dataclass
class Lane:
    """One thread that computes what stands in line, a piece of each at a time.

    Args:
        name: of the thread.
        waiting: how many may stand in line.
        gradients: whether its work needs them; without, PyTorch keeps no book of what it does.
    """

    name: str
    waiting: int = WAITING
    gradients: bool = False
    _line: deque[_Entry] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False
    _thread: threading.Thread | None = None

    def submit(self, work: Work, *, ticket: Ticket) -> Future[Any]:
        """Put work into the line; the future has its last piece, or what it raised.

        Raises:
            Problem: the line is full (429), or the studio is closing (503).
        """
        entry = _Entry(ticket, work, Future())
        with self._changed:
            if self._closed:
                raise Problem(503, "the studio is closing")
            if len(self._line) >= self.waiting:
                raise Problem(429, "the studio has more to compute than it can; try again in a moment", RETRY)
            self._line.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"studio-{self.name}", daemon=True)
                self._thread.start()
            self._changed.notify()
        return entry.future

    async def run(self, request: Request, work: Callable[[Ticket], T], *, seconds: float = SECONDS) -> T:
        """What `work` returns, computed in the lane's thread; given up when the client goes away.

        Raises:
            Problem: the line is full (429), it took longer than `seconds` (504), or the client has gone (499).
        """
        ticket = Ticket(deadline=time.monotonic() + seconds)
        future = asyncio.wrap_future(self.submit(_in_one_piece(work), ticket=ticket))
        future.add_done_callback(_heard)  # also where nobody waits for it to the end
        try:
            while True:
                await asyncio.wait({future}, timeout=LOOK_SECONDS)
                if future.done():
                    break
                if time.monotonic() >= ticket.deadline:
                    raise _too_long(seconds)
                if await request.is_disconnected():
                    raise _gone()
            result: T = future.result()
        except GivenUp:
            raise (_too_long(seconds) if time.monotonic() >= ticket.deadline else _gone()) from None
        finally:
            ticket.abandoned = True
        return result

    def close(self) -> None:
        """End the thread; what stands in line is given up. Blocks for `CLOSE_SECONDS` at most."""
        with self._changed:
            self._closed = True
            for entry in self._line:
                entry.ticket.abandoned = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode(not self.gradients):
            while (entry := self._next()) is not None:
                self._advance(entry)

    def _next(self) -> _Entry | None:
        with self._changed:
            while not self._line:
                if self._closed:
                    return None
                self._changed.wait()
            return self._line.popleft()

    def _advance(self, entry: _Entry) -> None:
        """One piece of the work; back to the end of the line, if it is not the last."""
        try:
            if entry.pieces is None:
                entry.future.set_running_or_notify_cancel()  # from here on, nobody can cancel it under our hands
                entry.pieces = entry.work(entry.ticket)
            entry.ticket.check()
            entry.last = next(entry.pieces)
        except StopIteration:
            entry.future.set_result(entry.last)
        except BaseException as error:
            entry.future.set_exception(error)
        else:
            with self._changed:
                self._line.append(entry)


def _in_one_piece(work: Callable[[Ticket], T]) -> Work:
    def pieces(ticket: Ticket) -> Iterator[T]:
        yield work(ticket)

    return pieces


def _heard(future: asyncio.Future[Any]) -> None:
    """Look at the result, so that asyncio does not complain of an error that nobody looked at."""
    with contextlib.suppress(asyncio.CancelledError):
        future.exception()


def _gone() -> Problem:
    return Problem(499, "nobody waits for the answer any more")


def _too_long(seconds: float) -> Problem:
    sentence = f"this took longer than {seconds:g} seconds and was given up; ask for less, or try again"
    return Problem(504, sentence, RETRY)

"""Searches that take seconds, and whose progress is watched."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from mnist_gan.errors import MnistGanError
from mnist_gan.studio.inference import RETRY, GivenUp, Lane, Ticket
from mnist_gan.studio.problems import Problem

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
Progress: TypeAlias = dict[str, Any]
Search: TypeAlias = Callable[[Ticket], Iterator[Progress]]
"""Yields progress now and then; what it yields last is the result."""

ACTIVE: Final = 4
"""Searches that may wait or run at once."""
KEPT: Final = 16
"""Searches whose result is kept."""
SECONDS: Final = 60.0
"""In which a search must be over."""
ALONE_SECONDS: Final = 10.0
"""After which a search that nobody watches is ended."""
WATCHERS: Final = 4
"""Streams of events that one search may have."""
LOOK_SECONDS: Final = 0.03
"""Between two looks for news."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """One search."""

    ticket: Ticket
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    error: str | None = None
    progress: list[Progress] = field(default_factory=list)
    watchers: int = 0
    left: float = field(default_factory=time.monotonic)
    """When the last watcher went."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state not in {"waiting", "running"}

    @property
    def last(self) -> Progress | None:
        """The newest progress, or the result."""
        return self.progress[-1] if self.progress else None

    def cancel(self) -> None:
        """Ask for its end; what is over stays as it is."""
        self.ticket.abandoned = True
        if not self.over:
            self.state = "cancelled"

    def to_dict(self) -> dict[str, Any]:
        """What is told of it."""
        return {"job": self.id, "state": self.state, "last": self.last, "error": self.error}

    def events(self) -> AsyncIterator[str]:
        """Server-sent events, from the newest progress on, until it is over.

        Raises:
            Problem: too many watch it already.
        """
        if self.watchers >= WATCHERS:
            raise Problem(429, "this search is watched often enough already", RETRY)
        return self._events()

    async def _events(self) -> AsyncIterator[str]:
        self.watchers += 1
        told = max(0, len(self.progress) - 1)
        try:
            while True:
                over = self.over  # looked at first, so that nothing that came before its end is missed
                news = self.progress[told:]
                told += len(news)
                result = news.pop() if over and self.state == "done" and news else None
                for progress in news:
                    yield _event("progress", progress)
                if over:
                    yield _event(self.state, result if result is not None else self._ending())
                    return
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self.watchers -= 1
            self.left = time.monotonic()

    def _ending(self) -> dict[str, Any]:
        return {"error": self.error} if self.state == "failed" else self.last or {} if self.state == "done" else {}


class Jobs:
    """The searches of one server; they take turns in its lane, piece by piece."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, search: Search) -> Job:
        """Put a search into the line.

        Raises:
            Problem: there are too many already (429).
        """
        with self._lock:
            if sum(not job.over for job in self._jobs.values()) >= ACTIVE:
                raise Problem(429, "enough searches are under way; wait for one to end, or cancel it", RETRY)
            job = Job(ticket=Ticket(deadline=time.monotonic() + SECONDS))
            self._jobs[job.id] = job
            for old in [one for one in self._jobs.values() if one.over][: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[old.id]
        try:
            future = self._lane.submit(_watched(job, search), ticket=job.ticket)
        except Problem:
            job.cancel()
            raise
        future.add_done_callback(lambda done: _settle(job, done))
        return job

    def find(self, job_id: str) -> Job:
        """The search of that id.

        Raises:
            Problem: there is none, or none any more (404).
        """
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise Problem(404, "there is no such search, or it was long ago; start it again")
        return job

    def close(self) -> None:
        """Cancel all."""
        with self._lock:
            for job in self._jobs.values():
                job.cancel()


def _watched(job: Job, search: Search) -> Search:
    """The search, its progress kept, ended when nobody watches it any more."""

    def pieces(ticket: Ticket) -> Iterator[Progress]:
        if not job.over:
            job.state = "running"
        for progress in search(ticket):
            job.progress.append(progress)
            yield progress
            if job.watchers == 0 and time.monotonic() - job.left > ALONE_SECONDS:
                raise GivenUp

    return pieces


def _settle(job: Job, future: Future[Any]) -> None:
    """Say how it ended."""
    if job.over:
        return
    error = CancelledError() if future.cancelled() else future.exception()
    if error is None:
        job.state = "done"
    elif isinstance(error, GivenUp | CancelledError):
        late = time.monotonic() >= job.ticket.deadline
        job.error = f"the search took longer than {SECONDS:g} seconds; ask for fewer steps" if late else None
        job.state = "failed" if late else "cancelled"
    else:
        foreseen = isinstance(error, MnistGanError)
        if not foreseen:
            logger.error("a search failed", exc_info=error)
        job.error = str(error) if foreseen else "something went wrong inside the studio"
        job.state = "failed"  # last: whoever waits for it reads the rest


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n"

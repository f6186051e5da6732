"""Searches in the background: work of several seconds whose progress clients follow."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeAlias

from sse_starlette import ServerSentEvent

from mnist_gan.errors import MnistGanError
from mnist_gan.studio import api
from mnist_gan.studio.errors import NotFoundError, OverloadedError
from mnist_gan.studio.services.queue import Cancelled, Queue, QueueEntry

SearchWork: TypeAlias = Callable[[QueueEntry], Iterator[api.Progress]]
"""Yields progress; the last value is the result."""

MAX_ACTIVE: Final = 4
"""Searches that may wait or run at once."""
MAX_KEPT: Final = 16
"""Searches whose result is kept."""
TIMEOUT_SECONDS: Final = 60.0
ABANDONED_SECONDS: Final = 10.0
"""Time after which a search without clients is cancelled."""
MAX_CLIENTS: Final = 4
"""Event streams of one search."""
POLL_SECONDS: Final = 0.03

logger = logging.getLogger(__name__)


class Search:
    """One search and its progress."""

    def __init__(self, work: SearchWork) -> None:
        """Prepare `work`; the deadline counts from now."""
        self.id = secrets.token_urlsafe(12)
        self.entry = QueueEntry(self._record, time.monotonic() + TIMEOUT_SECONDS)
        self.progress: list[api.Progress] = []
        self.clients = 0
        self._work, self._last_client = work, time.monotonic()

    @property
    def state(self) -> api.SearchState:
        """State; a search that runs past its deadline is "failed"."""
        if not self.entry.future.done():
            return "cancelled" if self.entry.cancelled else "running" if self.entry.started else "waiting"
        match self.entry.future.exception():
            case None:
                return "done"
            case Cancelled():
                return "cancelled"
            case _:
                return "failed"

    @property
    def error(self) -> str | None:
        """Message for the user if the search failed."""
        if self.state != "failed":
            return None
        match self.entry.future.exception():
            case TimeoutError():
                return f"The search took longer than {TIMEOUT_SECONDS:g} seconds. Ask for fewer steps."
            case MnistGanError() as error:
                return str(error)
        return "Something went wrong inside the studio; its terminal shows the error."

    @property
    def ended(self) -> bool:
        """True if no more progress will come."""
        return self.state not in {"waiting", "running"}

    def cancel(self) -> None:
        """Ask the search to end. A search that has ended keeps its state."""
        self.entry.cancelled = True

    def to_dict(self) -> api.Search:
        """State, newest progress (or the result) and error as JSON values."""
        last = self.progress[-1] if self.progress else None
        return {"job": self.id, "state": self.state, "last": last, "error": self.error}

    def events(self) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events from the newest progress to the end.

        Raises:
            OverloadedError: `MAX_CLIENTS` follow it already.
        """
        if self.clients >= MAX_CLIENTS:
            raise OverloadedError("Too many pages follow this search.")
        return self._events()

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        self.clients += 1
        sent = max(0, len(self.progress) - 1)
        try:
            while True:
                state = self.state  # read before the progress, so that none before the end is missed
                new = self.progress[sent:]
                sent += len(new)
                result: api.Progress | api.NoContent = new.pop() if state == "done" and new else {}
                for progress in new:
                    yield _event("progress", progress)
                if state not in {"waiting", "running"}:
                    yield _event(state, {"error": self.error} if state == "failed" else result)
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.clients -= 1
            self._last_client = time.monotonic()

    def _record(self, entry: QueueEntry) -> Iterator[api.Progress]:
        """Keep the progress of the work; cancel it after `ABANDONED_SECONDS` without clients."""
        for progress in self._work(entry):
            self.progress.append(progress)
            yield progress
            if self.clients == 0 and time.monotonic() - self._last_client > ABANDONED_SECONDS:
                raise Cancelled


class Searches:
    """The searches of one server. They share one queue, step by step."""

    def __init__(self, queue: Queue) -> None:
        """Run searches in `queue`."""
        self._queue = queue
        self._searches: OrderedDict[str, Search] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, work: SearchWork) -> Search:
        """Start a search.

        Raises:
            OverloadedError: `MAX_ACTIVE` searches wait or run.
        """
        with self._lock:
            if sum(not search.ended for search in self._searches.values()) >= MAX_ACTIVE:
                message = "Too many searches are running. Wait until one ends, or stop it."
                raise OverloadedError(message)
            search = Search(work)
            search.entry.future.add_done_callback(_log_unexpected)
            self._queue.submit(search.entry)
            self._searches[search.id] = search
            ended = [search for search in self._searches.values() if search.ended]
            for old in ended[: max(0, len(self._searches) - MAX_KEPT)]:
                del self._searches[old.id]
        return search

    def find(self, search_id: str) -> Search:
        """Return a search by its id.

        Raises:
            NotFoundError: there is none, or its result is no longer kept.
        """
        with self._lock:
            search = self._searches.get(search_id)
        if search is None:
            raise NotFoundError("There is no such search, or it is too old. Start it again.")
        return search

    def close(self) -> None:
        """Cancel all searches."""
        with self._lock:
            for search in self._searches.values():
                search.cancel()


def _log_unexpected(future: Future[Any]) -> None:
    error = future.exception()
    if error is not None and not isinstance(error, MnistGanError | Cancelled | TimeoutError):
        logger.error("a search failed", exc_info=error)


def _event(name: str, data: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, allow_nan=False), event=name)

"""What happens in a run, as server-sent events: the page opens one stream and is told of everything new."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mnist_gan.errors import MnistGanError
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.interventions import Intervention, read_interventions
from mnist_gan.studio import runs
from mnist_gan.studio.bodies import whole_number_in_query
from mnist_gan.studio.context import MAX_STREAMS, Studio, studio_of
from mnist_gan.studio.problems import Problem

POLL_SECONDS: Final = 0.25
TOUCH_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 15
SEND_SECONDS: Final = 10
RETRY_MILLISECONDS: Final = 1000
MANY_ROWS: Final = 3
"""More rows than this at once go out as one event."""


class Follower:
    """What one stream has told of a run, and what is new. It reads the run's files and nothing else.

    Args:
        studio: that it belongs to.
        name: the run's id; a run that is only starting has no folder yet.
        after: image count of the last row that is known already; -1 if none is.
    """

    def __init__(self, studio: Studio, name: str, *, after: int) -> None:
        self._studio, self._name, self._after = studio, name, after
        self._stamps: dict[str, runs.Stamp] = {}
        self._interventions: list[Intervention] = []
        self._sent: dict[str, Any] = {}
        self._touched = float("-inf")

    def news(self) -> Iterator[ServerSentEvent]:
        """Everything that has happened since the last call."""
        run = self._studio.library.runs().get(self._name)
        if run is None:
            waiting = next((row for row in self._studio.trainer.pending() if row["run"] == self._name), None)
            if waiting is None:
                return
            message = waiting["problem"]
            yield from self._changed("state", {"state": waiting["state"], "message": message, "resumable": False})
            return
        if time.monotonic() - self._touched > TOUCH_SECONDS:
            self._touched = time.monotonic()
            channel.send_heartbeat(run)
        try:
            yield from self._rows(run)
            yield from self._new_interventions(run)
            yield from self._look(run)
            yield from self._status(run)
        except MnistGanError as error:
            yield from self._changed("state", {"state": "damaged", "message": str(error), "resumable": False})

    def _rows(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if not self._is_new("rows", runs.stamp_of(run.metrics)):
            return
        rows = runs.rows_of(run)
        last = rows[-1]["cur_nimg"] if rows else -1
        if last < self._after:  # the run went back to a checkpoint
            self._after = last
            yield _event("reset", {"cur_nimg": max(last, 0)}, clock=last)
        new = [dict(row) for row in rows if row["cur_nimg"] > self._after]
        if not new:
            return
        self._after = new[-1]["cur_nimg"]
        if len(new) > MANY_ROWS:
            yield _event("rows", {"rows": new}, clock=self._after)
        else:
            for row in new:
                yield _event("row", row, clock=row["cur_nimg"])
        floor = runs.floor_of(channel.read_live_status(run))
        said = runs.diagnosis_of(rows, floor=floor)
        if said is not None:
            yield from self._changed("verdict", said | {"floor": floor})

    def _new_interventions(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if not self._is_new("interventions", runs.stamp_of(run.interventions)):
            return
        before, self._interventions = self._interventions, read_interventions(run.interventions)
        for intervention in self._interventions:
            if intervention not in before:
                yield _event("intervention", dataclasses.asdict(intervention))

    def _look(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if self._is_new("look", runs.stamp_of(run.preview)):
            found = channel.read_json(run.preview)
            if found is not None:
                yield _event("live", found)

    def _status(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        status = runs.Facts.of(run).status
        starting = self._studio.trainer.is_starting(self._name, said=status.get("time"))
        if status["state"] not in runs.ACTIVE and starting:
            status = {**status, "state": "starting", "resumable": False}
        active, was_active = status["state"] in runs.ACTIVE, self._sent.get("active")
        yield from self._changed("state", status)
        self._sent["active"] = active
        if was_active and not active:
            yield _event("end", {"state": status["state"]})

    def _is_new(self, what: str, stamp: runs.Stamp) -> bool:
        known, self._stamps[what] = self._stamps.get(what), stamp
        return stamp != known and stamp.mtime_ns > 0

    def _changed(self, kind: str, value: Mapping[str, Any]) -> Iterator[ServerSentEvent]:
        if self._sent.get(kind) != value:
            self._sent[kind] = dict(value)
            yield _event(kind, value)


def _event(kind: str, value: Mapping[str, Any], *, clock: int | None = None) -> ServerSentEvent:
    return ServerSentEvent(
        json.dumps(value), event=kind, id=None if clock is None else str(clock), retry=RETRY_MILLISECONDS
    )


async def get_events(request: Request) -> Response:
    """The stream of a run."""
    studio, name = studio_of(request), request.path_params["run"]
    starting = any(row["run"] == name for row in await run_in_threadpool(studio.trainer.pending))
    if not starting:
        await run_in_threadpool(studio.library.find, name)
    after = _known(request)
    if studio.streams >= MAX_STREAMS:
        raise Problem(429, "too many pages watch at once; close one", {"retry-after": "5"})
    follower = Follower(studio, name, after=after)
    return EventSourceResponse(_stream(studio, follower), ping=HEARTBEAT_SECONDS, send_timeout=SEND_SECONDS, sep="\n")


def _known(request: Request) -> int:
    """Up to where the page has rows: what its browser says after a break, or its query."""
    last = request.headers.get("last-event-id", "")
    if last.isascii() and last.isdecimal() and len(last) <= 13:
        return int(last)
    return whole_number_in_query(request, "after", low=-1, high=runs.MAX_NIMG, default=-1)


async def _stream(studio: Studio, follower: Follower) -> AsyncIterator[ServerSentEvent]:
    studio.streams += 1
    try:
        while not studio.closing:
            for event in await run_in_threadpool(lambda: list(follower.news())):
                yield event
            await asyncio.sleep(POLL_SECONDS)
    finally:
        studio.streams -= 1


ROUTES: Final = [Route("/api/runs/{run}/events", get_events)]

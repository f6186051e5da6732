"""The event stream of a run: everything new in its files, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping
from typing import Any, Final

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mnist_gan.runs import RunDirectory, Status
from mnist_gan.runs.channel import read_json, send_heartbeat
from mnist_gan.runs.interventions import Intervention, read_interventions
from mnist_gan.studio.cache import file_version
from mnist_gan.studio.context import Studio, studio_of
from mnist_gan.studio.errors import NotFoundError, OverloadedError
from mnist_gan.studio.handlers.runs import (
    MAX_NIMG,
    damaged,
    diagnosis_json,
    intervention_json,
    read_preview,
    status_json,
)
from mnist_gan.studio.params import Query

MAX_STREAMS: Final = 16
POLL_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 5.0
"""Interval of heartbeats to the training."""
PING_SECONDS: Final = 15
SEND_SECONDS: Final = 10
RETRY_MILLISECONDS: Final = 1000
MAX_SINGLE_ROWS: Final = 3
"""More new rows than this are sent as one event."""


class RunFollower:
    """Finds what is new in the files of a run.

    Args:
        studio: state of the server.
        run_id: id of the run, which may be starting and have no folder yet.
        after: images seen at the last row that the client knows; -1 if it knows none.
    """

    def __init__(self, studio: Studio, run_id: str, *, after: int) -> None:
        self._studio, self._run_id, self._after = studio, run_id, after
        self._versions: dict[str, Hashable] = {}
        self._interventions: list[Intervention] = []
        self._sent: dict[str, Mapping[str, Any]] = {}
        self._active = False
        self._last_heartbeat = float("-inf")

    def poll(self) -> Iterator[ServerSentEvent]:
        """Yield an event for each change since the last call."""
        run = self._studio.library.runs().get(self._run_id)
        if run is not None and time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS:
            self._last_heartbeat = time.monotonic()
            send_heartbeat(run)
        try:
            status = self._studio.trainer.status(self._run_id)
            if run is not None:
                yield from self._rows(run, floor=status.live.get("floor"))
                yield from self._new_interventions(run)
                yield from self._preview(run)
                yield from self._trial(run)
        except NotFoundError:  # the run was deleted
            return
        except Exception as error:  # a stream that breaks is opened again, for ever
            status = damaged(status, error)
        yield from self._status(status)

    def _rows(self, run: RunDirectory, *, floor: float | None) -> Iterator[ServerSentEvent]:
        library = self._studio.library
        if not self._is_new("rows", file_version(run.metrics)):
            return
        rows = library.rows(run)
        last = rows[-1]["cur_nimg"] if rows else -1
        if last < self._after:  # the training has returned to a checkpoint
            self._after = last
            yield _event("reset", {"cur_nimg": max(last, 0)}, event_id=last)
        new = [dict(row) for row in rows if row["cur_nimg"] > self._after]
        if not new:
            return
        self._after = new[-1]["cur_nimg"]
        if len(new) > MAX_SINGLE_ROWS:
            yield _event("rows", {"rows": new}, event_id=self._after)
        else:
            for row in new:
                yield _event("row", row, event_id=row["cur_nimg"])
        diagnosis = library.quality(run, floor=floor).diagnosis
        if diagnosis is not None:
            yield from self._changed("diagnosis", {**diagnosis_json(diagnosis), "floor": floor})

    def _new_interventions(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if not self._is_new("interventions", file_version(run.interventions)):
            return
        known, self._interventions = self._interventions, read_interventions(run.interventions)
        for intervention in self._interventions:
            if intervention not in known:
                yield _event("intervention", intervention_json(intervention))

    def _preview(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if self._is_new("preview", file_version(run.preview)):
            preview = read_preview(run)
            if preview is not None:
                yield _event("live", preview)

    def _trial(self, run: RunDirectory) -> Iterator[ServerSentEvent]:
        if self._is_new("trial", file_version(run.trial)):
            trial = read_json(run.trial)
            if trial is not None:
                yield _event("trial", trial)

    def _status(self, status: Status) -> Iterator[ServerSentEvent]:
        yield from self._changed("state", status_json(status))
        was_active, self._active = self._active, status.active
        if was_active and not status.active:
            yield _event("end", {"state": status.state})

    def _is_new(self, file: str, version: Hashable) -> bool:
        known, self._versions[file] = self._versions.get(file), version
        return version is not None and version != known

    def _changed(self, kind: str, value: Mapping[str, Any]) -> Iterator[ServerSentEvent]:
        if self._sent.get(kind) != value:
            self._sent[kind] = value
            yield _event(kind, value)


def _event(kind: str, value: Mapping[str, Any], *, event_id: int | None = None) -> ServerSentEvent:
    text = None if event_id is None else str(event_id)
    return ServerSentEvent(json.dumps(value, allow_nan=False), event=kind, id=text, retry=RETRY_MILLISECONDS)


class EventStream(EventSourceResponse):
    """Response that counts as an open stream from its creation, which no other request can interrupt, to its end."""

    def __init__(self, studio: Studio, follower: RunFollower) -> None:
        super().__init__(_stream(studio, follower), ping=PING_SECONDS, send_timeout=SEND_SECONDS, sep="\n")
        self._studio = studio
        studio.streams += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._studio.streams -= 1


async def get_events(request: Request) -> Response:
    """Stream the events of a run."""
    studio, run_id = studio_of(request), request.path_params["run"]
    await run_in_threadpool(studio.trainer.status, run_id)
    follower = RunFollower(studio, run_id, after=_known_images(request))
    if studio.streams >= MAX_STREAMS:
        raise OverloadedError("Too many pages are open. Close one.")
    return EventStream(studio, follower)


def _known_images(request: Request) -> int:
    """Images seen at the last row that the client knows: the id of its last event, or its query."""
    last = request.headers.get("last-event-id", "")
    if last.isascii() and last.isdecimal() and len(last) <= 13:
        return int(last)
    after = Query(request.query_params).whole("after", low=-1, high=MAX_NIMG)
    return -1 if after is None else after


async def _stream(studio: Studio, follower: RunFollower) -> AsyncIterator[ServerSentEvent]:
    while not studio.closing:
        for event in await run_in_threadpool(lambda: list(follower.poll())):
            yield event
        await asyncio.sleep(POLL_SECONDS)


ROUTES: Final = [Route("/api/runs/{run}/events", get_events)]

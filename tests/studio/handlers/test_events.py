"""The event stream of a run."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.studio.conftest import Running, serving, until
from tests.support.conforming import check_event

from mnist_gan.experiment import Intervention
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.interventions import write_interventions
from mnist_gan.runs.metrics import read_rows
from mnist_gan.studio import api

GRID = {"columns": 10, "rows": 8, "cell": 57, "border": 1, "width": 571, "height": 457}
PREVIEW = {
    "version": 7,
    "cur_nimg": 60,
    "step": 3,
    "epoch": 0.3,
    "time": 1.0,
    "grid": GRID,
    "scores": None,
    "digits": None,
}


@pytest.fixture
def tiny(studio_runs: Path) -> RunDirectory:
    return RunDirectory(studio_runs / "tiny")


class Events:
    """Client of an event stream."""

    def __init__(self, running: Running, path: str, **headers: str) -> None:
        self._client = httpx.Client(
            base_url=running.url, headers=headers, cookies=running.cookies, trust_env=False, timeout=30
        )
        self._stream = self._client.stream("GET", path)
        self.answer = self._stream.__enter__()
        self._lines = self.answer.iter_lines()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)
        self._client.close()

    def next(self, *kinds: str) -> tuple[str, Any, str | None]:
        """Return kind, data and id of the next event of one of these kinds."""
        event: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line and not line.startswith(":"):
                event[name] = value
            elif event.get("event") in kinds:
                check_event(api.RunEvents, event["event"], json.loads(event["data"]))
                return event["event"], json.loads(event["data"]), event.get("id")
            else:
                event = {}
        raise AssertionError("the stream ended")


def test_stream_begins_with_everything_known(studio_server: Running, tiny: RunDirectory):
    write_interventions(tiny.interventions, [Intervention(cur_nimg=40, g_lr=1e-3, d_lr=2e-3)])
    with Events(studio_server, "/api/runs/tiny/events") as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        kind, data, last = events.next("rows", "row")
        assert (kind, data["rows"], last) == ("rows", read_rows(tiny.metrics), "200")
        assert events.next("intervention")[1]["cur_nimg"] == 40
        assert events.next("state")[1]["state"] == "finished"


def test_stream_continues_after_the_last_event(studio_server: Running, tiny: RunDirectory):
    rows = read_rows(tiny.metrics)
    with Events(studio_server, "/api/runs/tiny/events?after=40", **{"last-event-id": "160"}) as events:
        assert [events.next("row")[1:] for _ in range(2)] == [(rows[8], "180"), (rows[9], "200")]
    with Events(studio_server, "/api/runs/tiny/events?after=40") as events:
        assert events.next("rows", "row")[1]["rows"] == rows[2:]


def test_stream_sends_what_is_new(studio_server: Running, tiny: RunDirectory):
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        row = {**read_rows(tiny.metrics)[-1], "cur_nimg": 220}
        with tiny.metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")
        assert events.next("row")[1:] == (row, "220")
        channel.publish_json(tiny.preview, PREVIEW)
        assert events.next("live")[1] == PREVIEW
        made = Intervention(cur_nimg=60, g_lr=1e-3, d_lr=2e-3)
        write_interventions(tiny.interventions, [made])
        assert events.next("intervention")[1]["cur_nimg"] == 60


def test_stream_reports_a_return_to_a_checkpoint(studio_server: Running, tiny: RunDirectory):
    lines = tiny.metrics.read_text().splitlines(keepends=True)
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("rows")
        tiny.metrics.write_text("".join(lines[:6]))
        assert events.next("reset")[1:] == ({"cur_nimg": 120}, "120")
        tiny.metrics.write_text("".join(lines[:7]))
        assert events.next("row")[2] == "140"


@pytest.mark.parametrize("value", ["NaN", "null", "1e308"])
def test_stream_reports_a_damaged_row_in_valid_json(studio_server: Running, tiny: RunDirectory, value: str):
    with tiny.metrics.open("a") as file:
        file.write(f'{{"cur_nimg": 220, "Loss/G/loss": {value}}}\n')
    with Events(studio_server, "/api/runs/tiny/events") as events:
        _, status, _ = events.next("row", "rows", "state")
        assert status["state"] == "damaged"
        assert "metrics.jsonl is damaged" in status["message"]


def test_stream_reports_an_error_that_nobody_foresaw(studio_server: Running, monkeypatch):
    monkeypatch.setattr(studio_server.studio.library, "quality", lambda run, **_: 1 / 0)
    with Events(studio_server, "/api/runs/tiny/events") as events:
        status = events.next("state")[1]
        assert status["state"] == "damaged"
        assert "ZeroDivisionError" in status["message"]


def test_stream_waits_for_the_rest_of_an_incomplete_row(studio_server: Running, tiny: RunDirectory):
    row = json.dumps({**read_rows(tiny.metrics)[-1], "cur_nimg": 220})
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        with tiny.metrics.open("a") as file:
            file.write(row[:30])
            file.flush()
            channel.publish_json(tiny.preview, PREVIEW)
            events.next("live")
            file.write(row[30:] + "\n")
        assert events.next("row")[2] == "220"


def test_stream_sends_heartbeats_to_the_training(studio_server: Running, tiny: RunDirectory):
    assert not channel.has_client(tiny)
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        assert channel.has_client(tiny)


def test_stream_is_released_when_the_client_disconnects(studio_server: Running):
    for _ in range(5):
        with Events(studio_server, "/api/runs/tiny/events") as events:
            events.next("state")
    assert until(lambda: studio_server.studio.streams == 0)


def test_streams_that_open_at_once_keep_their_limit(studio_server: Running, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.handlers.events.MAX_STREAMS", 3)
    with contextlib.ExitStack() as streams, ThreadPoolExecutor(12) as pool:
        opened = list(pool.map(lambda _: Events(studio_server, "/api/runs/tiny/events"), range(12)))
        for each in opened:
            streams.enter_context(each)
        assert sorted(each.answer.status_code for each in opened) == [200] * 3 + [429] * 9
    assert until(lambda: studio_server.studio.streams == 0)


def test_stream_of_an_unknown_run_is_not_found(studio_server: Running):
    assert studio_server.client.get("/api/runs/none/events").status_code == 404


def test_stream_ends_with_the_server(finished_run: Path):
    with serving(finished_run.parent) as running, Events(running, "/api/runs/tiny/events") as events:
        events.next("state")
        running.server.stop()
        with pytest.raises((AssertionError, httpx.RemoteProtocolError)):
            events.next("never")

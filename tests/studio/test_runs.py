"""The runs: the table, one run, its rows and pictures, two beside one another, and the stream of what is new."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.studio.conftest import Running, serving, until

from mnist_gan.experiment import Intervention
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.interventions import write_interventions
from mnist_gan.runs.metrics import read_rows


@pytest.fixture
def tiny(studio_runs: Path) -> RunDirectory:
    return RunDirectory(studio_runs / "tiny")


class Events:
    """An event stream, read piece by piece."""

    def __init__(self, running: Running, path: str, **headers: str) -> None:
        self._client = httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30)
        self._stream = self._client.stream("GET", path)
        self.answer = self._stream.__enter__()
        self._lines = self.answer.iter_lines()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)
        self._client.close()

    def next(self, *kinds: str) -> tuple[str, Any, str | None]:
        """The next event of one of these kinds: kind, data, id."""
        event: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line and not line.startswith(":"):
                event[name] = value
            elif event.get("event") in kinds:
                return event["event"], json.loads(event["data"]), event.get("id")
            else:
                event = {}
        raise AssertionError("the stream ended")


def test_the_table_lists_a_run_with_what_it_came_to(studio_server: Running):
    (row,) = studio_server.get("/api/runs")["runs"]
    assert (row["run"], row["state"], row["preset"], row["data"]) == ("tiny", "finished", "custom", "idx")
    assert (row["cur_nimg"], row["total_nimg"], row["conditional"]) == (200, 200, True)
    assert (row["has_model"], row["has_report"], row["resumable"]) == (True, False, False)
    assert row["distance"] is row["verdict"] is row["problem"] is None


def test_a_damaged_run_is_listed_with_what_is_wrong(studio_server: Running, tiny: RunDirectory, studio_runs: Path):
    shutil.copytree(tiny.root, studio_runs / "broken")
    (studio_runs / "broken" / "config.toml").write_text("[")
    rows = {row["run"]: row for row in until(lambda: two(studio_server))}
    assert rows["broken"]["state"] == "damaged"
    assert "TOML" in rows["broken"]["problem"]
    assert rows["tiny"]["state"] == "finished"
    assert studio_server.client.get("/api/runs/broken").status_code == 400


def two(running: Running) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = running.get("/api/runs")["runs"]
    return rows if len(rows) == 2 else []


def test_a_run_that_ended_without_a_word_is_stopped_and_can_go_on(studio_server: Running, tiny: RunDirectory):
    channel.publish_json(tiny.live_status, {"state": "training", "cur_nimg": 120})
    tiny.metrics.write_text("".join(line + "\n" for line in tiny.metrics.read_text().splitlines()[:5]))
    (row,) = studio_server.get("/api/runs")["runs"]
    assert (row["state"], row["resumable"]) == ("stopped", True)


def test_names_may_be_anything_that_a_folder_may_be_called(studio_server: Running, tiny: RunDirectory):
    odd = "a b&c?d#e%f 'g' é"
    tiny.root.rename(tiny.root.with_name(odd))
    assert until(lambda: [row["run"] for row in studio_server.get("/api/runs")["runs"]] == [odd])
    assert studio_server.get(f"/api/runs/{quote(odd)}")["run"] == odd


def test_one_run_with_its_settings(studio_server: Running, tiny: RunDirectory):
    write_interventions(tiny.interventions, [Intervention(cur_nimg=40, g_lr=1e-3, d_lr=2e-3)])
    found = studio_server.get("/api/runs/tiny")
    assert found["settings"]["training.batch_size"] == 20
    assert found["epoch_nimg"] == 100
    assert found["samples"] == [0, 1, 2]
    assert found["interventions"] == [{"cur_nimg": 40, "rollbacks": 0, "g_lr": 1e-3, "d_lr": 2e-3}]
    assert "--interventions" in found["commands"][0]["command"]


def test_rows_after_a_moment(studio_server: Running, tiny: RunDirectory):
    rows = read_rows(tiny.metrics)
    assert studio_server.get("/api/runs/tiny/rows")["rows"] == rows
    assert studio_server.get("/api/runs/tiny/rows", after=100)["rows"] == rows[5:]
    assert studio_server.get("/api/runs/tiny/rows", after=200)["rows"] == []


@pytest.mark.parametrize("after", ["x", "1.5", "-2", "9" * 30, "", "٣"])
def test_rows_after_nonsense_are_refused(studio_server: Running, after):
    assert studio_server.client.get("/api/runs/tiny/rows", params={"after": after}).status_code == 400


def test_samples_of_an_epoch(studio_server: Running, tiny: RunDirectory):
    found = studio_server.get("/api/runs/tiny/samples")
    assert found == {"samples": [{"epoch": 0}, {"epoch": 1}, {"epoch": 2}], "columns": 10, "rows": 8}
    answer = studio_server.client.get("/api/runs/tiny/samples/2.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == tiny.sample(2).read_bytes()
    for missing in ("3.png", "2", "02.png", "-1.png", "x.png"):
        assert studio_server.client.get(f"/api/runs/tiny/samples/{missing}").status_code == 404


def test_a_live_picture_where_there_is_one(studio_server: Running, tiny: RunDirectory):
    assert studio_server.client.get("/api/runs/tiny/live.png?v=1").status_code == 404
    channel.publish(tiny.preview_image, b"picture")
    assert studio_server.client.get("/api/runs/tiny/live.png?v=1").content == b"picture"


def test_a_report_where_there_is_one(studio_server: Running, tiny: RunDirectory):
    answer = studio_server.client.get("/api/runs/tiny/report")
    assert answer.status_code == 404
    assert "mnist-gan evaluate" in answer.json()["error"]
    tiny.report.write_text("<p>judged")
    assert studio_server.client.get("/api/runs/tiny/report").text == "<p>judged"


def test_two_runs_beside_one_another(studio_server: Running, tiny: RunDirectory, studio_runs: Path):
    shutil.copytree(tiny.root, studio_runs / "other")
    other = RunDirectory(studio_runs / "other")
    other.config.write_text(other.config.read_text().replace("seed = 0", "seed = 3"))
    for run, distance in ((tiny, 5.0), (other, 4.0)):
        *before, last = read_rows(run.metrics)
        last |= {"Metric/fd2k_mnistnet": distance, "Metric/diversity": distance / 4}
        run.metrics.write_text("".join(json.dumps(row) + "\n" for row in [*before, last]))
    until(lambda: two(studio_server))
    found = studio_server.get("/api/compare", a="tiny", b="other")
    assert found["settings"] == [{"name": "training.seed", "a": 0, "b": 3}]
    figures = {figure["name"]: figure for figure in found["figures"]}
    assert (figures["fd2k_mnistnet"]["a"], figures["fd2k_mnistnet"]["b"]) == (5.0, 4.0)
    assert figures["fd2k_mnistnet"]["better"] == "b"
    assert figures["diversity"]["better"] == "b"  # 1 is as varied as real digits; 1.25 is not
    assert len(found["rows"][0]) == 10
    assert [run["run"] for run in found["runs"]] == ["tiny", "other"]
    assert studio_server.client.get("/api/compare?a=tiny&b=none").status_code == 404


def test_a_stream_tells_everything_first(studio_server: Running, tiny: RunDirectory):
    write_interventions(tiny.interventions, [Intervention(cur_nimg=40, g_lr=1e-3, d_lr=2e-3)])
    with Events(studio_server, "/api/runs/tiny/events") as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        kind, data, last = events.next("rows", "row")
        assert (kind, data["rows"], last) == ("rows", read_rows(tiny.metrics), "200")
        assert events.next("intervention")[1]["cur_nimg"] == 40
        assert events.next("state")[1]["state"] == "finished"


def test_a_stream_goes_on_where_it_broke_off(studio_server: Running, tiny: RunDirectory):
    rows = read_rows(tiny.metrics)
    with Events(studio_server, "/api/runs/tiny/events?after=40", **{"last-event-id": "160"}) as events:
        assert [events.next("row")[1:] for _ in range(2)] == [(rows[8], "180"), (rows[9], "200")]
    with Events(studio_server, "/api/runs/tiny/events?after=40") as events:
        assert events.next("rows", "row")[1]["rows"] == rows[2:]


def test_a_stream_tells_what_is_new(studio_server: Running, tiny: RunDirectory):
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        row = {**read_rows(tiny.metrics)[-1], "cur_nimg": 220}
        with tiny.metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")
        assert events.next("row")[1:] == (row, "220")
        channel.publish_json(tiny.preview, {"version": 7})
        assert events.next("live")[1] == {"version": 7}
        made = Intervention(cur_nimg=60, g_lr=1e-3, d_lr=2e-3)
        write_interventions(tiny.interventions, [made])
        assert events.next("intervention")[1]["cur_nimg"] == 60


def test_a_stream_tells_when_a_run_goes_back(studio_server: Running, tiny: RunDirectory):
    lines = tiny.metrics.read_text().splitlines(keepends=True)
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("rows")
        tiny.metrics.write_text("".join(lines[:6]))
        assert events.next("reset")[1:] == ({"cur_nimg": 120}, "120")
        tiny.metrics.write_text("".join(lines[:7]))
        assert events.next("row")[2] == "140"


def test_a_torn_row_waits_for_its_rest(studio_server: Running, tiny: RunDirectory):
    row = json.dumps({**read_rows(tiny.metrics)[-1], "cur_nimg": 220})
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        with tiny.metrics.open("a") as file:
            file.write(row[:30])
            file.flush()
            channel.publish_json(tiny.preview, {"version": 1})
            events.next("live")
            file.write(row[30:] + "\n")
        assert events.next("row")[2] == "220"


def test_a_stream_marks_its_run_as_watched(studio_server: Running, tiny: RunDirectory):
    assert not channel.has_client(tiny)
    with Events(studio_server, "/api/runs/tiny/events") as events:
        events.next("state")
        assert channel.has_client(tiny)


def test_a_stream_that_was_left_is_given_back(studio_server: Running):
    for _ in range(5):
        with Events(studio_server, "/api/runs/tiny/events") as events:
            events.next("state")
    assert until(lambda: studio_server.studio.streams == 0)


def test_there_is_no_stream_of_a_run_that_is_not(studio_server: Running):
    assert studio_server.client.get("/api/runs/none/events").status_code == 404


def test_streams_end_with_the_server(finished_run: Path):
    with serving(finished_run.parent) as running, Events(running, "/api/runs/tiny/events") as events:
        events.next("state")
        running.server.stop()
        with pytest.raises((AssertionError, httpx.RemoteProtocolError)):
            events.next("never")


def test_no_runs_yet(tmp_path: Path):
    with serving(tmp_path / "runs") as running:
        assert running.get("/api/runs") == {"runs": []}
        assert running.get("/api/studio")["training"] is None
    assert not (tmp_path / "runs").exists()

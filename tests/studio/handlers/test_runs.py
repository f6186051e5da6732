"""Runs over HTTP: the table, one run, its files, and a comparison."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

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


def test_runs_list_a_finished_run(studio_server: Running):
    (row,) = studio_server.get("/api/runs")["runs"]
    assert (row["run"], row["state"], row["preset"], row["data"]) == ("tiny", "finished", "custom", "idx")
    assert (row["cur_nimg"], row["total_nimg"], row["conditional"]) == (200, 200, True)
    assert (row["has_model"], row["has_report"], row["resumable"]) == (True, False, False)
    assert row["distance"] is row["diagnosis"] is row["problem"] is None


def test_runs_list_a_damaged_run_with_its_error(studio_server: Running, tiny: RunDirectory, studio_runs: Path):
    shutil.copytree(tiny.root, studio_runs / "broken")
    (studio_runs / "broken" / "config.toml").write_text("[")
    rows = {row["run"]: row for row in until(lambda: two(studio_server))}
    assert rows["broken"]["state"] == "damaged"
    assert "TOML" in rows["broken"]["problem"]
    assert rows["tiny"]["state"] == "finished"
    assert studio_server.client.get("/api/runs/broken").status_code == 400


def rewrite(line: str, value: str) -> str:
    """Line of metrics.jsonl with `value` as its generator loss."""
    return re.sub(r'("Loss/G/loss": )[^,}]*', lambda found: found[1] + value, line)


@pytest.mark.parametrize("value", ["null", '"x"', "[]", "NaN", "Infinity", "1e308", "1" + 400 * "0"])
def test_runs_show_a_damaged_row_as_the_problem_of_its_run(
    studio_server: Running, tiny: RunDirectory, studio_runs: Path, value: str
):
    broken = RunDirectory(studio_runs / "broken")
    shutil.copytree(tiny.root, broken.root)
    lines = broken.metrics.read_text().splitlines(keepends=True)
    assert rewrite(lines[4], value) != lines[4]
    broken.metrics.write_text("".join([*lines[:4], rewrite(lines[4], value), *lines[5:]]))
    rows = {row["run"]: row for row in until(lambda: two(studio_server))}
    assert (rows["broken"]["state"], rows["tiny"]["state"]) == ("damaged", "finished")
    assert "metrics.jsonl is damaged" in rows["broken"]["problem"]


def test_runs_survive_a_live_status_with_nan(studio_server: Running, tiny: RunDirectory):
    tiny.live.mkdir(exist_ok=True)
    tiny.live_status.write_text('{"state": "training", "floor": NaN, "cur_nimg": 1e999}')
    (row,) = studio_server.get("/api/runs")["runs"]
    assert (row["run"], row["state"], row["floor"]) == ("tiny", "finished", None)


@pytest.mark.parametrize("reader", ["rows", "quality"])
def test_runs_survive_an_error_that_nobody_foresaw(studio_server: Running, studio_runs: Path, monkeypatch, reader):
    shutil.copytree(studio_runs / "tiny", studio_runs / "broken")
    until(lambda: two(studio_server))
    library = studio_server.studio.library
    sound = getattr(library, reader)

    def read(run: RunDirectory, **options: Any) -> Any:
        return sound(run, **options) if run.root.name == "tiny" else 1 / 0

    monkeypatch.setattr(library, reader, read)
    rows = {row["run"]: row for row in two(studio_server)}
    assert rows["tiny"]["state"] == "finished"
    assert rows["broken"]["state"] == "damaged"
    assert "ZeroDivisionError" in rows["broken"]["problem"]
    assert studio_server.client.get("/api/runs/broken").status_code == 200


def replace_by_link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def replace_by_zeros(path: Path, _: Path) -> None:
    replace_by_link(path, Path("/dev/zero"))


def replace_by_pipe(path: Path, _: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("replace", [replace_by_link, replace_by_zeros, replace_by_pipe])
def test_files_of_a_run_that_are_links_or_pipes_are_never_read(
    studio_server: Running, tiny: RunDirectory, studio_runs: Path, replace: Callable[[Path, Path], None]
):
    (studio_runs.parent / "secret").write_text('{"message": "secret", "cur_nimg": 1}\nsecret\n')
    hostile = RunDirectory(studio_runs / "hostile")
    shutil.copytree(tiny.root, hostile.root)
    hostile.live.mkdir(exist_ok=True)
    links = [hostile.live_status, hostile.preview, hostile.preview_image, hostile.report, hostile.sample(1)]
    hostile.previews.mkdir()
    links += [hostile.kept_preview(1), hostile.kept_preview(1).with_suffix(".png")]
    others = (hostile.interventions, hostile.plateau, hostile.metrics, hostile.config)  # each hides the ones before
    texts = [
        read_all(studio_server, paths, studio_runs.parent / "secret", replace)
        for paths in (links, *([path] for path in others))
    ]
    assert "secret" not in "".join(texts)
    assert '"state":"damaged"' in texts[-2]
    assert '"run":"tiny","state":"finished"' in texts[-1]


def read_all(running: Running, links: list[Path], target: Path, replace: Callable[[Path, Path], None]) -> str:
    """Text of every answer about a run after some of its files were replaced; each comes within seconds."""
    for path in links:
        replace(path, target)
    until(lambda: "hostile" in running.client.get("/api/runs").text)
    run = "/api/runs/hostile"
    addresses = (
        "/api/runs",
        run,
        f"{run}/rows",
        f"{run}/samples/1.png",
        f"{run}/live.png",
        f"{run}/moments",
        f"{run}/previews/1.png",
        f"{run}/report",
    )
    return "".join(running.client.get(address, timeout=10.0).text for address in addresses)


def two(running: Running) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = running.get("/api/runs")["runs"]
    return rows if len(rows) == 2 else []


def test_runs_list_a_killed_run_as_stopped_and_resumable(studio_server: Running, tiny: RunDirectory):
    channel.publish_json(tiny.live_status, {"state": "training", "cur_nimg": 120})
    tiny.metrics.write_text("".join(line + "\n" for line in tiny.metrics.read_text().splitlines()[:5]))
    (row,) = studio_server.get("/api/runs")["runs"]
    assert (row["state"], row["resumable"]) == ("stopped", True)


def test_run_may_have_any_name_of_a_folder(studio_server: Running, tiny: RunDirectory):
    odd = "a b&c?d#e%f 'g' é"
    tiny.root.rename(tiny.root.with_name(odd))
    assert until(lambda: [row["run"] for row in studio_server.get("/api/runs")["runs"]] == [odd])
    assert studio_server.get(f"/api/runs/{quote(odd)}")["run"] == odd


def test_run_is_described_with_settings_and_interventions(studio_server: Running, tiny: RunDirectory):
    write_interventions(tiny.interventions, [Intervention(cur_nimg=40, g_lr=1e-3, d_lr=2e-3)])
    found = studio_server.get("/api/runs/tiny")
    assert found["settings"]["training.batch_size"] == 20
    assert found["samples"] == [0, 1, 2]
    assert found["interventions"] == [{"cur_nimg": 40, "rollbacks": 0, "g_lr": 1e-3, "d_lr": 2e-3}]
    assert "--interventions" in found["commands"][0]["command"]


def test_rows_start_after_a_number_of_images(studio_server: Running, tiny: RunDirectory):
    rows = read_rows(tiny.metrics)
    assert studio_server.get("/api/runs/tiny/rows")["rows"] == rows
    assert studio_server.get("/api/runs/tiny/rows", after=100)["rows"] == rows[5:]
    assert studio_server.get("/api/runs/tiny/rows", after=200)["rows"] == []


@pytest.mark.parametrize("after", ["x", "1.5", "-2", "9" * 30, "", "٣"])
def test_rows_refuse_an_invalid_number_of_images(studio_server: Running, after):
    assert studio_server.client.get("/api/runs/tiny/rows", params={"after": after}).status_code == 400


def test_samples_return_the_grid_of_an_epoch(studio_server: Running, tiny: RunDirectory):
    found = studio_server.get("/api/runs/tiny/samples")
    assert found == {"samples": [{"epoch": 0}, {"epoch": 1}, {"epoch": 2}], "columns": 10, "rows": 8}
    answer = studio_server.client.get("/api/runs/tiny/samples/2.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == tiny.sample(2).read_bytes()
    for missing in ("3.png", "2", "02.png", "-1.png", "x.png"):
        assert studio_server.client.get(f"/api/runs/tiny/samples/{missing}").status_code == 404


def test_moments_are_the_sample_grids_of_a_run_without_previews(studio_server: Running):
    moments = studio_server.get("/api/runs/tiny/moments")["moments"]
    assert [(moment["cur_nimg"], moment["scores"]) for moment in moments] == [(0, None), (100, None), (200, None)]
    assert studio_server.client.get(moments[-1]["picture"]).content.startswith(b"\x89PNG")


def test_moments_are_the_kept_previews(studio_server: Running, tiny: RunDirectory):
    scores = {"edges": [0.0, 1.0], "real": [1], "generated": [1], "boundary": 0.0}
    tiny.previews.mkdir()
    for cur_nimg in (0, 40):
        tiny.kept_preview(cur_nimg).write_text(json.dumps({"cur_nimg": cur_nimg, "scores": scores}))
        tiny.kept_preview(cur_nimg).with_suffix(".png").write_bytes(b"%d" % cur_nimg)
    (tiny.previews / "0000000080.json").write_text("damaged")
    moments = studio_server.get("/api/runs/tiny/moments")["moments"]
    assert [(moment["cur_nimg"], moment["scores"]) for moment in moments] == [(0, scores), (40, scores)]
    assert [studio_server.client.get(moment["picture"]).content for moment in moments] == [b"0", b"40"]
    assert studio_server.client.get("/api/runs/tiny/previews/80.png").status_code == 404


def test_preview_is_returned_if_there_is_one(studio_server: Running, tiny: RunDirectory):
    assert studio_server.client.get("/api/runs/tiny/live.png?v=1").status_code == 404
    channel.publish(tiny.preview_image, b"picture")
    assert studio_server.client.get("/api/runs/tiny/live.png?v=1").content == b"picture"


def test_report_is_returned_if_there_is_one(studio_server: Running, tiny: RunDirectory):
    answer = studio_server.client.get("/api/runs/tiny/report")
    assert answer.status_code == 404
    assert "mnist-gan evaluate" in answer.json()["error"]
    tiny.report.write_text("<p>judged")
    assert studio_server.client.get("/api/runs/tiny/report").text == "<p>judged"


def test_compare_returns_figures_and_settings_that_differ(
    studio_server: Running, tiny: RunDirectory, studio_runs: Path
):
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
    assert found["difference"] == "One difference. Seed: 0 and 3."
    figures = {figure["name"]: figure for figure in found["figures"]}
    assert (figures["fd2k_mnistnet"]["a"], figures["fd2k_mnistnet"]["b"]) == (5.0, 4.0)
    assert figures["fd2k_mnistnet"]["better"] == "b"
    assert figures["diversity"]["better"] == "b"  # 1 is as varied as real digits; 1.25 is not
    assert len(found["rows"][0]) == 10
    assert [run["run"] for run in found["runs"]] == ["tiny", "other"]
    assert studio_server.client.get("/api/compare?a=tiny&b=none").status_code == 404


def test_runs_are_empty_without_a_folder(tmp_path: Path):
    with serving(tmp_path / "runs") as running:
        assert running.get("/api/runs") == {"runs": []}
        assert running.get("/api/studio")["training"] is None
    assert not (tmp_path / "runs").exists()


def test_note_is_kept_in_the_folder_of_the_run(studio_server, studio_runs):
    address = "/api/runs/tiny/note"
    assert studio_server.post(address, {"note": " the first try\n"}) == {"note": "the first try"}
    assert (studio_runs / "tiny" / "note.txt").read_text() == "the first try\n"
    assert studio_server.get("/api/runs")["runs"][0]["note"] == "the first try"
    assert studio_server.get("/api/runs/tiny")["note"] == "the first try"
    wrong = (({"note": 3}, "must be a text"), ({"notes": ""}, "Unknown field"), ({"note": "x" * 2001}, "shorten"))
    for body, words in wrong:
        assert words in studio_server.post(address, body, status=400)["error"]
    studio_server.post("/api/runs/none/note", {"note": ""}, status=404)
    assert studio_server.post(address, {"note": ""}) == {"note": ""}
    assert not (studio_runs / "tiny" / "note.txt").exists()

"""The state of a run, from its config, its rows, its lock and what the training published."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mnist_gan import config as config_module
from mnist_gan import presets, runs
from mnist_gan.errors import ArtifactError
from mnist_gan.runs import RunDirectory, channel
from mnist_gan.runs.state import Plateau, read_plateau, write_plateau

TOTAL_NIMG = 1000


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of 1,000 images without rows."""
    run = RunDirectory(tmp_path / "runs" / "one")
    run.root.mkdir(parents=True)
    config = presets.quick()
    training = dataclasses.replace(config.training, epochs=None, total_nimg=TOTAL_NIMG)
    run.config.write_text(config_module.to_toml(dataclasses.replace(config, training=training)))
    run.environment.write_text("{}")
    return run


def write_rows(run: RunDirectory, *counts: int, **values: Any) -> None:
    rows = [{"cur_nimg": count, "step": count // 10, "epoch": count / 100, **values} for count in counts]
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_status_of_a_killed_run_is_stopped_and_resumable(run):
    write_rows(run, 100, 200)
    channel.publish_json(run.live_status, {"state": "training", "cur_nimg": 250})
    status = runs.status(run)
    assert (status.state, status.end_reason, status.resumable, status.active) == ("stopped", None, True, False)
    assert (status.cur_nimg, status.total_nimg) == (200, TOTAL_NIMG)


def test_status_of_a_stopped_run_counts_the_images_since_its_last_row(run):
    channel.publish_json(run.live_status, {"state": "stopped", "cur_nimg": 250})
    status = runs.status(run.root)
    assert (status.state, status.cur_nimg) == ("stopped", 250)


def test_status_without_an_environment_is_not_resumable(run):
    run.environment.unlink()
    assert (runs.status(run).state, runs.status(run).resumable) == ("stopped", False)


def test_status_of_a_run_that_reached_its_length_is_finished(run):
    write_rows(run, 500, TOTAL_NIMG)
    status = runs.status(run)
    assert (status.state, status.end_reason, status.resumable) == ("finished", "length", False)


def test_status_of_a_run_that_ended_on_a_plateau_is_finished(run):
    write_rows(run, 500)
    write_plateau(run, Plateau(cur_nimg=500))
    status = runs.status(run)
    assert (status.state, status.end_reason, status.resumable) == ("finished", "plateau", False)


def test_status_of_a_run_resumed_beyond_its_plateau_is_stopped_until_its_length_is_reached(run):
    write_rows(run, 500)
    write_plateau(run, Plateau(cur_nimg=500, passed=True))
    assert (runs.status(run).state, runs.status(run).resumable) == ("stopped", True)
    write_rows(run, 500, TOTAL_NIMG)
    assert (runs.status(run).state, runs.status(run).end_reason) == ("finished", "length")


def test_status_outlasts_the_live_folder(run):
    write_rows(run, 500)
    write_plateau(run, Plateau(cur_nimg=500))
    channel.publish_json(run.live_status, {"state": "finished"})
    before = runs.status(run)
    shutil.rmtree(run.live)
    assert dataclasses.replace(before, live={}) == runs.status(run)


def test_status_of_a_failed_run_has_its_error_message(run):
    write_rows(run, 100)
    channel.publish_json(run.live_status, {"state": "failed", "message": "the training diverged"})
    status = runs.status(run)
    assert (status.state, status.problem, status.resumable) == ("failed", "the training diverged", True)


@pytest.mark.parametrize("published", ["starting", "training", "paused", "stopping"])
def test_status_of_a_locked_run_is_the_published_state(run, published):
    write_rows(run, 100)
    channel.publish_json(run.live_status, {"state": published, "cur_nimg": 150})
    with run.locked():
        status = runs.status(run)
    assert (status.state, status.active, status.resumable, status.cur_nimg) == (published, True, False, 150)


@pytest.mark.parametrize("published", ["finished", "stopped", "failed", "nonsense"])
def test_status_of_a_locked_run_is_stopping_after_its_final_status(run, published):
    channel.publish_json(run.live_status, {"state": published, "message": "why"})
    with run.locked():
        assert (runs.status(run).state, runs.status(run).problem) == ("stopping", "")


def test_status_of_a_locked_run_that_published_nothing_is_training(run):
    with run.locked():
        assert runs.status(run).state == "training"


def test_status_of_a_run_with_a_damaged_config_is_damaged(run):
    run.config.write_text("[[[")
    status = runs.status(run)
    assert (status.state, status.resumable) == ("damaged", False)
    assert "config.toml" in status.problem


def test_status_of_a_run_with_damaged_metrics_is_damaged(run):
    run.metrics.write_text("[1]\n")
    assert runs.status(run).state == "damaged"
    assert "metrics.jsonl" in runs.status(run).problem


def test_status_of_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is not a run"):
        runs.status(tmp_path)


def test_status_latest_has_the_newest_number_of_every_statistic(run):
    write_rows(run, 100, **{"Loss/G/loss": 2.0, "Metric/fd2k_mnistnet": 9.0})
    rows = run.metrics.read_text()
    write_rows(run, 200, **{"Loss/G/loss": 1.0})
    run.metrics.write_text(rows + run.metrics.read_text())
    assert runs.status(run).latest == {"Loss/G/loss": 1.0, "Metric/fd2k_mnistnet": 9.0}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"cur_nimg": "x", "passed": false}', b"[" * 100_000, b" " * 2000]
)
def test_status_ignores_a_damaged_plateau_file(run, content):
    write_rows(run, 500)
    run.plateau.write_bytes(content)
    assert read_plateau(run) is None
    assert runs.status(run).state == "stopped"


def test_list_runs_has_the_last_changed_first_and_damaged_ones_too(run):
    damaged = RunDirectory(run.root.parent / "two")
    damaged.root.mkdir()
    damaged.config.write_text("no config")
    write_rows(run, 100)
    os.utime(damaged.config, (1, 1))
    assert [(status.name, status.state) for status in runs.list_runs(run.root.parent)] == [
        ("one", "stopped"),
        ("two", "damaged"),
    ]
    assert runs.list_runs(run.root / "nowhere") == []


def test_status_imports_neither_torch_nor_numpy(run):
    code = (
        "import sys; from mnist_gan import runs; runs.status(sys.argv[1]); print({'torch', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

"""The runs on disk, through the cache."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from tests.studio.conftest import serving

from mnist_gan.runs import RunDirectory
from mnist_gan.runs.metrics import read_rows
from mnist_gan.studio.errors import NotFoundError
from mnist_gan.studio.services.library import Library


def test_library_lists_a_named_run_elsewhere(finished_run: Path, tmp_path: Path):
    with serving(tmp_path / "none", named=RunDirectory(finished_run)) as running:
        assert running.get("/api/studio")["run"] == "tiny"
        assert [row["run"] for row in running.get("/api/runs")["runs"]] == ["tiny"]


def test_library_lists_a_linked_run_by_the_name_of_its_link(studio_runs: Path):
    (studio_runs / "link").symlink_to("tiny")
    assert set(Library(studio_runs).runs()) == {"link", "tiny"}
    named = RunDirectory(studio_runs / "link")
    assert Library(studio_runs.parent, named=named).named_id() == "link"


def test_library_finds_runs_by_id_and_never_by_path(studio_runs: Path):
    library = Library(studio_runs)
    assert library.find("tiny").root == studio_runs / "tiny"
    for path in ("../runs/tiny", str(studio_runs / "tiny"), "tiny/"):
        with pytest.raises(NotFoundError):
            library.find(path)


def test_library_reads_rows_again_when_the_file_changes(studio_runs: Path):
    library, run = Library(studio_runs), RunDirectory(studio_runs / "tiny")
    rows = library.rows(run)
    assert list(rows) == read_rows(run.metrics)
    assert library.rows(run) is rows
    with run.metrics.open("a") as file:
        file.write(json.dumps({**rows[-1], "cur_nimg": 220}) + "\n")
    assert [row["cur_nimg"] for row in library.rows(run)][-2:] == [200, 220]


def test_library_quality_takes_the_newest_and_the_best_distance(studio_runs: Path):
    library, run = Library(studio_runs), RunDirectory(studio_runs / "tiny")
    assert library.quality(run, floor=0.5).diagnosis is None
    rows = read_rows(run.metrics)
    for row, distance in zip(rows, (9.0, 4.0, 6.0), strict=False):
        row["Metric/fd2k_mnistnet"] = distance
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    quality = library.quality(run, floor=0.5)
    assert (quality.distance, quality.best_distance, quality.floor) == (6.0, 4.0, 0.5)
    assert quality.diagnosis is not None


def test_library_remembers_when_it_listed_a_deleted_run(studio_runs: Path):
    """Any caller's listing counts: a training is known to have had its folder, whoever looked."""
    before, library = time.monotonic(), Library(studio_runs)
    assert not library.has_listed("tiny", since=before)
    library.find("tiny")
    shutil.rmtree(studio_runs / "tiny")
    library.refresh()
    assert "tiny" not in library.runs()
    assert library.has_listed("tiny", since=before)
    assert not library.has_listed("tiny", since=time.monotonic())


def test_library_finds_the_newest_sample_grid_and_notices_another(studio_runs: Path):
    library = Library(studio_runs)
    run = library.find("tiny")
    newest = library.last_sample(run)
    assert newest == max(int(path.stem.removeprefix("epoch-")) for path in run.samples.glob("epoch-*.png"))
    shutil.copy(run.samples / f"epoch-{newest:04d}.png", run.samples / f"epoch-{newest + 3:04d}.png")
    assert library.last_sample(run) == newest + 3
    shutil.rmtree(run.samples)
    assert library.last_sample(run) is None

from __future__ import annotations

import pytest

from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import OutputPaths, open_subject, write
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.runs.evaluations import read_evaluations


def test_figures_rows_hold_the_identity_of_the_evaluation(found, run, page):
    rows = read_evaluations(run.root / "metrics-fd200.jsonl")
    assert [row["judge"] for row in rows] == ["mnistnet", "mnistnet-b"]
    for row in rows:
        assert row["sha256"] == found.subject.digest()
        assert row["cur_nimg"] == 1200
        assert set(row["floors"]) <= set(row)
    assert rows[0]["Metric/fd200_mnistnet"] == found.evaluations["mnistnet"].figures["fd200_mnistnet"].value


def test_write_replaces_its_own_report_and_row(found, run, page):
    write(found, OutputPaths.of(found.subject), command="again")
    assert "again" in run.report.read_text()
    assert len(read_evaluations(run.root / "metrics-fd200.jsonl")) == 2


def test_output_paths_check_refuses_another_page(found, tmp_path):
    (tmp_path / "mine.html").write_text("<p>my notes</p>")
    with pytest.raises(ConfigError, match="not a report of mnist-gan"):
        OutputPaths.of(found.subject, tmp_path / "mine.html").check()


def test_output_paths_of_runs_and_images(found, run, tmp_path, monkeypatch, like_mnist):
    monkeypatch.chdir(tmp_path)
    save_npz(tmp_path / "digits.npz", like_mnist.images[:2])
    images = open_subject(tmp_path / "digits.npz")
    place = OutputPaths.of(images)
    assert (str(place.report), str(place.rows("fd10k"))) == ("digits-report.html", "digits-metrics-fd10k.jsonl")
    elsewhere = OutputPaths.of(found.subject, tmp_path / "sub")
    assert elsewhere.report.parent == elsewhere.rows("fd10k").parent == tmp_path / "sub"
    named = OutputPaths.of(found.subject, tmp_path / "x.html")
    assert named.report == tmp_path / "x.html"
    assert named.rows("fd10k") == tmp_path / "x-metrics-fd10k.jsonl"
    assert OutputPaths.of(found.subject).report == run.report


def test_output_paths_check_refuses_an_unwritable_folder(found, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        OutputPaths.of(found.subject, tmp_path / "file" / "below").check()

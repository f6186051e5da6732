from __future__ import annotations

import json

import pytest
from tests.support.studies import WrittenBackend, results_of, small_study

from mnist_gan.cli import studying
from mnist_gan.studies.folder import StudyDirectory


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return StudyDirectory(tmp_path / "small")


def test_run_prints_both_tables_and_the_files(directory, capsys):
    study = small_study("target = 4.0\n")
    assert studying.run(study, directory, WrittenBackend(directory, study), json=False) == 0
    out = capsys.readouterr().out
    for text in (
        "Equal images: after 40 images",
        "Equal seconds: after",
        "Time to 4",
        "no difference shown",
        str(directory.report),
    ):
        assert text in out
    assert "Fewer than 5 seeds support little" in out


def test_run_prints_json_alone(directory, capsys):
    study = small_study()
    assert studying.run(study, directory, WrittenBackend(directory, study), json=True) == 0
    assert json.loads(capsys.readouterr().out)["baseline"] == "ns"


def test_status_counts_the_trials_of_each_arm(directory, capsys):
    study = small_study()
    directory.begin(study)
    results_of(study, directory, {"ns": [1.0, 2.0], "hinge": [1.0]}, diverged=("hinge-seed1",))
    assert studying.print_status(study, directory, json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [["arm", "waiting", "finished", "diverged"], ["ns", "1", "2"], ["hinge", "1", "1", "1"]]
    assert lines[-1] == ["hinge-seed1:", "diverged:", "Loss/D/loss", "is", "nan"]
    assert studying.print_status(study, directory, json=True) == 0
    assert json.loads(capsys.readouterr().out)["states"]["ns-seed2"] == "waiting"


def test_predict_prints_the_expected_time(directory, capsys, monkeypatch):
    monkeypatch.setattr("mnist_gan.studies.facade.measure_speeds", lambda trials, **_: dict.fromkeys(trials, 0.1))
    study = small_study()
    assert studying.predict(study, directory, WrittenBackend(directory, study)) == 0
    expected = (
        "6 trials, 2 at once: about 20 min 00 s, and 40 min 00 s of processor time, without evaluations and saving"
    )
    assert capsys.readouterr().out.strip() == expected
    assert not directory.root.exists()

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from tests.support.program import start_program, wait_for
from tests.support.studies import TOML, results_of, small_study, trainable_study

from mnist_gan.cli import main
from mnist_gan.studies.folder import StudyDirectory


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "study needs an action and a study; write"),
        (["rnu", "x.toml"], "study has no action 'rnu'; did you mean run?"),
        (["run"], "study run needs a study; name its TOML file or its folder"),
        (["run", "a.toml", "b.toml"], "unexpected argument 'b.toml'; study run takes one study"),
        (["run", "a.toml"], "there is no study a.toml, neither as a file nor in studies"),
        (["status", "a"], "there is no study a, neither as a folder nor in studies"),
        (["run", "a.toml", "--jobs", "0"], "--jobs is 0; it must be a whole number, at least 1"),
    ],
)
def test_study_refuses_with_one_sentence(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["study", *words]) in {2, 4}
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_study_report_needs_a_trial_that_ended(tmp_path, capsys):
    directory = StudyDirectory(tmp_path / "small")
    directory.begin(small_study())
    assert main(["study", "report", str(directory.root)]) == 2
    assert "no trial of the comparison in" in capsys.readouterr().err


def test_study_report_and_status_read_a_folder(tmp_path, capsys):
    study, directory = small_study(), StudyDirectory(tmp_path / "small")
    directory.begin(study)
    results_of(study, directory, {"ns": [1.0, 2.0, 3.0], "hinge": [1.0, 2.0, 3.0]})
    assert main(["study", "report", "small", "--studies-dir", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert main(["study", "status", str(directory.root)]) == 0
    assert "100%: 6 of 6 trials" in capsys.readouterr().out


def test_study_names_the_place_of_a_mistake(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(TOML.replace("images = 40", "images = 0"))
    assert main(["study", "run", str(tmp_path / "mine.toml"), "--studies-dir", str(tmp_path)]) == 2
    assert "mine.toml: budget.images is 0; it must be a whole number from 1" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kill") is None, reason="needs signals")
def test_study_that_is_interrupted_continues(idx_dir, tmp_path, capsys):
    study = trainable_study(idx_dir, 'title = "Interrupted"\n', images=2_000)
    (tmp_path / "mine.toml").write_text(study.to_toml().replace("seeds = 3", "seeds = 1"))
    arguments = ["study", "run", str(tmp_path / "mine.toml"), "--studies-dir", str(tmp_path), "--jobs", "1"]
    process = start_program(arguments)
    first = Path(tmp_path / "mine" / "trials" / "ns-seed0" / "checkpoints")
    wait_for(lambda: any(first.glob("nimg-*")), process=process)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "continue with" in err
    assert main(arguments) == 0
    assert "Equal images: after 2,000 images" in capsys.readouterr().out
    assert "<title>Interrupted</title>" in (tmp_path / "mine" / "report.html").read_text()

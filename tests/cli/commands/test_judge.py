"""`mnist-gan judge`."""

from __future__ import annotations

import json

import pytest

from mnist_gan.cli.app import main
from mnist_gan.evaluation import train_mnistnet


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_judge_trains_one_for_a_folder_and_lists_it(idx_dir, monkeypatch, capsys):
    monkeypatch.setattr(train_mnistnet, "MIN_STEPS", 2)
    line = ["judge", "train", str(idx_dir), "--architecture", "mnistnet-b", "--epochs", "1", "--json"]
    assert main(line) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert made["judge"].endswith("-b")
    assert main(["judge"]) == 0
    printed = capsys.readouterr().out
    assert "mnistnet-b" in printed
    assert made["judge"] in printed


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["trian", "x"], 2, "judge takes the words train DATA, or nothing, not 'trian x'"),
        (["train"], 2, "judge takes the words train DATA, or nothing, not 'train'"),
        (["train", "nothing"], 2, "DATA nothing is not mnist, digits, stacked-mnist, a toy, a folder"),
        (["train", "digits", "--epochs", "0"], 2, "--epochs is 0; it must be from 1 to 1,000"),
    ],
)
def test_judge_reports_a_mistake_in_one_sentence(words, code, sentence, capsys):
    assert main(["judge", *words]) == code
    assert sentence in capsys.readouterr().err

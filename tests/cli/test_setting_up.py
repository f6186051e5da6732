"""`data` and `doctor`: what is there, what is wrong with it, and what to do."""

import gzip
import json
import os
import sys

import pytest

from mnist_gan.cli import main
from mnist_gan.cli.commands import doctor
from mnist_gan.data.mnist import TRAIN_LABELS


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without MNIST: an empty cache, and no variable set."""
    monkeypatch.delenv("MNIST_GAN_DATA", raising=False)
    monkeypatch.setattr("mnist_gan.data.sources.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("mnist_gan.data.download.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_data_says_where_mnist_would_be_and_how_to_get_it(bare, capsys):
    assert main(["data"]) == 3
    captured = capsys.readouterr()
    rows = [line.split() for line in captured.out.splitlines()]
    assert rows[0][:3] == ["place", "state", "where"]
    assert rows[1][:3] == ["MNIST_GAN_DATA", "not", "set"]
    assert rows[2][:2] == ["cache", "empty"]
    assert "mnist-gan data --download" in captured.out
    assert captured.err == ("mnist-gan: MNIST is in none of these places; `mnist-gan data --download` brings it\n")


@pytest.mark.mnist
def test_data_verifies_the_real_mnist(bare, mnist_dir, monkeypatch, capsys):
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    assert main(["data", "--json"]) == 0
    place = json.loads(capsys.readouterr().out)[0]
    assert (place["role"], place["state"], place["path"]) == ("MNIST_GAN_DATA", "ok", str(mnist_dir))
    assert {file["state"] for file in place["files"]} == {"verified"}
    assert main(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["data"]["found"] == f"MNIST in {mnist_dir}"


def test_data_knows_another_data_set_and_damage(bare, idx_dir, capsys):
    main(["data", "--dir", str(idx_dir)])
    assert "--data.dir" in capsys.readouterr().out
    main(["data", "--dir", str(idx_dir), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "another data set"
    (idx_dir / f"{TRAIN_LABELS}.gz").write_bytes(gzip.compress(b"nonsense"))
    main(["data", "--dir", str(idx_dir), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "damaged"


def test_data_downloads_on_request(bare, monkeypatch):
    asked = []
    monkeypatch.setattr("mnist_gan.data.download_mnist", lambda: asked.append(True))
    assert main(["data"]) == 3
    assert asked == []
    assert main(["data", "--download"]) == 3
    assert asked == [True]


def test_doctor_looks_at_everything_with_a_remedy_for_what_is_not_there(bare, capsys):
    assert main(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {"Python", "PyTorch", "device", "threads", "packages", "data", "disk", "writing runs"} <= findings.keys()
    assert findings["data"]["state"] == "warn"
    assert "mnist-gan data --download" in findings["data"]["remedy"]
    assert all(finding["remedy"] for finding in findings.values() if finding["state"] != "ok")
    assert not (bare / "runs").exists()


def test_doctor_fails_where_nothing_can_be_written(bare, capsys):
    (bare / "a-file").write_text("")
    blocked = "/proc/runs" if sys.platform == "linux" else str(bare / "a-file" / "runs")
    assert main(["doctor", "--runs-dir", blocked]) == 74
    line = next(line for line in capsys.readouterr().out.splitlines() if "writing runs" in line)
    assert line.startswith("FAIL")
    assert "--runs-dir" in line


def test_doctor_fails_for_damaged_data(bare, idx_dir, monkeypatch, capsys):
    (idx_dir / f"{TRAIN_LABELS}.gz").write_bytes(b"nonsense")
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    assert main(["doctor", "--json"]) == 3
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["data"]["state"] == "FAIL"
    assert "get the file again" in findings["data"]["remedy"]


def test_doctor_survives_a_broken_torch(bare, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = doctor.check_torch()
    assert (finding.state, finding.exit_code) == ("FAIL", 1)
    assert "pip install" in finding.remedy


def test_doctor_sees_threads_that_are_not_used(bare, monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    threads = next(finding for finding in doctor.check_torch() if finding.what == "threads")
    assert (threads.state, threads.found) == ("warn", "1 of 4 cores")


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("verb", ["data", "doctor"])
def test_reports_fit_the_terminal(bare, capsys, monkeypatch, width, verb):
    monkeypatch.setenv("COLUMNS", str(width))
    main([verb])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


@pytest.mark.parametrize("words", [["data", "x"], ["doctor", "x"], ["data", "--frobnicate"]])
def test_a_word_too_many_is_one_sentence(bare, capsys, words):
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1

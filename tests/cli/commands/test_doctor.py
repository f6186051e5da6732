import json
import os
import sys

import pytest

from mnist_gan import quota
from mnist_gan.cli import main
from mnist_gan.cli.commands import doctor
from mnist_gan.data.mnist import TRAIN_LABELS


def test_doctor_checks_everything_and_suggests_remedies(machine_without_mnist, capsys):
    assert main(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {"Python", "PyTorch", "device", "threads", "packages", "data", "disk", "writing runs"} <= findings.keys()
    assert findings["data"]["state"] == "warn"
    assert "mnist-gan data --download" in findings["data"]["remedy"]
    assert all(finding["remedy"] for finding in findings.values() if finding["state"] != "ok")
    assert not (machine_without_mnist / "runs").exists()


def test_doctor_fails_without_write_permission(machine_without_mnist, capsys):
    (machine_without_mnist / "a-file").write_text("")
    blocked = "/proc/runs" if sys.platform == "linux" else str(machine_without_mnist / "a-file" / "runs")
    assert main(["doctor", "--runs-dir", blocked]) == 74
    line = next(line for line in capsys.readouterr().out.splitlines() if "writing runs" in line)
    assert line.startswith("FAIL")
    assert "--runs-dir" in line


def test_doctor_fails_for_damaged_data(machine_without_mnist, idx_dir, monkeypatch, capsys):
    (idx_dir / f"{TRAIN_LABELS}.gz").write_bytes(b"nonsense")
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    assert main(["doctor", "--json"]) == 3
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["data"]["state"] == "FAIL"
    assert "get the file again" in findings["data"]["remedy"]


def test_doctor_survives_a_broken_torch(machine_without_mnist, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = doctor.check_torch()
    assert (finding.state, finding.exit_code) == ("FAIL", 1)
    assert "pip install" in finding.remedy


@pytest.mark.parametrize(
    ("processors", "state", "found"),
    [(None, "warn", "1 of 4 cores"), (2.5, "warn", "1 of 2 cores"), (1.0, "ok", "1 of 1 core")],
)
def test_doctor_warns_of_unused_cores_within_the_quota(machine_without_mnist, monkeypatch, processors, state, found):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(quota, "processor_quota", lambda: processors)
    threads = next(finding for finding in doctor.check_torch() if finding.what == "threads")
    assert (threads.state, threads.found) == (state, found)


@pytest.mark.mnist
def test_doctor_finds_the_real_mnist(machine_without_mnist, mnist_dir, monkeypatch, capsys):
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    assert main(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["data"]["found"] == f"MNIST in {mnist_dir}"


@pytest.mark.parametrize("width", [40, 80])
def test_doctor_fits_the_terminal(machine_without_mnist, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    main(["doctor"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


@pytest.mark.parametrize("word", ["x", "--frobnicate"])
def test_doctor_reports_an_unknown_argument_in_one_sentence(machine_without_mnist, capsys, word):
    assert main(["doctor", word]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("content", ["nothing", "another data set", "three files"])
def test_doctor_fails_where_train_would_refuse_mnist_gan_data(
    machine_without_mnist, idx_dir, monkeypatch, capsys, content
):
    files = sorted(idx_dir.iterdir())
    for path in {"nothing": files, "another data set": [], "three files": files[:1]}[content]:
        path.unlink()
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    assert main(["doctor"]) == 3
    assert "FAIL" in capsys.readouterr().out
    assert main(["train", "quick", "--data.name", "mnist"]) == 3


@pytest.mark.parametrize("place", ["file", "file/runs"])
def test_doctor_fails_if_the_folder_of_runs_is_a_file(machine_without_mnist, mnist_dir, monkeypatch, capsys, place):
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    (machine_without_mnist / "file").touch()
    assert main(["doctor", "--runs-dir", place]) == 74
    assert "Not a directory" in capsys.readouterr().out

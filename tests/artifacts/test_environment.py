from __future__ import annotations

import copy
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from mnist_gan.artifacts import environment
from mnist_gan.artifacts.environment import describe_environment, device_name, exactness_warnings, source_revision
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset

RECORDED = {"processor": "A", "device": "cpu", "threads": 2, "versions": {"torch": "2.13.0", "numpy": "2.0"}}


def test_describe_environment_has_versions_threads_and_digests(idx_dir: Path) -> None:
    dataset = load_dataset(DataConfig(name="idx", dir=str(idx_dir), limit=50))
    described = describe_environment(dataset, device=torch.device("cpu"))
    assert described["versions"]["python"] == platform.python_version()
    assert described["versions"]["torch"] == torch.__version__
    assert described["threads"] == torch.get_num_threads()
    assert described["device"] == "cpu"
    assert described["processor"]
    assert described["data"] == {"name": dataset.name, "images": 50, "sha256": dataset.digests}


def test_exactness_warnings_are_empty_for_an_equal_environment() -> None:
    current = copy.deepcopy(RECORDED) | {"platform": "another", "versions": {"torch": "2.13.0", "numpy": "2.1"}}
    assert exactness_warnings(RECORDED, current) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"processor": "B"}, "the processor changed from A to B"),
        ({"device": "cuda: X"}, "the device changed from cpu to cuda: X"),
        ({"threads": 4}, "the number of threads changed from 2 to 4"),
        ({"versions": {"torch": "2.12.1"}}, "the version of torch changed from 2.13.0 to 2.12.1"),
    ],
)
def test_exactness_warnings_name_each_difference(change: dict[str, object], words: str) -> None:
    (warning,) = exactness_warnings(RECORDED, RECORDED | change)
    assert warning.startswith(words)


def test_exactness_warnings_of_an_empty_record_do_not_fail() -> None:
    assert len(exactness_warnings({}, RECORDED)) == 4


def test_device_name_of_the_cpu_is_its_type() -> None:
    assert device_name(torch.device("cpu")) == "cpu"


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_source_revision_is_the_commit_marks_changes_and_leaves_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    module = tmp_path / "package" / "module.py"
    monkeypatch.setattr(environment, "__file__", str(module))
    module.parent.mkdir()
    module.write_text("a = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "Add module")
    commit = git("rev-parse", "HEAD")
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    os.utime(module, (1, 1))  # outdated in the index, where git would refresh it
    assert source_revision() == commit
    assert index.read_bytes() == before
    module.write_text("a = 2\n")
    assert source_revision() == f"{commit}-dirty"


def test_source_revision_outside_a_checkout_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "module.py"))
    assert source_revision() is None

"""Paths from the user, and the cache folder of a user without a home."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.support.gans import tiny_gan
from tests.support.run_files import write_run
from tests.support.tiny import tiny_config

from mnist_gan import experiment, runs
from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli.app import main
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.paths import cache_folder, user_path

NOBODY = 54_321
"""A user id without a name."""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (tmp_path / "here").mkdir()
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(tmp_path / "here")
    return home


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The temporary folder of a process without HOME whose user id has no name."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_user_path_expands_the_home_folder(home):
    assert user_path("~/data") == home / "data"
    assert user_path("data") == Path("data")
    assert user_path("~no-such-user/data") == Path("~no-such-user/data")


@pytest.mark.skipif(os.name != "posix", reason="user ids")
def test_user_path_without_a_home_stays_as_it_is(homeless):
    assert user_path("~/data") == Path("~/data")


@pytest.mark.skipif(os.name != "posix", reason="user ids")
def test_cache_folder_without_a_home_is_in_the_temporary_folder(homeless):
    assert cache_folder() == homeless / f"mnist-gan-{NOBODY}"


@pytest.mark.skipif(os.name != "posix", reason="user ids")
def test_cache_folder_of_another_user_is_refused(homeless):
    (homeless / f"mnist-gan-{NOBODY}").mkdir()  # belongs to the user of the tests
    with pytest.raises(StorageError, match="belongs to another user; set XDG_CACHE_HOME"):
        cache_folder()


@pytest.mark.skipif(os.name != "posix", reason="user ids")
@pytest.mark.parametrize("command", [["doctor"], ["data"]])
def test_doctor_and_data_work_without_a_home(homeless, capsys, command):
    assert main(command) in {0, 3}  # 3: no MNIST there
    assert f"mnist-gan-{NOBODY}" in capsys.readouterr().out


def test_python_functions_expand_the_home_folder(home, idx_dir):
    run = experiment.run(tiny_config(idx_dir), name="run", runs_dir="~/runs").directory
    assert run.root == home / "runs" / "run"
    assert experiment.resume("~/runs/run").finished
    assert [status.name for status in runs.list_runs("~/runs")] == ["run"]
    assert runs.status("~/runs/run").state == "finished"
    assert runs.compare("~/runs/run", "~/runs/run").differences == {}
    tiny_gan().save("~/model")
    assert GAN.load("~/model").sample(1).shape == (1, 1, 28, 28)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "--run=~/model", "--out=~/new/digits.png"],
        ["sample", "--run", "~/model", "--format=folder", "--n=3", "--out=~/new"],
        ["sample", "--run=~/model", "--format=idx", "--n=20", "--out=~/new"],
        ["interpolate", "--run=~/model", "--out=~/new/path.png"],
        ["score", "--run=~/model", "--generate=1", "--out=~/new/score.png"],
        ["curves", "one", "--runs-dir=~/runs", "--out=~/new/curves.png"],
        ["compare", "one", "~/runs/one", "--runs-dir=~/runs", "--out=~/new/comparison.png"],
    ],
    ids=lambda command: " ".join(command),
)
def test_commands_expand_the_home_folder(home, capsys, command):
    tiny_gan().save(home / "model")
    write_run(home / "runs" / "one")
    assert main(command) == 0, capsys.readouterr().err
    assert list((home / "new").iterdir())
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of bytes")
@pytest.mark.parametrize(
    "command",
    [
        ["sample", "--run", "{}/model", "--out", "{}/digits.png"],
        ["sample", "--run", "{}/model", "--format", "idx", "--n", "20", "--out", "{}/set"],
        ["curves", "{}/one"],
        ["compare", "{}/one", "{}/one", "--out", "{}/comparison.png"],
        ["runs", "--runs-dir", "{}"],
        ["runs", "--runs-dir", "{}", "--json"],
        ["doctor", "--runs-dir", "{}"],
    ],
    ids=lambda command: " ".join(command),
)
def test_commands_work_in_a_folder_whose_name_is_not_utf_8(tmp_path, capsys, command):
    folder = tmp_path / os.fsdecode(b"d\xff")
    tiny_gan().save(folder / "model")
    write_run(folder / "one")
    before = sys.stdout
    assert main([argument.format(folder) for argument in command]) == 0, capsys.readouterr().err
    assert sys.stdout is before


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of bytes")
def test_run_refuses_data_in_a_folder_whose_name_is_not_utf_8(idx_dir, tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"d\xff")
    idx_dir.rename(folder)
    with pytest.raises(ConfigError, match=r"data\.dir is .*, which is not UTF-8 .*; rename the folder"):
        tiny_config(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="which is not UTF-8"):  # the resolved folder is absolute
        experiment.run(tiny_config(Path()), name="run", runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.name != "posix", reason="locales")
def test_commands_work_in_a_folder_beyond_ascii_in_the_c_locale(tmp_path):
    write_run(tmp_path / "Zürich" / "one")
    command = [sys.executable, "-m", "mnist_gan", "curves", str(tmp_path / "Zürich" / "one")]
    done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Zürich".encode() in done.stdout

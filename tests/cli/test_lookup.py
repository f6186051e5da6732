import os
from pathlib import Path

import pytest

from mnist_gan.artifacts.gan import SHIPPED
from mnist_gan.cli.lookup import find_model, find_run, has_checkpoints, has_model, has_rows, has_samples
from mnist_gan.errors import ArtifactError
from mnist_gan.runs.directory import RunDirectory


def make_run(name: str, *, mtime: float) -> RunDirectory:
    run = RunDirectory(Path("runs") / name)
    run.root.mkdir(parents=True)
    run.config.write_text("")
    os.utime(run.config, (mtime, mtime))
    return run


def test_find_run_takes_the_newest_usable_run_by_default(workdir):
    make_run("old", mtime=1)
    make_run("new", mtime=2)
    assert find_run(None, runs_dir=Path("runs"), usable=lambda run: True).root == Path("runs/new")
    assert find_run(None, runs_dir=Path("runs"), usable=lambda run: "old" in run.root.name).root == Path("runs/old")
    with pytest.raises(
        ArtifactError, match="there is no run with wings in runs; make one with `mnist-gan train quick`"
    ):
        find_run(None, runs_dir=Path("runs"), usable=lambda run: False, kind="run with wings")


def test_find_run_prefers_a_path_to_a_name(workdir):
    make_run("old", mtime=1)
    assert find_run("old", runs_dir=Path("runs"), usable=has_model).root == Path("runs/old")
    Path("old").mkdir()
    assert find_run("old", runs_dir=Path("runs"), usable=has_model).root == Path("old")
    with pytest.raises(ArtifactError, match="there is no run nowhere, neither as a path nor in runs"):
        find_run("nowhere", runs_dir=Path("runs"), usable=has_model)


def test_find_model_takes_the_shipped_model_if_there_is_no_run(workdir):
    assert find_model(None, runs_dir=Path("runs")) == Path(SHIPPED)
    make_run("untrained", mtime=1)
    with pytest.raises(ArtifactError, match="there is no trained run in runs"):
        find_model(None, runs_dir=Path("runs"))
    assert find_model(SHIPPED, runs_dir=Path("runs")) == Path(SHIPPED)


def test_find_model_does_not_replace_a_given_empty_folder_of_runs(workdir):
    with pytest.raises(ArtifactError, match="there is no trained run in elsewhere"):
        find_model(None, runs_dir=Path("elsewhere"))


def test_a_finished_run_has_model_checkpoints_rows_and_samples(trained_run, workdir):
    kinds = (has_model, has_checkpoints, has_rows, has_samples)
    assert [kind(RunDirectory(trained_run)) for kind in kinds] == [True] * 4
    new = make_run("new", mtime=1)
    assert [kind(new) for kind in kinds] == [False] * 4

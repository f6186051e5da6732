"""Edits of config.toml before `resume`: those that are accepted and logged, and those that are refused by name."""

from __future__ import annotations

import json
import logging

import pytest
from tests.support.resuming import read_footprint, stop_after
from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.errors import ConfigError
from mnist_gan.runs import RunDirectory


@pytest.fixture
def stopped(idx_dir, tmp_path) -> RunDirectory:
    return experiment.run(tiny_config(idx_dir), name="run", runs_dir=tmp_path, stop=stop_after(4)).directory


def edit(run: RunDirectory, old: str, new: str) -> None:
    text = run.config.read_text()
    assert text.count(old) == 1
    run.config.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('loss = "non_saturating"', 'loss = "hinge"', "objective.loss from non_saturating to hinge"),
        ("g_lr = 0.0002", "g_lr = 0.001", "optimizer.g_lr from 0.0002 to 0.001"),
        ("batch_size = 20", "batch_size = 40", "training.batch_size from 20 to 40"),
        ("seed = 0", "seed = 1", "training.seed from 0 to 1"),
        ("limit = 100", "limit = 200", "data.limit from 100 to 200"),
        ("limit = 100", "", "data.limit from 100 to none"),
        ("z_dim = 4", "z_dim = 5", "generator.z_dim from 4 to 5"),
        ('precision = "float32"', 'precision = "bfloat16"', "training.precision from float32 to bfloat16"),
        ("ema_rampup = 0.05", "ema_rampup = 0.1", "training.ema_rampup from 0.05 to 0.1"),
    ],
)
def test_resume_refuses_an_edit_that_the_training_depends_on(stopped, old, new, named):
    before = read_footprint(stopped.root)
    edit(stopped, old, new)
    with pytest.raises(ConfigError, match="in 1 setting that the training so far depends on") as refusal:
        experiment.resume(stopped.root)
    assert named in str(refusal.value)
    assert f"train --config {stopped.config}" in str(refusal.value)
    assert read_footprint(stopped.root) == before


def test_resume_names_edited_widths_and_not_the_checkpoints(stopped):
    stopped.config.write_text(stopped.config.read_text().replace("16,\n", "32,\n"))
    with pytest.raises(ConfigError, match=r"in 2 settings .*generator\.channels from \[16\] to \[32\]") as refusal:
        experiment.resume(stopped.root)
    assert "checkpoint" not in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("total_nimg = 200", "total_nimg = 300", "training.total_nimg from 200 to 300"),
        ("total_nimg = 200", "total_nimg = 200\nepochs = 3.0", "training.epochs from none to 3.0"),
        ("tick_nimg = 20", "tick_nimg = 40", "run.tick_nimg from 20 to 40"),
        ("pictures = false", "pictures = true", "run.pictures from False to True"),
        ("threads = 1", "threads = 2", "training.threads from 1 to 2"),
    ],
)
def test_resume_accepts_and_logs_lengths_records_and_the_machine(stopped, caplog, old, new, named):
    edit(stopped, old, new)
    with caplog.at_level(logging.WARNING):
        outcome = experiment.resume(stopped.root)
    assert outcome.finished
    assert outcome.cur_nimg == (300 if "300" in named or "epochs" in named else 200)
    assert f"{stopped.config} was edited after the run began: {named}" in caplog.messages


def test_resume_logs_no_edit_of_a_config_as_it_was_written(stopped, caplog):
    with caplog.at_level(logging.WARNING):
        assert experiment.resume(stopped.root).finished
    assert caplog.messages == []


def test_resume_says_that_a_decay_follows_the_new_length(idx_dir, tmp_path, caplog):
    config = tiny_config(idx_dir, optimizer={"decay": "cosine"})
    run = experiment.run(config, name="run", runs_dir=tmp_path, stop=stop_after(4)).directory
    edit(run, "total_nimg = 200", "total_nimg = 300")
    with caplog.at_level(logging.WARNING):
        experiment.resume(run.root)
    assert "the cosine decay of the learning rates now ends at the new length" in caplog.messages


def test_resume_of_a_run_of_an_older_release_checks_no_edits(stopped):
    environment = json.loads(stopped.environment.read_text())
    del environment["config"]
    stopped.environment.write_text(json.dumps(environment))
    assert experiment.resume(stopped.root).finished


def test_resume_writes_another_number_of_threads_into_the_config_and_says_what_it_costs(stopped, caplog):
    with caplog.at_level(logging.WARNING):
        assert experiment.resume(stopped.root, threads=2).finished
    assert stopped.read_config().training.threads == 2
    assert f"{stopped.config} was edited after the run began: training.threads from 1 to 2" in caplog.messages
    assert any(
        "the number of threads changed from 1 to 2; the resumed run will not be bit" in m for m in caplog.messages
    )


def test_resume_refuses_a_number_of_threads_that_is_none(stopped):
    before = stopped.config.read_bytes()
    with pytest.raises(ConfigError, match=r"training\.threads"):
        experiment.resume(stopped.root, threads=0)
    assert stopped.config.read_bytes() == before

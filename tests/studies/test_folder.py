from __future__ import annotations

import dataclasses

import pytest
from tests.support.studies import TOML, small_study, write_trial

from mnist_gan.config import with_fields
from mnist_gan.errors import ArtifactError, ConfigError, RunBusyError
from mnist_gan.studies.coordinator import plan_final
from mnist_gan.studies.folder import Attempt, StudyDirectory, check_name, last_attempts


@pytest.fixture
def directory(tmp_path):
    found = StudyDirectory(tmp_path / "studies" / "small")
    found.begin(small_study())
    return found


def test_begin_keeps_a_study_whose_trials_stay_valid(directory):
    longer = small_study("target = 3.0\n", text=TOML.replace("seeds = 3", "seeds = 5"))
    directory.begin(longer)
    assert directory.read() == longer


def test_begin_keeps_a_study_whose_preset_has_another_length_now(directory):
    study = small_study(text=TOML.replace("seeds = 3", "seeds = 5"))
    arms = (
        dataclasses.replace(arm, config=with_fields(arm.config, {"training.total_nimg": 777})) for arm in study.arms
    )
    longer = dataclasses.replace(study, arms=tuple(arms))
    directory.begin(longer)
    assert directory.read() == longer


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images = 40", "images = 80", "its budget.images is 40, not 80"),
        ('loss = "hinge"', 'loss = "wasserstein"', "its arms.hinge.config.objective.loss is hinge, not wasserstein"),
        ("points = [0.5, 1.0]", "points = [1.0]", r"its points is \(0.5, 1.0\), not \(1.0,\)"),
    ],
)
def test_begin_refuses_a_taken_name(directory, old, new, message):
    before = directory.study.read_text()
    with pytest.raises(ConfigError, match=f"small holds another study: {message}; choose another --name"):
        directory.begin(small_study(text=TOML.replace(old, new)))
    assert directory.study.read_text() == before


def test_begin_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="taken exists and is not a study"):
        StudyDirectory(tmp_path / "taken").begin(small_study())


def test_lock_is_of_one_process(directory):
    with directory.locked(), pytest.raises(RunBusyError, match="another process runs the study"), directory.locked():
        pass


def test_journal_survives_a_torn_line(directory):
    directory.record(Attempt(trial="ns-seed0", state="killed", message="the process was killed by SIGKILL", code=-9))
    with directory.journal.open("ab") as file:
        file.write(b'{"trial": "ns-se')
    directory.record(Attempt(trial="ns-seed0", state="diverged", seconds=2.5))
    assert [each.state for each in directory.attempts()] == ["killed", "diverged"]
    assert last_attempts(directory.attempts())["ns-seed0"].seconds == 2.5


def test_state_of_a_trial_is_that_of_its_run_and_its_last_process(directory):
    first, second, third, *_ = plan_final(small_study(), directory)
    write_trial(directory, first, [3.0, 2.0])
    directory.record(Attempt(trial=second.name, state="diverged", message="a loss is nan"))
    attempts = last_attempts(directory.attempts())
    assert directory.state(first, attempts) == ("finished", "")
    assert directory.state(second, attempts) == ("diverged", "a loss is nan")
    assert directory.state(third, attempts) == ("waiting", "")


def test_read_refuses_a_folder_without_a_study(tmp_path):
    with pytest.raises(ArtifactError, match="is not a study: it has no"):
        StudyDirectory(tmp_path).read()


def test_read_chosen_distinguishes_lost_arms_from_untuned_ones(directory):
    directory.chosen.write_text('{"ns": {"optimizer.g_lr": 0.1}, "hinge": null}')
    assert directory.read_chosen() == {"ns": {"optimizer.g_lr": 0.1}, "hinge": None}


def test_check_name_refuses_a_path():
    with pytest.raises(ConfigError, match="cannot name a study"):
        check_name("../up")

from __future__ import annotations

import pytest
from tests.support.studies import small_study, trainable_study

from mnist_gan.errors import ConfigError
from mnist_gan.studies.calibration import dry_run_speed, measure_speeds, recipe_key
from mnist_gan.studies.plan import make_trial


def test_recipe_key_ignores_seed_and_length_alone():
    study = small_study()
    keys = [
        recipe_key(make_trial(study, arm, stage="final", seed=seed, nimg=nimg, values=values))
        for arm, seed, nimg, values in [
            (study.arms[0], 0, 40, {}),
            (study.arms[0], 1, 80, {}),
            (study.arms[1], 0, 40, {}),
            (study.arms[0], 0, 40, {"training.batch_size": 32}),
        ]
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_measure_speeds_takes_the_median_of_turns():
    study = small_study()
    trials = {arm.name: make_trial(study, arm, stage="final", seed=0, nimg=1) for arm in study.arms}
    turns: list[str] = []

    def measure(trial):
        turns.append(trial.arm)
        return {"ns": 100.0, "hinge": 50.0}[trial.arm] * (10 if len(turns) == 1 else 1)

    assert measure_speeds(trials, slots=1, measure=measure) == {"ns": 100.0, "hinge": 50.0}
    assert turns == ["ns", "hinge"] * 3


@pytest.mark.slow
def test_dry_run_speed_is_measured_and_its_failure_names_the_arm(idx_dir, tmp_path):
    study = trainable_study(idx_dir)
    assert dry_run_speed(make_trial(study, study.arms[0], stage="final", seed=0, nimg=40)) > 1
    lost = trainable_study(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"arms\.ns cannot be trained: .*nothing"):
        dry_run_speed(make_trial(lost, lost.arms[0], stage="final", seed=0, nimg=40))

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.support.studies import TOML, results_of, small_study, write_trial

from mnist_gan.studies.coordinator import plan_final
from mnist_gan.studies.folder import StudyDirectory
from mnist_gan.studies.results import (
    curve_band,
    profile,
    profile_thresholds,
    read_results,
)


@pytest.fixture
def directory(tmp_path):
    return StudyDirectory(tmp_path / "study")


def test_results_need_a_finished_trial(directory):
    assert read_results(small_study(), directory) is None


def test_results_pair_by_seed(directory):
    found = results_of(small_study(), directory, {"ns": [1.0, 2.0, 9.0], "hinge": [0.5, 1.5, 8.5]})
    baseline, hinge = found.arms
    assert (baseline.name, baseline.versus_images, found.complete, found.seeds) == ("ns", None, True, 3)
    assert hinge.versus_images.median == pytest.approx(-0.5)
    assert (hinge.equal_images.iqm, hinge.at_points) == (pytest.approx(3.5), [pytest.approx(13.5), pytest.approx(3.5)])


def test_results_leave_out_waiting_trials_and_count_failed_ones(directory):
    found = results_of(
        small_study(), directory, {"ns": [1.0, 2.0, 3.0], "hinge": [0.5, 1.0]}, diverged=("hinge-seed0",)
    )
    hinge = found.arms[1]
    assert (hinge.equal_images.n, hinge.equal_images.failed, hinge.versus_images.pairs) == (2, 1, 2)
    assert (found.complete, found.failures) == (False, {"hinge-seed0": "diverged: Loss/D/loss is nan"})
    assert hinge.versus_images.interval.high == math.inf


def test_equal_seconds_reads_the_slower_arm_earlier(directory):
    values = {"ns": [1.0, 1.0, 1.0], "hinge": [0.0, 0.0, 0.0]}
    found = results_of(small_study(), directory, values, seconds={"ns": 1.0, "hinge": 1.5})
    assert found.seconds == 2.0
    assert found.arms[0].equal_seconds.median == 1.0
    assert found.arms[1].equal_seconds.median == pytest.approx(10 - 10 / 3)  # a third of the way to the end
    assert found.arms[1].equal_images.median == 0.0


def test_time_to_target_is_that_of_the_first_evaluation_at_or_below(directory):
    values = {"ns": [1.0, 2.0, 3.0], "hinge": [-7.0, -7.0, 50.0]}
    found = results_of(small_study("target = 4.0\n"), directory, values)
    images, seconds = found.arms[1].time_to_target
    assert (images.median, seconds.median, images.failed) == (20.0, 1.0, 1)
    assert found.arms[0].time_to_target[0].median == 40.0


def test_p_values_are_corrected_for_the_number_of_arms(directory):
    text = (
        TOML.replace("seeds = 3", "seeds = 8")
        + '[arms.ls]\npreset = "classic-mlp"\nchanges.objective.loss = "least_squares"\n'
    )
    random = np.random.default_rng(0).normal(size=(3, 8))
    values = {"ns": random[0].tolist(), "hinge": (random[1] - 5).tolist(), "ls": random[2].tolist()}
    found = results_of(small_study(text=text), directory, values)
    hinge, ls = found.arms[1].versus_images, found.arms[2].versus_images
    assert (hinge.p_value, hinge.p_holm) == (pytest.approx(2 / 2**8), pytest.approx(4 / 2**8))
    assert (hinge.verdict, ls.verdict) == ("better", "not shown")


def test_arm_without_a_tuned_recipe_counts_as_failed(directory):
    search = "[tuning]\ntrials = 1\n[arms.hinge.search]\noptimizer.g_lr = { low = 1e-4, high = 1e-3 }\n"
    study = small_study(text=TOML + search)
    directory.root.mkdir()
    directory.chosen.write_text('{"hinge": null}')
    found = results_of(study, directory, {"ns": [1.0, 2.0, 3.0]})
    assert found.arms[1].equal_images.failed == 3
    assert found.failures["hinge-seed1"] == "failed: no tuning trial finished"


def test_damaged_metrics_fail_a_trial_and_no_other(directory):
    study = small_study()
    results_of(study, directory, {"ns": [1.0, 2.0, 3.0], "hinge": [0.5, 1.0, 1.0]})
    directory.run("hinge-seed1").metrics.write_text("nonsense\n{}\n")
    found: Any = read_results(study, directory)
    assert (found.arms[1].equal_images.n, found.arms[1].equal_images.failed) == (3, 1)
    assert "metrics.jsonl is damaged" in found.failures["hinge-seed1"]


def test_curve_band_and_profile_of_an_arm(directory):
    found = results_of(small_study(), directory, {"ns": [1.0, 2.0, 3.0], "hinge": [1.0, 1.0, 1.0]})
    positions, band = curve_band(found.arms[0].trials, clock="nimg", end=40.0)
    assert (positions[0], positions[-1]) == (20.0, 40.0)
    assert (band.center[0], band.center[-1]) == (12.0, 2.0)
    thresholds = profile_thresholds(found.arms)
    assert (thresholds[0], thresholds[-1]) == (pytest.approx(1.0), pytest.approx(3.0))
    assert profile(found.arms[0].trials, thresholds).center[-1] == pytest.approx(1.0, abs=0.34)


def test_higher_figures_are_turned(directory):
    study = small_study('figure = "agreement"\n')
    for trial in plan_final(study, directory):
        write_trial(directory, trial, [0.5, 0.9 if trial.arm == "hinge" else 0.8])
        metrics = directory.run(trial).metrics
        metrics.write_text(metrics.read_text().replace("fd2k_mnistnet", "agreement"))
    found: Any = read_results(study, directory)
    assert found.arms[1].versus_images.median == pytest.approx(-0.1)
    assert found.arms[1].equal_images.iqm == pytest.approx(-0.9)

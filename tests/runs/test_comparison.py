"""Comparison of runs: figures and settings that differ."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.support.run_files import write_run

from mnist_gan.errors import ArtifactError
from mnist_gan.runs.comparison import best_metrics, compare, differences, flatten
from mnist_gan.runs.directory import GENERATOR_NAME
from mnist_gan.runs.evaluations import add_evaluations
from mnist_gan.storage import sha256_bytes, write_committed_directory


@pytest.fixture
def two(tmp_path):
    """Two runs that differ in a learning rate and in their figures."""
    return write_run(tmp_path / "runs" / "one"), write_run(tmp_path / "runs" / "two", g_lr=1e-4, scale=2.0)


def test_compare_reads_newest_and_best_figures(two):
    first, second = compare(*two).runs
    assert first.img_per_sec == 350
    assert first.train_sec == 12
    assert dataclasses.astuple(first.best["fd2k_mnistnet"]) == (1.0, 400)
    assert dataclasses.astuple(first.best["agreement"]) == (pytest.approx(0.6), 600)
    assert second.status.latest["Metric/fd2k_mnistnet"] == 5.0


def test_compare_lists_only_settings_that_differ(two):
    assert compare(*two).differences == {"optimizer.g_lr": (2e-3, 1e-4)}
    assert differences([{"a": 1}, {"a": 1, "b": 2}]) == {"b": (None, 2)}


def test_best_metrics_skip_a_metric_without_direction():
    assert best_metrics([{"cur_nimg": 1, "Metric/diversity": 1.0}, {"cur_nimg": 2, "Loss/G/loss": 0.0}]) == {}


def test_compare_reads_evaluations_of_the_present_model_only(two):
    run = two[0]
    write_committed_directory(run.model, {GENERATOR_NAME: b"weights"})
    digest = "9a2e1fd0a5c9a4ef4c5bf0e7d0b6b4a3"
    row = {"sha256": digest, "data": "mnist", "protocol": "fd10k", "seed": 0, "judge": "mnistnet", "judge_sha256": "x"}
    add_evaluations(run.root / "metrics-fd10k.jsonl", [row | {"Metric/fd10k_mnistnet": 9.0}])
    assert compare(*two).runs[0].evaluations == {}, "of an earlier model"
    row["sha256"] = sha256_bytes(b"weights")
    add_evaluations(run.root / "metrics-fd10k.jsonl", [row | {"Metric/fd10k_mnistnet": 0.5}])
    assert compare(*two).runs[0].evaluations == {"fd10k_mnistnet": 0.5}


def test_compare_takes_paths_and_keeps_their_order(two):
    comparison = compare(str(two[1].root), two[0].root)
    assert [run.status.name for run in comparison.runs] == ["two", "one"]
    assert [len(rows) for rows in comparison.rows] == [6, 6]


def test_compare_refuses_a_folder_that_is_not_a_run(two, tmp_path):
    with pytest.raises(ArtifactError, match="is not a run"):
        compare(two[0], tmp_path)


def test_flatten_joins_the_names_of_nested_tables():
    assert flatten({"a": 1, "b": {"c": 2, "d": {"e": [3]}}}) == {"a": 1, "b.c": 2, "b.d.e": [3]}


def test_compare_tells_whether_the_runs_learned_the_same_data(two):
    assert compare(*two).same_data
    for run, digest in zip(two, ["a", "b"], strict=True):
        run.environment.write_text(json.dumps({"data": {"sha256": {"train-images-idx3-ubyte": digest}}}))
    assert not compare(*two).same_data
    assert compare(two[0], two[0]).same_data


def test_compare_of_runs_with_and_without_a_limit_has_different_data(two):
    config = two[0].config.read_text()
    two[0].config.write_text(config.replace("[data]\n", "[data]\nlimit = 100\n"))
    assert not compare(*two).same_data

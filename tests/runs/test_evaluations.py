"""metrics-<protocol>.jsonl: one line per evaluation."""

import json

import pytest

from mnist_gan.errors import ArtifactError
from mnist_gan.runs.evaluations import add_evaluations, read_evaluations

ROW = {"sha256": "ab", "data": "mnist", "protocol": "fd10k", "seed": 0, "judge": "mnistnet", "judge_sha256": "cd"}


def test_add_evaluations_replaces_the_same_evaluation(tmp_path):
    path = tmp_path / "metrics-fd10k.jsonl"
    add_evaluations(path, [ROW | {"Metric/a": 1.0}])
    add_evaluations(path, [ROW | {"seed": 1, "Metric/a": 2.0}])
    add_evaluations(path, [ROW | {"Metric/a": 3.0}])
    assert [(row["seed"], row["Metric/a"]) for row in read_evaluations(path)] == [(1, 2.0), (0, 3.0)]


def test_add_evaluations_keeps_figures_that_only_the_earlier_row_has(tmp_path):
    path = tmp_path / "metrics.jsonl"
    add_evaluations(path, [ROW | {"Metric/a": 1.0, "Metric/gan_train": 0.9}])
    add_evaluations(path, [ROW | {"Metric/a": 1.0}])
    (row,) = read_evaluations(path)
    assert row["Metric/gan_train"] == 0.9


def test_read_evaluations_of_a_missing_file_is_empty(tmp_path):
    assert read_evaluations(tmp_path / "nothing.jsonl") == []


@pytest.mark.parametrize("line", ["{", "[]", '{"cur_nimg": 5}', json.dumps(ROW | {"judge": None}), "\x00"])
def test_add_evaluations_refuses_a_damaged_file_and_leaves_it_unchanged(tmp_path, line):
    path = tmp_path / "metrics-fd10k.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ArtifactError, match=r"metrics-fd10k\.jsonl is damaged or not written by mnist-gan"):
        add_evaluations(path, [ROW])
    assert path.read_text() == line + "\n"


def test_add_evaluations_refuses_a_value_that_is_not_finite(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        add_evaluations(tmp_path / "x.jsonl", [ROW | {"Metric/a": float("nan")}])
    assert not (tmp_path / "x.jsonl").exists()

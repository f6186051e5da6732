"""The record of learning-rate changes: read, written, and in effect after rollbacks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.runs.interventions import Intervention, effective_interventions, read_interventions, write_interventions


def at(cur_nimg: int, g_lr: float = 1e-3, *, rollbacks: int = 0) -> Intervention:
    return Intervention(cur_nimg=cur_nimg, rollbacks=rollbacks, g_lr=g_lr, d_lr=1e-3)


interventions = st.lists(
    st.builds(
        Intervention,
        cur_nimg=st.integers(0, 10**9),
        rollbacks=st.integers(0, 3),
        g_lr=st.floats(1e-12, 1e3),
        d_lr=st.floats(1e-12, 1e3),
    ),
    max_size=8,
)


@given(made=interventions)
def test_read_interventions_returns_what_was_written(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "interventions.jsonl"
    write_interventions(path, made)
    assert read_interventions(path) == made


def test_read_interventions_of_a_missing_file_is_empty(tmp_path):
    assert read_interventions(tmp_path / "interventions.jsonl") == []


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        "null",
        json.dumps({"cur_nimg": 1.5, "rollbacks": 0, "g_lr": 1e-3, "d_lr": 1e-3}),
        json.dumps({"cur_nimg": 1, "rollbacks": 0, "g_lr": 0.0, "d_lr": 1e-3}),
        json.dumps({"cur_nimg": -1, "rollbacks": 0, "g_lr": 1e-3, "d_lr": 1e-3}),
        json.dumps({"cur_nimg": 1, "rollbacks": 0, "g_lr": 1e-3}),
        '{"cur_nimg": 1, "rollbacks": 0, "g_lr": NaN, "d_lr": 0.001}',
    ],
)
def test_read_interventions_names_a_damaged_line_by_its_number(tmp_path, line):
    path = tmp_path / "interventions.jsonl"
    write_interventions(path, [at(0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ArtifactError, match="line 2 "):
        read_interventions(path)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_intervention_refuses_an_invalid_learning_rate(rate):
    with pytest.raises(ConfigError, match="more than 0"):
        at(0, rate)


def test_effective_interventions_replace_those_at_or_ahead_of_a_later_one():
    early, late, again = at(100), at(500), at(300)
    assert effective_interventions([early, late], rollbacks=0) == [early, late]
    assert effective_interventions([early, late, again], rollbacks=0) == [early, again]
    assert effective_interventions([early, late, at(500, 2e-3)], rollbacks=0) == [early, at(500, 2e-3)]


def test_effective_interventions_before_a_rollback_exclude_those_after_it():
    before, after = at(500), at(300, rollbacks=1)
    assert effective_interventions([before, after], rollbacks=0) == [before]
    assert effective_interventions([before, after], rollbacks=1) == [after]
    assert effective_interventions([before, after], rollbacks=2) == [after]


@given(made=interventions, rollbacks=st.integers(0, 3))
def test_effective_interventions_have_rising_image_counts(made, rollbacks):
    counts = [each.cur_nimg for each in effective_interventions(made, rollbacks=rollbacks)]
    assert counts == sorted(set(counts))

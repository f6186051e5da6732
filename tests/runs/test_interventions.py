"""Learning rates that change while a run trains: on record, replayed, repeatable."""

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
def test_what_is_written_is_read_again(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "interventions.jsonl"
    write_interventions(path, made)
    assert read_interventions(path) == made


def test_no_file_means_none(tmp_path):
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
def test_a_damaged_line_is_refused_by_its_number(tmp_path, line):
    path = tmp_path / "interventions.jsonl"
    write_interventions(path, [at(0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ArtifactError, match="line 2 "):
        read_interventions(path)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_learning_rate_is_refused(rate):
    with pytest.raises(ConfigError, match="more than 0"):
        at(0, rate)


def test_a_later_decision_takes_the_place_of_those_ahead_of_it():
    early, late, again = at(100), at(500), at(300)
    assert effective_interventions([early, late], rollbacks=0) == [early, late]
    assert effective_interventions([early, late, again], rollbacks=0) == [early, again]
    assert effective_interventions([early, late, at(500, 2e-3)], rollbacks=0) == [early, at(500, 2e-3)]


def test_what_was_decided_after_a_rollback_does_not_hold_before_it():
    before, after = at(500), at(300, rollbacks=1)
    assert effective_interventions([before, after], rollbacks=0) == [before]
    assert effective_interventions([before, after], rollbacks=1) == [after]
    assert effective_interventions([before, after], rollbacks=2) == [after]


@given(made=interventions, rollbacks=st.integers(0, 3))
def test_those_in_force_rise(made, rollbacks):
    counts = [each.cur_nimg for each in effective_interventions(made, rollbacks=rollbacks)]
    assert counts == sorted(set(counts))

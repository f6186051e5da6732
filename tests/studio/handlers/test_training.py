"""Starting and commanding trainings over HTTP."""

from __future__ import annotations

import pytest
from tests.studio.conftest import Running


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"preset": "quick", "changes": {}, "more": 1},
        {"preset": "quick", "name": 3},
        {"preset": "quick", "name": "../up"},
        {"preset": "quick", "name": ".hidden"},
        {"preset": "quick", "name": ""},
        {"preset": "quick", "name": "x" * 200},
    ],
)
def test_train_refuses_an_invalid_request_and_starts_nothing(studio_server: Running, body):
    assert "error" in studio_server.post("/api/train", body, status=400)
    assert studio_server.studio.trainer.processes() == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": "go"},
        {"command": ["stop"]},
        {"command": "pause", "more": 1},
        {"command": "step", "steps": 0},
        {"command": "step", "steps": 10**6},
        {"command": "trial"},
        {"command": "trial", "player": "E"},
        {"command": "trial", "player": ["D"]},
        {"command": "trial", "player": "D", "steps": 2},
        {"command": "speed", "steps_per_second": 0},
        {"command": "speed", "steps_per_second": "slow"},
        {"command": "learning_rates"},
        {"command": "learning_rates", "g_lr": 0},
        {"command": "learning_rates", "g_lr": 1e9},
    ],
)
def test_command_refuses_an_invalid_command(shared_server: Running, body):
    assert "error" in shared_server.post("/api/runs/tiny/command", body, status=400)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"first": {"preset": "quick"}, "second": {"preset": "quick"}}, 400),
        ({"first": {"preset": "quick"}, "second": {"preset": "quick", "changes": {"run.previews": 1}}}, 400),
        ({"first": {"run": "tiny"}, "second": {"run": "tiny"}}, 400),
        ({"first": {"run": "none"}, "second": {"run": "none"}}, 404),
        ({"first": {"preset": "quick"}, "second": {"preset": "best"}, "name": "x"}, 400),
    ],
)
def test_pair_refuses_an_invalid_request_and_starts_nothing(shared_server: Running, body, status):
    assert "error" in shared_server.post("/api/pair", body, status=status)
    assert shared_server.studio.trainer.processes() == {}


@pytest.mark.parametrize("verb", ["pause", "resume", "step", "stop"])
def test_command_is_refused_by_a_finished_run(shared_server: Running, verb):
    sentence = shared_server.post("/api/runs/tiny/command", {"command": verb}, status=409)["error"]
    assert "finished" in sentence
    shared_server.post("/api/runs/none/command", {"command": verb}, status=404)

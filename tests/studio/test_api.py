"""Types of the JSON: the scripts' copy is fresh, every address has one, and real responses conform to them.

The client of `tests.studio.conftest` compares the response of every request of every test.
"""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from scripts import write_types
from starlette.routing import Route
from tests.studio.conftest import Running
from tests.support.conforming import problems

from mnist_gan.studio import api

PICTURES = ("image", "samples", "strip", "path", "mix", "timelapse")
OTHER_FORMATS = {f"GET /api/explore/{name}" for name in PICTURES} | {
    f"GET /api/runs/{{run}}/{name}"
    for name in ("samples/{picture}", "previews/{picture}", "trial/{picture}", "live.png", "report")
}
OTHER_FORMATS |= {"POST /api/plane/{game}/moves"}
"""Addresses that answer with a picture or a page."""


def test_types_of_the_scripts_are_up_to_date():
    stored = {name: (write_types.FOLDER / name).read_text(encoding="utf-8") for name in write_types.render()}
    assert stored == write_types.render(), "run `python -m scripts.write_types`"


def test_every_address_has_a_type(shared_server: Running):
    app: Any = shared_server.server.config.app
    routes = [route for route in app.routes if isinstance(route, Route)]
    methods = {f"{method} {route.path}" for route in routes for method in route.methods or () if method != "HEAD"}
    streams = {f"GET {address}" for address in api.EVENTS}
    assert {key for key in methods if " /api/" in key} == api.ENDPOINTS.keys() | streams | OTHER_FORMATS


def test_responses_are_compared(shared_server: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(vars(api)["ENDPOINTS"], "GET /api/studio", api.Endpoint(api.RunList))
    with pytest.raises(AssertionError, match="is not in RunList"):
        shared_server.get("/api/studio")


@pytest.mark.parametrize(
    ("value", "hint", "problem"),
    [
        ({"a": 1.0}, api.EndEvent, "$.a is not in EndEvent"),
        ({"state": "gone"}, api.EndEvent, "not one of"),
        ([1, None], list[int], "$[1] is None"),
        (True, float, "$ is True"),
        ([1], tuple[float, float], "$ is [1]"),
        ({"a": {"b": "c"}}, dict[str, api.Row], "$.a.b"),
        ("1", int | None, "$ is '1'"),
    ],
)
def test_comparison_finds_a_problem(value, hint, problem):
    assert problem in " ".join(problems(value, hint))


def test_events_of_a_run_conform(shared_server: Running):
    hints, seen, name = get_type_hints(api.RunEvents), set(), ""
    with shared_server.client.stream("GET", "/api/runs/tiny/events") as response:
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                assert list(problems(json.loads(value), hints[name])) == []
                seen.add(name)
            if "state" in seen:  # the last of the first events
                break
    assert {"rows", "state"} <= seen

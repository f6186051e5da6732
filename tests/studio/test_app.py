"""Errors as JSON, and a page for an address that there is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from tests.studio.conftest import Running

from mnist_gan.errors import ArtifactError, ConfigError, DataError, RunBusyError, StorageError
from mnist_gan.studio.app import error_response
from mnist_gan.studio.errors import (
    ConflictError,
    DeadlineError,
    DisconnectedError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)


def scope(path: str, *, method: str = "GET", accept: str = "text/html,*/*;q=0.8") -> dict[str, Any]:
    """A request as a browser's address line sends it."""
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "server": ("127.0.0.1", 8765),
        "path": path,
        "query_string": b"",
        "headers": [(b"accept", accept.encode())],
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HTTPException(429, "wrong", {"retry-after": "1"}), 429),
        (ConfigError("wrong"), 400),
        (ArtifactError("wrong"), 404),
        (RunBusyError("wrong"), 409),
        (StorageError("wrong"), 503),
        (DataError("wrong"), 500),
        (NotFoundError("wrong"), 404),
        (ConflictError("wrong"), 409),
        (OverloadedError("wrong"), 429),
        (DisconnectedError("wrong"), 499),
        (UnavailableError("wrong"), 503),
        (DeadlineError("wrong"), 504),
    ],
)
def test_error_response_has_the_status_and_the_message_of_the_error(error: Exception, status: int):
    response = error_response(Request(scope("/api/runs")), error)
    assert (response.status_code, json.loads(bytes(response.body))) == (status, {"error": "wrong"})
    passing = status == 429 or isinstance(error, UnavailableError | DeadlineError)
    assert response.headers.get("retry-after") == ("1" if passing else None)


@pytest.mark.parametrize(
    ("asked", "is_page"),
    [
        (scope("/trian"), True),
        (scope("/trian", accept="application/json"), False),
        (scope("/trian", method="POST"), False),
        (scope("/api/trian"), False),
        (scope("/assets/none.js"), False),
    ],
)
def test_person_who_opens_an_unknown_address_gets_a_page(asked: dict[str, Any], is_page: bool):
    response = error_response(Request(asked), HTTPException(404))
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html" if is_page else "application/json")
    assert (b'href="/train"' in response.body) is is_page


def test_server_answers_an_unknown_address_with_a_page(shared_server: Running):
    answer = shared_server.client.get("/trian", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert "content-security-policy" in answer.headers
    data = shared_server.client.get("/api/trian", headers={"accept": "text/html"})
    assert (data.status_code, data.json()) == (404, {"error": "Not Found"})

"""Errors as JSON."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

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
    response = error_response(Request({"type": "http"}), error)
    assert (response.status_code, json.loads(bytes(response.body))) == (status, {"error": "wrong"})
    passing = status == 429 or isinstance(error, UnavailableError | DeadlineError)
    assert response.headers.get("retry-after") == ("1" if passing else None)

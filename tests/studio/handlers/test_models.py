"""Models over HTTP: the list, one model, and its directions."""

from __future__ import annotations

import httpx
import pytest
from tests.studio.conftest import Running


@pytest.fixture(scope="module")
def client(shared_server: Running) -> httpx.Client:
    return shared_server.client


def test_models_list_the_shipped_model_and_runs(client):
    models = client.get("/api/models").json()["models"]
    assert models == [
        {"id": "shipped", "name": "the shipped model", "kind": "shipped", "ready": True},
        {"id": "tiny", "name": "tiny", "kind": "run", "ready": True},
    ]


def test_model_is_described(client):
    response = client.get("/api/models/tiny").json()
    assert (response["conditional"], response["num_classes"], response["z_dim"], response["resolution"]) == (
        True,
        10,
        4,
        28,
    )
    assert client.get("/api/models/nobody").status_code == 404


def test_directions_are_described(client):
    answer = client.get("/api/models/shipped/directions", timeout=150).json()
    directions = answer["directions"]
    assert len(directions) == 12
    assert directions[0]["name"] == "slant"
    assert [one["index"] for one in directions] == list(range(12))
    assert all(one["range"] == [-3, 3] and one["explanation"].endswith(".") for one in directions)
    shares = [one["share"] for one in directions]
    assert shares == sorted(shares, reverse=True)
    assert answer["share_total"] == pytest.approx(sum(shares))

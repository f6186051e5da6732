"""Games on points of the plane over HTTP."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
import torch
from tests.studio.conftest import Running

from mnist_gan.studio.handlers.plane import encode
from mnist_gan.studio.services.plane import Picture

SMALL = {"training.batch_size": 16}


def decode(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a picture as the page does."""
    (length,) = struct.unpack_from("<I", content)
    header, offset, arrays = json.loads(content[4 : 4 + length]), 4 + length, {}
    assert offset % 4 == 0
    for name, size in header["arrays"]:
        arrays[name] = np.frombuffer(content, "<f4", count=size, offset=offset)
        offset += 4 * size
    assert offset == len(content)
    return header["figures"], arrays


def begin(server: Running, **body: Any) -> dict[str, Any]:
    body = {"data": "ring8", "changes": SMALL, "width": 8} | body
    begun: dict[str, Any] = server.post("/api/plane", body, status=201)
    return begun


def play(server: Running, game: str, **body: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    answer = server.client.post(f"/api/plane/{game}/moves", json=body)
    assert answer.status_code == 200, answer.text
    return decode(answer.content)


def test_encode_keeps_every_array_and_replaces_numbers_that_json_lacks() -> None:
    arrays = {"a": torch.tensor([[1.0, float("inf")]]), "b": torch.tensor([float("nan")])}
    figures, decoded = decode(encode(Picture(figures={"x": float("nan"), "y": 2.0, "z": None}, arrays=arrays)))
    assert figures == {"x": None, "y": 2.0, "z": None}
    assert decoded["a"].tolist() == [1.0, float("inf")]
    assert np.isnan(decoded["b"]).all()


def test_game_is_played_changed_recorded_and_closed(shared_server: Running) -> None:
    assert shared_server.get("/api/plane")["data"][0]["name"] == "ring8"
    begun = begin(shared_server)
    game = begun["id"]
    assert len(begun["real"]) == 1500
    figures, arrays = play(shared_server, game, kind="step", moves=3, view={"optimum": True})
    assert (figures["d_moves"], figures["g_moves"]) == (3, 3)
    assert {"field", "points", "arrows", "lines", "optimum"} == set(arrays)
    figures, arrays = play(shared_server, game, kind="D", moves=1, view={"field": False, "lines": False})
    assert (figures["d_moves"], figures["g_moves"]) == (4, 3)
    assert set(arrays) == {"points", "arrows"}
    record = shared_server.post(f"/api/plane/{game}/changes", {"changes": {"objective.loss": "hinge"}})["record"]
    assert [move["kind"] for move in record] == ["step", "D", "change"]
    play(shared_server, game, kind="G", moves=1)
    assert shared_server.get(f"/api/plane/{game}")["record"][-1] == {"kind": "G", "count": 1, "changes": {}}
    assert shared_server.client.request("DELETE", f"/api/plane/{game}").json() == {"ended": True}
    shared_server.post(f"/api/plane/{game}/moves", {}, status=404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": "mnist"}, 400),
        ({"more": 1}, 400),
        ({"changes": {"training.seed": -1}}, 400),
        ({"changes": {"generator.z_dim": 3}}, 400),
        ({"width": 9}, 400),
        ({"limit": 9}, 400),
        ({"data": "points"}, 400),
        ({"strokes": 3}, 400),
        ({"strokes": [[[2.0, 0.0]]]}, 400),
        ({"strokes": [[[0.0]]]}, 400),
        ({"strokes": [[[0.0, "x"]]]}, 400),
        ({"strokes": [[[0.0, 0.0]] * 5001]}, 413),
        ({"strokes": [[]] * 201}, 413),
    ],
)
def test_game_refuses_an_invalid_beginning(shared_server: Running, body: dict[str, Any], status: int) -> None:
    before = len(shared_server.studio.plane)
    assert "error" in shared_server.post("/api/plane", {"data": "ring8", "changes": {}} | body, status=status)
    assert len(shared_server.studio.plane) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("moves", {"kind": "both"}),
        ("moves", {"moves": 1000}),
        ("moves", {"moves": -1}),
        ("moves", {"view": {"all": True}}),
        ("moves", {"view": {"field": 1}}),
        ("moves", {"more": 1}),
        ("changes", {"changes": {"training.seed": 1}}),
        ("changes", {"changes": {"optimizer.g_lr": "high"}}),
        ("changes", {}),
    ],
)
def test_game_refuses_invalid_moves_and_changes(shared_server: Running, path: str, body: dict[str, Any]) -> None:
    game = begin(shared_server)["id"]
    assert "error" in shared_server.post(f"/api/plane/{game}/{path}", body, status=400)


def test_game_that_diverges_says_so(shared_server: Running) -> None:
    game = begin(shared_server)["id"]
    with torch.no_grad():
        for weight in shared_server.studio.plane.find(game).game.state.D.parameters():
            weight.fill_(float("nan"))
    answer = shared_server.client.post(f"/api/plane/{game}/moves", json={"moves": 1})
    assert answer.status_code == 409
    assert "diverged" in answer.json()["error"]


def test_unknown_game_is_not_found(shared_server: Running) -> None:
    assert shared_server.client.get("/api/plane/none").status_code == 404
    assert shared_server.client.request("DELETE", "/api/plane/none").json() == {"ended": False}

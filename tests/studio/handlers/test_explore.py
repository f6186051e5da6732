"""Exploring over HTTP: the same address always gives the same picture."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import http.client
import io
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from tests.studio.conftest import WAIT_SECONDS
from tests.studio.services.test_inference import make_unconditional

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.snapshots import list_snapshots
from mnist_gan.errors import MnistGanError
from mnist_gan.runs import RunDirectory
from mnist_gan.studio.app import error_response
from mnist_gan.studio.context import make_studio
from mnist_gan.studio.handlers import explore, models
from mnist_gan.studio.services.inference import Inference
from mnist_gan.studio.services.queue import Cancelled
from mnist_gan.studio.services.scene import Scene


@pytest.fixture(scope="module")
def client(shared_server) -> httpx.Client:
    """Client of a server that has computed the directions of the shipped model."""
    client: httpx.Client = shared_server.client
    assert client.get("/api/models/shipped/directions", timeout=150).status_code == 200
    return client


@pytest.fixture(scope="module")
def shipped() -> GAN:
    return GAN.load("shipped")


@pytest.fixture(scope="module")
def tiny(shared_server) -> GAN:
    return GAN.load(shared_server.studio.library.runs()["tiny"].root)


def fetch(client: httpx.Client, address: str, **query: Any) -> bytes:
    answer = client.get(f"/api/explore/{address}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


def picture(client: httpx.Client, address: str = "image", **query: Any) -> np.ndarray:
    with Image.open(io.BytesIO(fetch(client, address, **query)), formats=["PNG"]) as image:
        assert image.mode == "L"
        return np.asarray(image).astype(int)


def arrays(client: httpx.Client, address: str = "image", **query: Any) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(fetch(client, address, format="npz", **query))) as content:
        return dict(content)


def enlarged(images: torch.Tensor, scale: int) -> np.ndarray:
    """Images side by side, each pixel a square."""
    row = np.concatenate(list(images[:, 0].numpy()), axis=1)
    return row.repeat(scale, 0).repeat(scale, 1).astype(int)


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal up to one gray level, because the last bit may depend on the batch."""
    return one.shape == other.shape and int(np.abs(one.astype(int) - other.astype(int)).max()) <= 1


def test_image_equals_that_of_the_library(client, shipped, tiny):
    for model, gan in (("shipped", shipped), ("tiny", tiny)):
        expected = gan.sample(1, digit=7, seed=5, first=12, truncation_psi=0.7)
        found = picture(client, model=model, digit=7, seed=5, index=12, psi=0.7, scale=3)
        assert close(found, enlarged(expected, 3))


ADDRESSES: dict[str, dict[str, Any]] = {
    "image": {"digit": 3, "seed": 2, "d": "1,-0.5"},
    "samples": {"seed": 9, "first": 40, "n": 12, "columns": 6},
    "strip": {"digit": 4, "direction": 1, "n": 5},
    "path": {"digit": 5, "to_seed": 8, "steps": 3, "format": "gif"},
    "mix": {"digit": 1, "mix": 7, "steps": 3, "format": "npz"},
    "score": {"digit": 3, "seed": 2},
    "z": {"digit": 3, "seed": 2, "psi": 0.5},
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_routes_give_the_same_bytes_on_every_server(client, name):
    here = fetch(client, name, **ADDRESSES[name])
    assert fetch(client, name, **ADDRESSES[name]) == here
    with served(Inference(dict)) as other:
        assert fetch(other, name, **ADDRESSES[name]) == here


def test_image_has_defaults_for_missing_parameters(client):
    plain = fetch(client, "image")
    defaults = {"model": "shipped", "seed": 0, "index": 0, "digit": 0, "psi": 1, "d": "0,0", "t": 0, "scale": 8}
    assert fetch(client, "image", **defaults) == plain
    assert fetch(client, "image", page="explore", zoom="yes") == plain  # the page's own keys


def test_samples_continue_from_first(client, shipped):
    whole = picture(client, "samples", seed=3, n=20, columns=5, scale=1)
    parts = [picture(client, "samples", seed=3, first=first, n=10, columns=5, scale=1) for first in (0, 10)]
    assert close(whole, np.concatenate(parts))
    assert close(whole[:28], enlarged(shipped.sample(5, seed=3), 1))
    tile = picture(client, seed=3, index=13, scale=1)
    assert close(whole[56:84, 84:112], tile)


def test_samples_pad_the_last_row_with_black(client):
    sheet = picture(client, "samples", n=7, columns=5, scale=1)
    assert sheet.shape == (56, 140)
    assert not sheet[28:, 56:].any()


def test_image_moves_z_along_the_directions(client, shipped):
    directions = sampling.find_directions(shipped.G, count=12)
    z = sampling.draw_latents(shipped.G, n=1, seed=4)
    moved = sampling.render(shipped.G, sampling.move(z, directions, [0, 2.5]), torch.tensor([6]))
    assert close(picture(client, digit=6, seed=4, d="0,2.5", scale=1), enlarged(moved, 1))
    assert not close(picture(client, digit=6, seed=4, scale=1), enlarged(moved, 1))


def test_samples_slant_with_the_first_slider(client):
    measured = []
    for amount in (-2, 0, 2):
        images = arrays(client, "samples", n=50, digit=1, d=str(amount))["images"]
        measured.append(float(sampling.measure(torch.from_numpy(images)[:, None])["slant"].mean()))
    assert measured[0] < measured[1] - 0.2
    assert measured[1] < measured[2] - 0.2


def test_strip_spans_the_range_of_a_slider(client):
    strip = picture(client, "strip", digit=4, seed=1, d="1,0.5", direction=1, n=7, scale=1)
    tiles = np.split(strip, 7, axis=1)
    for tile, amount in zip(tiles, (-3, -2, -1, 0, 1, 2, 3), strict=True):
        assert close(tile, picture(client, digit=4, seed=1, d=f"1,{amount}", scale=1))


def test_path_joins_its_ends(client, shipped):
    path = picture(client, "path", digit=3, seed=1, to_seed=2, steps=4, scale=1)
    assert close(path, enlarged(shipped.between_seeds([1, 2], digit=3, steps=4), 1))
    inside = picture(client, "path", digit=3, seed=1, index=2, to_index=9, steps=2, scale=1, d="1", psi=0.5)
    ends = [picture(client, digit=3, seed=1, index=index, scale=1, d="1", psi=0.5) for index in (2, 9)]
    assert close(inside[:, :28], ends[0])
    assert close(inside[:, -28:], ends[1])


def test_mix_blends_two_digits(client, shipped):
    mixed = picture(client, "mix", digit=3, mix=8, seed=6, steps=4, scale=1)
    expected = shipped.between_digits([3, 8], seed=6, steps=4)
    assert close(mixed, enlarged(expected, 1))
    assert close(picture(client, digit=3, mix=8, t=0.5, seed=6, scale=1), enlarged(expected[2:3], 1))
    assert close(picture(client, digit=3, mix=8, t=1, seed=6, scale=1), enlarged(expected[4:5], 1))


def test_z_in_the_address_draws_the_image_it_came_from(client):
    view: dict[str, Any] = {"digit": 5, "seed": 11, "psi": 0.8, "d": "0.5,0,1"}
    taken = client.get("/api/explore/z", params=view).json()
    assert taken["typical_norm"] == 8
    there = arrays(client, digit=5, z=taken["z"])
    numbers = np.frombuffer(base64.urlsafe_b64decode(taken["z"] + "=="), dtype="<f2")
    assert np.array_equal(there["z"][0], numbers.astype(np.float32))
    assert float(np.linalg.norm(there["z"])) == pytest.approx(taken["norm"], rel=1e-3)
    assert int(np.abs(there["images"].astype(int) - arrays(client, **view)["images"].astype(int)).max()) <= 4
    moved = arrays(client, digit=5, z=taken["z"], d="1")
    assert np.linalg.norm(moved["z"] - there["z"]) == pytest.approx(1, rel=1e-3)


def test_npz_contains_images_labels_and_z(client, shipped):
    content = arrays(client, "samples", n=13, seed=2, first=5)
    assert content["images"].shape == (13, 28, 28)
    assert content["images"].dtype == np.uint8
    assert content["labels"].tolist() == [index % 10 for index in range(5, 18)]
    z = torch.from_numpy(content["z"])
    assert torch.equal(z, sampling.draw_latents(shipped.G, n=13, seed=2, first=5))


def test_gif_returns_to_its_first_frame(client):
    with Image.open(io.BytesIO(fetch(client, "path", digit=3, steps=4, format="gif"))) as image:
        frames = [np.asarray(frame.convert("L")).astype(int) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == 8
    for index in (1, 2, 3):
        assert np.array_equal(frames[index], frames[-index])


# ---- snapshots


def test_timelapse_draws_the_same_z_with_every_snapshot(client, shared_server, tiny):
    run = shared_server.studio.library.runs()["tiny"]
    assert [snapshot.epoch for snapshot in list_snapshots(run.snapshots)] == [0, 1, 2]
    snapshots = client.get("/api/models/tiny").json()["snapshots"]
    assert [snapshot["at"] for snapshot in snapshots] == [0, 100, 200]
    assert snapshots[1]["title"] == "epoch 1, 100 images seen"
    lapse = picture(client, "timelapse", model="tiny", digit=3, seed=1, scale=1)
    tiles = np.split(lapse, 4, axis=1)
    for tile, at in zip(tiles, (0, 100, 200), strict=False):
        assert close(tile, picture(client, model="tiny", digit=3, seed=1, at=at, scale=1))
    assert close(tiles[3], enlarged(tiny.sample(1, digit=3, seed=1), 1))
    assert not close(tiles[0], tiles[2])
    with Image.open(io.BytesIO(fetch(client, "timelapse", model="tiny", digit=3, format="gif"))) as image:
        assert getattr(image, "n_frames", 1) == 4


def test_timelapse_reports_a_model_without_snapshots(client):
    assert client.get("/api/models/shipped").json()["snapshots"] == []
    answer = client.get("/api/explore/timelapse")
    assert answer.status_code == 409
    assert "has no snapshots" in answer.json()["error"]


# ---- errors


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("image?model=nobody", 404, "no such model"),
        ("image?model=../../etc", 404, "no such model"),
        ("image?model=/etc/passwd", 404, "no such model"),
        ("image?model=tiny%00", 404, "no such model"),
        ("image?digit=10", 400, "digit must be from 0 to 9"),
        ("image?digit=-1", 400, "digit must be a whole number"),
        ("image?digit=3.5", 400, "digit must be a whole number"),
        ("image?digit=%D9%A3", 400, "digit must be a whole number"),
        ("image?seed=9007199254740992", 400, "seed must be a whole number from 0 to 9007199254740991"),
        ("image?seed=99999999999999999999999999999999", 400, "seed must be"),
        ("image?index=1000001", 400, "index must be"),
        ("image?psi=2.1", 400, "psi must be a number from 0 to 2"),
        ("image?psi=nan", 400, "psi must be a number"),
        ("image?psi=1e0", 400, "psi must be a number"),
        ("image?d=6.5", 400, "d must be a number from -6 to 6"),
        ("image?d=" + ",".join("1" * 13), 400, "d has 13 numbers; this model has 12 directions"),
        ("image?d=" + "0," * 99, 400, "d has 100 numbers"),
        ("image?mix=10", 400, "mix must be from 0 to 9"),
        ("image?t=1.5", 400, "t must be a number from 0 to 1"),
        ("image?scale=17", 400, "scale must be"),
        ("image?format=exe", 400, "format must be png or npz"),
        ("image?z=AAAA", 400, "z must be 64 numbers"),
        ("image?z=!", 400, "z must be 64 numbers"),
        ("image?z=" + "A" * 7_000, 400, "z must be 64 numbers"),
        ("image?z=" + base64.urlsafe_b64encode(b"\x00\x7c" * 64).rstrip(b"=").decode(), 400, "z must be 64 numbers"),
        ("image?at=5", 404, "has no snapshot at 5 images"),
        ("samples?n=201", 400, "n must be"),
        ("samples?n=0", 400, "n must be"),
        ("samples?n=200&scale=16", 400, "more than 4,000,000 pixels"),
        ("strip?direction=12", 400, "direction must be"),
        ("strip", 400, "direction must be"),
        ("path?steps=61", 400, "steps must be"),
        ("path?to_z=AAAA", 400, "z must be 64 numbers"),
        ("mix", 400, "mix must name the other digit"),
        ("timelapse?model=nobody", 404, "no such model"),
        ("score?model=nobody", 404, "no such model"),
        ("z?model=nobody", 404, "no such model"),
    ],
)
def test_routes_refuse_invalid_parameters(client, address, status, sentence):
    answer = client.get(f"/api/explore/{address}")
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_strip_refuses_a_slider_out_of_range_before_a_computation(client, shared_server, monkeypatch):
    monkeypatch.setattr(shared_server.studio.inference, "directions", lambda *_, **__: pytest.fail("computed"))
    answer = client.get("/api/explore/strip?direction=12")
    assert (answer.status_code, answer.json()["error"]) == (400, "direction must be a whole number from 0 to 11.")


def test_routes_refuse_a_digit_of_an_unconditional_model(tmp_path, shared_server):
    root = tmp_path / "plain"
    shutil.copytree(shared_server.studio.library.runs()["tiny"].root, root)
    make_unconditional(root)
    with served(Inference(lambda: {"plain": RunDirectory(root)})) as client:
        assert picture(client, model="plain", scale=1).shape == (28, 28)
        assert "labels" not in arrays(client, model="plain")
        assert client.get("/api/models/plain").json()["conditional"] is False
        answers = [
            client.get("/api/explore/image?model=plain&digit=3"),
            client.get("/api/explore/mix?model=plain"),
            client.get("/api/explore/mix?model=plain&mix=3"),
        ]
    assert [answer.status_code for answer in answers] == [409] * 3
    assert all("unconditional" in answer.json()["error"] for answer in answers)


# ---- files


def test_image_is_not_sent_again_to_a_client_that_has_it(client):
    first = client.get("/api/explore/image?digit=3")
    again = client.get("/api/explore/image?digit=3", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/explore/image?digit=4").headers["etag"] != first.headers["etag"]


def test_download_is_named_after_its_parameters(client):
    answer = client.get("/api/explore/image?digit=3&seed=7&index=2&download=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="image-digit3-seed7-2.png"'
    assert "content-disposition" not in client.get("/api/explore/image?digit=3").headers
    assert client.get("/api/explore/mix?digit=3&mix=4&format=gif&download=1").headers["content-type"] == "image/gif"


def test_score_equals_that_of_the_library(client, shipped):
    response = client.get("/api/explore/score", params={"digit": 3, "seed": 2}).json()
    image, label = shipped.sample(1, digit=3, seed=2), torch.tensor([3])
    assert response["score"]["logit"] == pytest.approx(float(shipped.logits(image, labels=label)), abs=1e-3)
    assert response["score"]["probability_real"] == pytest.approx(
        float(shipped.probability_real(image, labels=label)), abs=1e-3
    )
    assert (response["score"]["label"], response["score"]["label_source"]) == (3, "requested")
    assert response["recognition"]["digit"] == 3
    assert sum(response["recognition"]["probabilities"]) == pytest.approx(1)


def test_routes_answer_or_refuse_many_simultaneous_requests(shared_server):
    statuses: list[int] = []

    def ask(seed: int) -> None:
        with httpx.Client(
            base_url=shared_server.url, cookies=shared_server.cookies, trust_env=False, timeout=30
        ) as client:
            statuses.append(client.get(f"/api/explore/samples?n=10&seed={seed}").status_code)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429, 503, 504}
    assert 200 in statuses
    assert shared_server.client.get("/api/explore/image").status_code == 200


def test_image_is_cancelled_when_the_client_disconnects(shared_server, monkeypatch):
    begun, cancelled = threading.Event(), threading.Event()

    def endless(self: Scene, z: torch.Tensor, labels: torch.Tensor) -> None:
        begun.set()
        try:
            while True:
                self.check()
                time.sleep(0.01)
        except Cancelled:
            cancelled.set()
            raise

    monkeypatch.setattr(Scene, "draw", endless)
    cookies = "; ".join(f"{name}={value}" for name, value in shared_server.cookies.items())
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", shared_server.port)) as client:
        client.request("GET", "/api/explore/image", headers={"Cookie": cookies})
        assert begun.wait(WAIT_SECONDS)
    assert cancelled.wait(WAIT_SECONDS)


class Bare(httpx.BaseTransport):
    """An application with these routes and no guard, called in this thread."""

    def __init__(self, inference: Inference) -> None:
        handlers = {MnistGanError: error_response, HTTPException: error_response}
        self.app = Starlette(routes=[*models.ROUTES, *explore.ROUTES], exception_handlers=handlers)
        self.app.state.studio = dataclasses.replace(make_studio(Path("none")), inference=inference)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers)
            answer = await httpx.ASGITransport(self.app).handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(ask())


@contextlib.contextmanager
def served(inference: Inference) -> Iterator[httpx.Client]:
    """Client of an application with its own inference service."""
    try:
        with httpx.Client(transport=Bare(inference), base_url="http://studio") as client:
            yield client
    finally:
        inference.close()

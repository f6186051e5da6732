"""Drawing over HTTP: fitting, judging, searching, and refusing what is not a drawing."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest
import torch
from tests.studio.conftest import until
from tests.support.conforming import check_event

from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset, to_float
from mnist_gan.data.drawing import prepare_strokes
from mnist_gan.data.preprocess import ImageForm
from mnist_gan.evaluation import load_judge
from mnist_gan.sampling import integrated_gradients
from mnist_gan.studio import api
from mnist_gan.studio.cache import Cache
from mnist_gan.studio.services.inference import Inference
from mnist_gan.studio.services.queue import QueueEntry

SEVEN = [[[60, 50], [200, 50]], [[200, 50], [120, 240]]]
ONE = [[[150, 40], [130, 240]]]


@pytest.fixture(scope="module")
def client(shared_server) -> httpx.Client:
    client: httpx.Client = shared_server.client
    return client


@pytest.fixture(scope="module")
def shipped() -> GAN:
    return GAN.load("shipped")


def drawing(strokes: Any = SEVEN, **others: Any) -> dict[str, Any]:
    return {"strokes": strokes, "canvas": 280} | others


def post(client: httpx.Client, address: str, body: Any, *, status: int = 200) -> dict[str, Any]:
    answer = client.post(f"/api/draw/{address}", json=body)
    assert answer.status_code == status, answer.text
    response = answer.json()
    assert isinstance(response, dict)
    return response


def image_of(response: dict[str, Any]) -> torch.Tensor:
    side = response["side"]
    levels = np.frombuffer(base64.b64decode(response["pixels"]), dtype=np.uint8)
    return torch.from_numpy(levels.copy()).view(1, side, side)


def fitted(strokes: Any = SEVEN, **options: Any) -> torch.Tensor:
    points = [np.array(stroke, dtype=np.float64) for stroke in strokes]
    return prepare_strokes(points, resolution=28, **options).image


def events(client: httpx.Client, address: str) -> list[tuple[str, dict[str, Any]]]:
    received = []
    with client.stream("GET", address) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                received.append((name, json.loads(line.removeprefix("data: "))))
                check_event(api.SearchEvents, *received[-1])
    return received


# ---- fitting


def test_fit_shows_a_drawing_in_the_format_of_mnist(client):
    response = post(client, "fit", drawing())
    assert torch.equal(image_of(response["image"]), fitted())
    assert response["steps"] == ["fitted to 16x20", "centred by mass"]


def test_fit_takes_the_width_of_the_pen(client):
    response = post(client, "fit", drawing(width=30))
    assert torch.equal(image_of(response["image"]), fitted(pen_width=30.0))


def test_fit_moves_points_outside_the_canvas_to_its_edge(client):
    beyond = post(client, "fit", drawing([[[-50, -50], [999, 999]]]))
    inside = post(client, "fit", drawing([[[0, 0], [280, 280]]]))
    assert beyond == inside


# ---- judging


def test_judge_equals_the_library(client, shipped):
    response = post(client, "judge", drawing())
    image = fitted()
    assert torch.equal(image_of(response["image"]), image)
    chances = load_judge().predict(image[None]).logits[0, 0].softmax(0)
    assert response["recognition"]["digit"] == int(chances.argmax()) == 7
    assert response["recognition"]["probabilities"] == pytest.approx(chances.tolist(), abs=1e-5)
    score, label = response["score"], torch.tensor([7])
    assert (score["label"], score["label_source"]) == (7, "recognized")
    assert score["logit"] == pytest.approx(float(shipped.logits(image[None], labels=label)), abs=1e-4)
    assert score["probability_real"] == pytest.approx(float(shipped.probability_real(image[None], labels=label)))
    assert score["sentence"].startswith("The discriminator gives this image, recognized as a 7, a ")


def test_judge_takes_a_label(client):
    score = post(client, "judge", drawing(label=8))["score"]
    assert (score["label"], score["label_source"]) == (8, "given")
    assert "judged as an 8" in score["sentence"]


def test_judge_attributes_the_score_to_pixels_completely(client, shipped):
    response = post(client, "judge", drawing())
    found, score = response["attribution"], response["score"]
    assert len(found["values"]) == 28 * 28
    assert found["logit"] == pytest.approx(score["logit"], abs=1e-4)
    difference = found["logit"] - found["baseline_logit"]
    assert abs(found["completeness_error"]) < 0.02 * abs(difference) + 0.005
    assert sum(found["values"]) == pytest.approx(difference - found["completeness_error"], abs=1e-4)
    assert found["max_abs"] == pytest.approx(max(map(abs, found["values"])))
    black = torch.full((1, 28, 28), -1.0)
    expected = integrated_gradients(shipped.D, to_float(fitted()), label=7, baseline=black)
    assert found["values"] == pytest.approx(expected.contributions.flatten().tolist(), abs=1e-4)
    dark = (fitted() == 0).flatten().tolist()
    assert all(value == 0 for value, is_dark in zip(found["values"], dark, strict=True) if is_dark)


def test_judge_finds_the_nearest_images_of_the_models_data(client, shared_server, finished_run):
    response = post(client, "judge", drawing(model="tiny"))["nearest"]
    gan = GAN.load(finished_run)
    dataset, drawn = load_dataset(gan.config.data), fitted(form=gan.form)
    assert gan.form != ImageForm()
    distances = ((dataset.images.double() - drawn.double()) / 255).square().mean(dim=(1, 2, 3)).sqrt()
    order = distances.argsort(stable=True)[:8]
    assert [one["distance"] for one in response["images"]] == pytest.approx(distances[order].tolist(), abs=1e-6)
    for one in response["images"]:
        assert torch.equal(image_of({**one}), dataset.images[one["index"]])
        assert one["name"] == str(int(dataset.labels[one["index"]]))
    assert response["message"].startswith("The most similar of 100 training images.")


def test_judge_reports_missing_training_images(client, shared_server, monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_GAN_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(shared_server.studio.inference, "_datasets", Cache(1))
    response = post(client, "judge", drawing())["nearest"]
    assert response["images"] == []
    assert response["message"].startswith("The training images are not on this machine: ")


@pytest.mark.mnist
def test_judge_finds_the_nearest_images_of_mnist(client, mnist_dir: Path, monkeypatch):
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    dataset = load_dataset(DataConfig(name="mnist"))
    found = Inference(dict).training_data(DataConfig(name="mnist"))
    assert torch.equal(found.images, dataset.images)
    response = post(client, "judge", drawing(ONE))["nearest"]
    assert [one["name"] for one in response["images"]] == ["1"] * 8


# ---- searching


def test_invert_finds_a_drawing_that_explore_shows(client, shipped):
    started = post(client, "invert", drawing(steps=60, starts=4), status=202)
    assert started["events"] == f"/api/jobs/{started['job']}/events"
    received = events(client, started["events"])
    assert [name for name, _ in received[:-1]] == ["progress"] * (len(received) - 1)
    name, result = received[-1]
    assert name == "done"
    assert (result["step"], result["steps"], result["label"]) == (60, 60, 7)
    assert result["error"] < 0.02
    assert result["error"] <= received[0][1]["error"]
    assert 0 <= result["probability_real"] <= 1
    error = (image_of(result["image"]).double() - fitted().double()).div(255).square().mean()
    assert result["error"] == pytest.approx(float(error), abs=1e-6)

    address = parse_qs(result["explore"])
    assert address == {"model": ["shipped"], "digit": ["7"], "z": [result["z"]]}
    shown = client.get(f"/api/explore/image?{result['explore']}&format=npz")
    assert shown.status_code == 200
    with np.load(io.BytesIO(shown.content)) as content:
        there = torch.from_numpy(content["images"])
    assert int((there.int() - image_of(result["image"]).int()).abs().max()) <= 1

    response = client.get(f"/api/jobs/{started['job']}").json()
    assert (response["state"], response["last"], response["error"]) == ("done", result, None)
    assert events(client, started["events"]) == [("done", result)]


def test_invert_reports_a_few_dozen_pictures(client):
    started = post(client, "invert", drawing(steps=200, starts=2), status=202)
    response = len(events(client, started["events"]))
    assert 5 < response <= 42


def test_invert_can_be_cancelled(client):
    started = post(client, "invert", drawing(steps=500, starts=16), status=202)
    assert client.delete(f"/api/jobs/{started['job']}").json() == {"state": "cancelled"}
    assert events(client, started["events"])[-1] == ("cancelled", {})
    assert client.get(f"/api/jobs/{started['job']}").json()["state"] == "cancelled"


def test_invert_refuses_too_many_searches(client):
    started = [client.post("/api/draw/invert", json=drawing(steps=500, starts=16)) for _ in range(6)]
    assert [answer.status_code for answer in started[:4]] == [202] * 4
    refused = [answer for answer in started if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    for answer in started:
        if answer.status_code == 202:
            client.delete(f"/api/jobs/{answer.json()['job']}")


def test_invert_does_not_delay_pictures(client):
    client.get("/api/explore/image").raise_for_status()
    started = post(client, "invert", drawing(steps=500, starts=16), status=202)
    for count in range(10):
        client.get(f"/api/explore/image?digit=3&psi={count / 10}").raise_for_status()
    # benchmarks/studio_latency.py measures how long they take
    assert client.get(f"/api/jobs/{started['job']}").json()["state"] in {"waiting", "running"}
    client.delete(f"/api/jobs/{started['job']}")


def test_search_ends_when_its_client_disconnects(shared_server, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.services.searches.ABANDONED_SECONDS", 0.6)
    hold = threading.Event()

    def endless(_: QueueEntry) -> Any:
        while not hold.is_set():
            yield {"step": 0}
            time.sleep(0.01)

    search = shared_server.studio.inference.searches.start(endless)
    with shared_server.client.stream("GET", f"/api/jobs/{search.id}/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        time.sleep(1.0)
        assert not search.ended  # it has a client
    until(lambda: search.ended)
    hold.set()
    assert search.state == "cancelled"


# ---- errors

MANY = [[[1, 1]]]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({}, 400, "canvas must be a number"),
        (drawing(None), 400, "strokes must be a list"),
        (drawing([]), 400, "the drawing is empty"),
        (drawing([[]]), 400, "the drawing is empty"),
        (drawing("abc"), 400, "strokes must be a list"),
        (drawing([1]), 400, "A stroke must be a list of points"),
        (drawing([[1, 2]]), 400, "A stroke must be a list of points"),
        (drawing([[[1, 2, 3]]]), 400, "A stroke must be a list of points"),
        (drawing([[[1, "2"]]]), 400, "A stroke must be a list of points"),
        (drawing([[[1, True]]]), 400, "A stroke must be a list of points"),
        (drawing([[[1, None]]]), 400, "A stroke must be a list of points"),
        (drawing([[[1, 1e300]]]), 400, "A stroke must be a list of points"),
        (drawing(MANY * 201), 413, "may have 200 strokes"),
        (drawing([[[1, 1]] * 5001]), 413, "may have 5,000 points"),
        (drawing(canvas=0), 400, "canvas is out of range"),
        (drawing(canvas=10**9), 400, "canvas is out of range"),
        (drawing(canvas="280"), 400, "canvas must be a number"),
        (drawing(width=0), 400, "width is out of range"),
        (drawing(width=141), 400, "width is out of range"),
        (drawing(colour="red"), 400, "Unknown field 'colour'"),
    ],
)
@pytest.mark.parametrize("address", ["fit", "judge", "invert"])
def test_routes_refuse_what_is_not_a_drawing(client, address, body, status, sentence):
    assert sentence in post(client, address, body, status=status)["error"]


@pytest.mark.parametrize(
    ("address", "others", "status", "sentence"),
    [
        ("judge", {"model": "nobody"}, 404, "no such model"),
        ("judge", {"model": "../../etc/passwd"}, 404, "no such model"),
        ("judge", {"model": 3}, 400, "model must be the id"),
        ("judge", {"label": 10}, 400, "has the labels 0 to 9"),
        ("judge", {"label": -1}, 400, "label is out of range"),
        ("judge", {"label": "7"}, 400, "label must be a whole number"),
        ("invert", {"model": "nobody"}, 404, "no such model"),
        ("invert", {"steps": 19}, 400, "steps is out of range"),
        ("invert", {"steps": 501}, 400, "steps is out of range"),
        ("invert", {"starts": 17}, 400, "starts is out of range"),
        ("invert", {"seed": 2**53}, 400, "seed is out of range"),
        ("invert", {"label": 10}, 400, "has the labels 0 to 9"),
    ],
)
def test_routes_refuse_invalid_values(client, address, others, status, sentence):
    assert sentence in post(client, address, drawing(**others), status=status)["error"]


def test_fit_refuses_coordinates_that_are_not_finite(client):
    text = '{"canvas": 280, "strokes": [[[NaN, 1], [Infinity, 2]]]}'
    answer = client.post("/api/draw/fit", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_searches_do_not_find_an_unknown_id(client):
    for answer in (
        client.get("/api/jobs/nobody"),
        client.get("/api/jobs/nobody/events"),
        client.delete("/api/jobs/nobody"),
    ):
        assert answer.status_code == 404
        assert "no such search" in answer.json()["error"]

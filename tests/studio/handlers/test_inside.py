"""Inside the networks over HTTP: maps, channels and units are those of the real networks."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from tests.studio.conftest import Running, serving
from tests.support.plugins import write_plugin

from mnist_gan import experiment, sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import Config

VIEW: dict[str, Any] = {"model": "shipped", "digit": 7, "seed": 5}


@pytest.fixture(scope="module")
def client(shared_server: Running) -> httpx.Client:
    return shared_server.client


@pytest.fixture(scope="module")
def shipped() -> GAN:
    return GAN.load("shipped")


def inside(client: httpx.Client, part: str = "", *, status: int = 200, **query: Any) -> Any:
    answer = client.get(f"/api/inside{part}", params={**VIEW, **query})
    assert answer.status_code == status, answer.text
    return answer.json()


def values_of(maps: dict[str, Any]) -> np.ndarray:
    """Numbers of the maps, up to their rounding."""
    signed = np.frombuffer(base64.b64decode(maps["values"]), np.int8).astype(float)
    maps_of: np.ndarray = signed.reshape(-1, maps["height"], maps["width"]) * maps["limit"] / 127
    return maps_of


def test_inside_has_the_maps_of_every_layer_of_both_networks(client: httpx.Client, shipped: GAN) -> None:
    found = inside(client, maps=4)
    titles = [layer["title"] for layer in found["generator"]["layers"]]
    assert titles == [
        *("dense layer", "fold", "BatchNorm", "leaky ReLU"),
        *("transposed 4x4 convolution, stride 2", "BatchNorm", "leaky ReLU") * 2,
        *("3x3 convolution", "tanh"),
    ]
    assert [layer["title"] for layer in found["discriminator"]["layers"]] == [
        *("4x4 convolution, stride 2", "leaky ReLU") * 2,
        *("flatten", "head"),
    ]
    image = shipped.sample(1, digit=7, seed=5)
    assert found["logit"] == pytest.approx(float(shipped.logits(image, labels=torch.tensor([7]))), rel=1e-4)
    assert values_of(found["discriminator"]["layers"][-1]["maps"])[0, 0, 0] == pytest.approx(found["logit"], rel=1e-4)
    last = values_of(found["generator"]["layers"][-1]["maps"])
    assert np.abs((last[0] + 1) * 127.5 - image[0, 0].numpy()).max() < 3
    first = values_of(found["discriminator"]["layers"][0]["maps"])
    with torch.no_grad():
        direct = shipped.D.trunk[0](shipped.shape.scaling.to_network(image, shipped.config.data.real_range))[0, :4]
    assert np.abs(first - direct.numpy()).max() <= float(direct.abs().max()) / 50


def test_inside_caps_the_maps(client: httpx.Client) -> None:
    layer = inside(client, maps=3)["generator"]["layers"][4]
    assert (layer["count"], layer["maps"]["channels"]) == (48, [0, 1, 2])
    inside(client, maps=129, status=400)


def test_channel_shows_its_map_and_what_it_responds_to(client: httpx.Client, shipped: GAN) -> None:
    found = inside(client, "/channel", network="D", layer="trunk.1", channel=9)
    values = [image["value"] for image in found["strongest"]]
    assert values == sorted(values, reverse=True)
    assert found["maps"]["channels"] == [9]
    assert len(found["classes"]) == 10
    for image in found["strongest"]:
        top, left, height, width = image["box"]
        assert 0 <= top <= 28 - height
        assert 0 <= left <= 28 - width
        assert max(height, width) <= 4  # of a 4x4 convolution
    assert found["without"]["image"] is None
    assert found["without"]["logit"] != pytest.approx(inside(client)["logit"], abs=1e-6)
    assert found["low"] <= found["high"]


def test_channel_of_the_generator_shows_the_picture_without_it(client: httpx.Client, shipped: GAN) -> None:
    found = inside(client, "/channel", network="G", layer="trunk.6", channel=2)
    assert found["strongest"][0]["box"] is None
    assert found["images"] == "300 generated images"
    z = sampling.draw_latents(shipped.G, n=1, seed=5)
    with torch.no_grad():
        x = torch.cat([z, shipped.G.embed(torch.tensor([7]))], dim=1)
        for index, layer in enumerate(shipped.G.trunk):
            x = layer(x)
            if index == 6:
                x[:, 2] = 0
    pixels = np.frombuffer(base64.b64decode(found["without"]["image"]["pixels"]), np.uint8).astype(int)
    expected = shipped.shape.scaling.to_rest(x.tanh()).flatten().numpy().astype(int)
    assert np.abs(pixels - expected).max() <= 1


def test_unit_adds_up_to_the_number_of_its_map(client: httpx.Client) -> None:
    layers = inside(client, maps=8)["generator"]["layers"]
    layer = next(each for each in layers if each["name"] == "trunk.7")
    unit = inside(client, "/unit", network="G", layer="trunk.7", channel=5, y=13, x=12)
    shown = values_of(layer["maps"])[5, 13, 12]
    assert unit["value"] == pytest.approx(shown, abs=layer["maps"]["limit"] / 127)
    total = unit["bias"] + unit["others_sum"] + sum(part["sum"] for part in unit["inputs"])
    assert total == pytest.approx(unit["value"], abs=1e-4)
    for part in unit["inputs"]:
        products = np.array(part["patch"]) * np.array(part["kernel"])
        assert products.sum() == pytest.approx(part["sum"], abs=1e-4)
    assert [step["title"] for step in unit["steps"]] == ["BatchNorm", "leaky ReLU"]
    assert unit["call"].startswith("F.conv_transpose2d(")
    assert unit["function"] == "mnist_gan.models.layers.ConvUp.forward"
    assert "F.conv_transpose2d" in unit["source"]
    assert unit["numbers"].startswith(f"{unit['value']:.3f} = ")


def test_unit_of_the_first_layer_names_random_numbers_and_label(client: httpx.Client) -> None:
    names = [part["name"] for part in inside(client, "/unit", network="G", layer="trunk.0")["inputs"]]
    assert all(name.startswith(("z[", "label[")) for name in names)


@pytest.mark.parametrize(
    ("part", "query", "status"),
    [
        ("/channel", {"layer": "trunk.99"}, 404),
        ("/channel", {"network": "E"}, 400),
        ("/channel", {"layer": "trunk.3", "channel": 96}, 404),
        ("/channel", {"layer": "trunk.3", "channel": "x"}, 400),
        ("/unit", {"layer": "trunk.4", "channel": 0, "y": 14}, 404),
        ("/unit", {"layer": "trunk.5", "channel": 0}, 409),
        ("", {"model": "none"}, 404),
        ("", {"digit": 10}, 400),
    ],
)
def test_inside_refuses_what_the_networks_lack(
    client: httpx.Client, part: str, query: dict[str, Any], status: int
) -> None:
    assert inside(client, part, status=status, **query)["error"].endswith(".")


def test_inside_works_for_the_networks_of_a_plugin(tiny_config: Config, tmp_path: Path) -> None:
    file = write_plugin(tmp_path)
    config = dataclasses.replace(
        tiny_config,
        generator=dataclasses.replace(tiny_config.generator, family="ideas.dropped"),
        discriminator=dataclasses.replace(tiny_config.discriminator, family="ideas.dropped"),
    )
    experiment.run(config, name="own", runs_dir=tmp_path / "runs", plugin=file)
    with serving(tmp_path / "runs", plugin=file) as running:
        found = inside(running.client, model="own")
        layers = found["generator"]["layers"]
        assert [layer["title"] for layer in layers[-2:]] == ["dense layer", "Generator"]
        assert layers[-1]["has_maps"]
        dense = next(each for each in found["discriminator"]["layers"] if each["title"] == "dense layer")
        assert not dense["has_maps"]
        unit = inside(running.client, "/unit", model="own", network="D", layer=dense["name"], channel=3)
        assert unit["value"] == pytest.approx(values_of(dense["maps"])[0, 0, 3], abs=dense["maps"]["limit"] / 100)
        channel = inside(running.client, "/channel", model="own", network="D", layer=dense["name"], channel=3)
        assert len(channel["strongest"]) > 0

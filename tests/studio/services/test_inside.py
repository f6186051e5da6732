"""Anatomy of a scene: scales of the maps, sums in words, and probes with and without training images."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mnist_gan.models.inspection import Layer, Unit
from mnist_gan.studio.services import inside
from mnist_gan.studio.services.inference import Inference
from mnist_gan.studio.services.inside import PROBED, Anatomy
from mnist_gan.studio.services.scene import Scene, View

VIEW = View(model="shipped", at=None, digit=4, seed=1, index=0, z=None, psi=1.0, sliders=(), mix=None, t=0.0)


def layer(output: torch.Tensor) -> Layer:
    return Layer(name="first", module=nn.Identity(), input=output, output=output)


@pytest.mark.parametrize(
    ("output", "channels", "shape", "values"),
    [
        (torch.tensor([[[[1.0, -2.0]], [[4.0, 0.0]]]]), [0], (1, 2), [32, -64]),
        (torch.tensor([[2.0, -1.0, 0.0]]), [0, 1, 2], (1, 3), [127, -64, 0]),
        (torch.zeros(1, 2), [0, 1], (1, 2), [0, 0]),
        (torch.tensor([-3.0]), [0], (1, 1), [-127]),
    ],
)
def test_maps_share_the_scale_of_their_layer(
    output: torch.Tensor, channels: list[int], shape: tuple[int, int], values: list[int]
) -> None:
    found = inside.maps_json(layer(output), channels)
    assert (found["height"], found["width"]) == shape
    assert np.frombuffer(base64.b64decode(found["values"]), np.int8).tolist() == values
    assert found["limit"] == float(output.abs().max())


def test_sum_in_numbers_names_the_strongest_inputs_and_adds_up_the_others() -> None:
    kernel = torch.tensor([1.0, -2.0, 4.0, 0.5, 0.25]).view(5, 1, 1)
    unit = Unit(patches=torch.ones(5, 1, 1), kernel=kernel, bias=0.125, top=0, left=0)
    found = inside._unit_json(unit, lambda channel: f"map {channel}")
    assert found["numbers"] == "3.875 = 0.125 + 4.000 + (-2.000) + 1.000 + 0.750 from 2 more"
    assert [part["name"] for part in found["inputs"]] == ["map 2", "map 1", "map 0", "map 3", "map 4"]
    assert (found["others"], found["others_sum"]) == (0, 0.0)


def test_channels_respond_to_generated_images_without_the_training_images(tmp_path: Path) -> None:
    inference = Inference(dict)
    model = inference.model("shipped")
    config = model.gan.config
    model.gan.config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=str(tmp_path)))
    anatomy = Anatomy(Scene.open(VIEW, inference, lambda: None), inference)
    found = anatomy.channel("D", "trunk.0", 0)
    assert found["images"] == "300 generated images"
    assert found["sentence"].startswith("Strongest on average for ")
    assert model.gan.D in PROBED
    inference.close()


def test_blend_is_traced_as_it_is_drawn() -> None:
    inference = Inference(dict)
    blend = dataclasses.replace(VIEW, mix=9, t=0.5)
    with torch.inference_mode():
        anatomy = Anatomy(Scene.open(blend, inference, lambda: None), inference)
        traced = anatomy.trace("G")[-1].output
        assert torch.equal(anatomy.scene.G.shape.scaling.to_rest(traced), anatomy.image())
    inference.close()

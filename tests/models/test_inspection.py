"""Inside a network: traces, units and responses against direct computations with torch."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
import torch
from jaxtyping import Float
from tests.support.networks import D_CONFIGS, G_CONFIGS, build, images_of, label, labels_for, noise
from torch import Tensor, nn

from mnist_gan.models import Generator, ImageShape, inspection
from mnist_gan.models.inspection import Layer

SHAPE = ImageShape(channels=1, resolution=28, num_classes=10)
every_network = pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=lambda each: label(each))


def settled(config: Any, shape: ImageShape = SHAPE) -> Any:
    """A network in evaluation mode, with biases and last layers that are not 0."""
    network = build(config, shape).eval()
    with torch.no_grad():
        for seed, weight in enumerate(network.parameters()):
            weight += 0.1 * noise(*weight.shape, seed=seed)
    return network


def call(network: Any, n: int = 1) -> Any:
    given = noise(n, network.z_dim) if isinstance(network, Generator) else images_of(network.shape, n)
    return lambda: network(given, labels_for(network.shape, n))


class Odd(nn.Module):
    """A plug-in's network with layers of torch, one of them used twice, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 5, 5, stride=3, padding=2)
        self.down = nn.Conv2d(5, 5, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Linear(5, 2)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        x = self.relu(self.up(x))
        x = self.relu(self.down(x))
        result: Tensor = self.last(x.mean(dim=(2, 3)))
        return result


@every_network
def test_trace_ends_with_the_output_and_has_a_text_for_each_layer(config: Any) -> None:
    network = settled(config)
    compute = call(network)
    layers = inspection.trace(network, compute)
    assert torch.equal(layers[-1].output, compute())
    assert len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        assert inspection.text_of(layer).endswith(".")
        assert "plug-in" not in inspection.text_of(layer)
        assert inspection.title_of(layer)
        assert inspection.shape_text(layer).split()[0].replace(",", "").isdigit()


@every_network
def test_unit_equals_the_output_of_its_layer_at_every_corner(config: Any) -> None:
    network = settled(config)
    layers = inspection.trace(network, call(network))
    assert_units(layers, least=2)
    assert inspection.unit_of(layers[-1], channel=0) is not None or isinstance(network, Generator)


def test_unit_of_a_plugin_uses_the_weights_of_torch() -> None:
    network = Odd().eval()
    layers = inspection.trace(network, lambda: network(noise(1, 3, 4, 4)))
    assert [layer.name for layer in layers] == ["up", "relu", "down", "relu (2)", "last"]
    assert_units(layers, least=3)
    assert (layers[0].output < 0).any()  # recorded before the next layer changed it in place


def assert_units(layers: list[Layer], *, least: int) -> None:
    """Every unit of some channels and places is the number of its layer, and what follows is recorded, too."""
    found = 0
    for layer in layers:
        numbers = layer.output[0] if layer.maps is not None else layer.output[0].reshape(-1, 1, 1)
        _, height, width = numbers.shape
        for channel in {0, len(numbers) - 1}:
            for y, x in {(0, 0), (min(1, height - 1), min(2, width - 1)), (height - 1, width - 1)}:
                unit = inspection.unit_of(layer, channel=channel, y=y, x=x)
                if unit is not None:
                    found += 1
                    assert unit.total == pytest.approx(float(numbers[channel, y, x]), abs=1e-4)
    assert found >= least


def test_follow_names_normalization_and_activation() -> None:
    network = settled(G_CONFIGS[3])
    layers = inspection.trace(network, call(network))
    ups = [index for index, layer in enumerate(layers) if "transposed" in inspection.title_of(layer)]
    assert [inspection.title_of(each) for each in inspection.follow(layers, ups[0])] == ["BatchNorm", "leaky ReLU"]
    last = next(index for index, layer in enumerate(layers) if layer.name == "trunk.10")
    assert [inspection.title_of(each) for each in inspection.follow(layers, last)] == ["tanh"]
    overshooting = settled(dataclasses.replace(G_CONFIGS[3], overshoot=1.05))
    assert inspection.title_of(inspection.trace(overshooting, call(overshooting))[-1]) == "tanh, cut off"


def test_responses_are_the_peaks_of_each_channel_and_their_places() -> None:
    network = settled(D_CONFIGS[3])
    layers = inspection.trace(network, call(network, n=5))
    responses = inspection.responses_of(network, call(network, n=5))
    for layer in layers:
        flat = layer.output.reshape(5, layer.channels, -1)
        assert torch.equal(responses[layer.name].peaks, flat.amax(dim=2))
        assert torch.equal(responses[layer.name].places, flat.argmax(dim=2))
    halves = [inspection.responses_of(network, call(network, n=5))] * 2
    assert inspection.joined(halves)["trunk.0"].peaks.shape == (10, 6)


def test_without_channel_sets_one_map_to_zero() -> None:
    network = settled(D_CONFIGS[3])
    images, labels = images_of(SHAPE, 2), labels_for(SHAPE, 2)

    def direct() -> Tensor:
        x = network.trunk[0](images)
        x[:, 4] = 0
        for layer in list(network.trunk)[1:]:
            x = layer(x)
        result: Tensor = network.head(x, labels)
        return result

    found = inspection.without_channel(network, lambda: network(images, labels), layer="trunk.0", channel=4)
    with torch.no_grad():
        assert torch.allclose(found, direct())
        assert not torch.allclose(found, network(images, labels))


def test_box_is_the_patch_that_a_unit_sees() -> None:
    network = settled(D_CONFIGS[8])  # 4x4 convolutions with stride 2 and one pixel around the image
    images, labels = images_of(SHAPE, 2), labels_for(SHAPE, 2)
    boxes = inspection.seen_boxes(
        network,
        images,
        lambda leaf: network(leaf, labels),
        layer="trunk.0",
        channel=3,
        places=torch.tensor([0, 5 * 14 + 6]),
    )
    assert boxes == [(0, 0, 3, 3), (9, 11, 4, 4)]


@pytest.mark.parametrize("config", D_CONFIGS, ids=lambda each: label(each))
def test_logit_depends_on_the_whole_image_and_is_zero_without_itself(config: Any) -> None:
    network, labels = settled(config), labels_for(SHAPE, 2)
    places = torch.zeros(2, dtype=torch.int64)
    boxes = inspection.seen_boxes(
        network, images_of(SHAPE, 2), lambda leaf: network(leaf, labels), layer="head", channel=0, places=places
    )
    assert boxes == [(0, 0, 28, 28)] * 2
    assert not inspection.without_channel(network, call(network, n=2), layer="head", channel=0).any()
    assert inspection.responses_of(network, call(network, n=2))["head"].peaks.shape == (2, 1)


def test_trace_sees_its_own_thread_only() -> None:
    network = settled(D_CONFIGS[3])
    compute = call(network)
    alone = inspection.trace(network, compute)

    def crowded() -> Tensor:
        other = threading.Thread(target=compute)
        other.start()
        other.join()
        result: Tensor = compute()
        return result

    assert [layer.name for layer in inspection.trace(network, crowded)] == [layer.name for layer in alone]
    assert not any(module._forward_hooks for module in network.modules())

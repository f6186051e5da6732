"""Both networks at work on one picture: the maps of their layers, the sum behind one number, responses of a channel."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from mnist_gan import rng, sampling
from mnist_gan.artifacts.scoring import score_images
from mnist_gan.errors import DataError
from mnist_gan.models import inspection
from mnist_gan.models.inspection import Layer, Responses, Unit
from mnist_gan.studio import api
from mnist_gan.studio.errors import ConflictError, NotFoundError
from mnist_gan.studio.services.inference import Inference
from mnist_gan.studio.services.present import image_json, score_json
from mnist_gan.studio.services.scene import Scene
from mnist_gan.text import pluralize

MAX_MAPS: Final = 128
"""Maps of a layer in one answer; more are left out."""
MAX_NUMBERS: Final = 256
"""Numbers of a layer without maps."""
PROBES: Final = 300
"""Images that the channels respond to."""
PROBE_BATCH: Final = 50
STRONGEST: Final = 8
UNIT_INPUTS: Final = 6
"""Input channels of a unit that are shown; the others are added up."""
LISTED: Final = 3
"""Sums of input channels in the formula with numbers."""

Side: TypeAlias = Literal["G", "D"]
SIDES: Final[tuple[Side, ...]] = ("G", "D")


@dataclass(frozen=True, eq=False)
class Probe:
    """Responses of a network to many images."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None
    responses: dict[str, Responses]
    origin: str
    """The images in words."""


PROBED: Final[WeakKeyDictionary[nn.Module, Probe]] = WeakKeyDictionary()
"""Responses that have been computed, as long as their network is in memory."""


@dataclass(frozen=True)
class Anatomy:
    """Both networks of a scene. It computes, so it belongs into a queue."""

    scene: Scene
    inference: Inference

    @property
    def labels(self) -> Int64[Tensor, "1"] | None:
        """Label of the picture."""
        return self.scene.labels([self.scene.view.index])

    def draw(self) -> Float[Tensor, "1 c h w"]:
        """The generator's output."""
        view, G, z, labels = self.scene.view, self.scene.G, self.scene.latent(), self.labels
        if view.mix is None or labels is None or view.t == 0:
            return G(z, labels)  # type: ignore[no-any-return] # torch's own habit
        ends = G.embed(labels), G.embed(torch.full_like(labels, view.mix))
        return G.draw(z, sampling.lerp(*ends, view.t))

    def image(self) -> UInt8[Tensor, "1 c h w"]:
        """The picture."""
        return self.scene.draw(self.scene.latent(), self.labels)

    def judge(self) -> Float[Tensor, "1"]:
        """The discriminator's output for the picture."""
        return self._judge_all(self.image(), self.labels)

    def _judge_all(self, images: Tensor, labels: Tensor | None) -> Tensor:
        return self._judge_floats(self._to_network(images), labels)

    def _judge_floats(self, images: Tensor, labels: Tensor | None) -> Tensor:
        logits: Tensor = self.scene.model.gan.D(images, labels)
        return logits

    def _to_network(self, images: Tensor) -> Tensor:
        gan = self.scene.model.gan
        return gan.shape.scaling.to_network(images, gan.config.data.real_range)

    def network(self, side: Side) -> nn.Module:
        """A network."""
        return self.scene.G if side == "G" else self.scene.model.gan.D

    def compute(self, side: Side) -> Callable[[], Tensor]:
        """Forward pass of a network for the picture."""
        return self.draw if side == "G" else self.judge

    def trace(self, side: Side) -> list[Layer]:
        """Layers of a network for the picture."""
        layers = inspection.trace(self.network(side), self.compute(side))
        if not layers:
            raise ConflictError("This network is one single module; it has no layers to look at.")
        return layers

    def find(self, side: Side, name: str) -> tuple[list[Layer], int]:
        """All layers of a network, and the index of one.

        Raises:
            NotFoundError: there is none of this name.
        """
        layers = self.trace(side)
        index = next((index for index, layer in enumerate(layers) if layer.name == name), None)
        if index is None:
            raise NotFoundError(f"The network has no layer {name[:60]!r}; /api/inside lists its layers.")
        return layers, index

    def overview(self, *, maps: int) -> api.Inside:
        """Both networks with the first `maps` maps of each layer."""
        image = self.image()
        (score,) = score_images(self.scene.model.gan, image, labels=self.labels, label_source="requested")
        generator, discriminator = (
            api.InsideNetwork(layers=[layer_json(layer, maps=maps) for layer in self.trace(side)]) for side in SIDES
        )
        return {
            "image": image_json(image[0]),
            "generator": generator,
            "discriminator": discriminator,
            "logit": score.logit,
            "score": score_json(score),
        }

    def channel(self, side: Side, name: str, channel: int) -> api.InsideChannel:
        """One channel: its map, and what it responds to."""
        layers, index = self.find(side, name)
        layer = layers[index]
        check_channel(layer, channel)
        shown = layer.output[0].reshape(layer.channels, -1)[channel]
        probe, classes = self._probe(side), self.scene.model.gan.class_names
        responses = probe.responses.get(name)
        strongest = [] if responses is None else self._strongest(side, name, channel, probe, responses)
        by_class = [] if responses is None else _by_class(responses.peaks[:, channel], probe.labels, classes)
        return {
            "channel": channel,
            "maps": maps_json(layer, [channel]),
            "low": float(shown.min()),
            "high": float(shown.max()),
            "images": probe.origin,
            "classes": by_class,
            "strongest": strongest,
            "without": self._without(side, name, channel),
            "sentence": _response_sentence(by_class),
        }

    def unit(self, side: Side, name: str, channel: int, *, y: int, x: int) -> api.InsideUnit:
        """The sum behind one number of a layer.

        Raises:
            ConflictError: the layer is no weighted sum.
        """
        layers, index = self.find(side, name)
        layer = layers[index]
        check_channel(layer, channel)
        height, width = layer.output.shape[-2:] if layer.maps is not None else (1, 1)
        if y >= height or x >= width:
            raise NotFoundError(f"y and x must be below {height} and {width} in this layer.")
        unit = inspection.unit_of(layer, channel=channel, y=y, x=x)
        if unit is None:
            raise ConflictError(f"The numbers of {name} ({inspection.title_of(layer)}) are no weighted sums.")
        function = inspection.function_of(layer)
        steps = inspection.follow(layers, index)
        return {
            **_unit_json(unit, self._input_names(side, layers, index)),
            "channel": channel,
            "y": y,
            "x": x,
            "steps": [{"title": inspection.title_of(each), "value": _number(each, channel, y, x)} for each in steps],
            "formula": inspection.formula_of(layer),
            "call": inspection.call_of(layer),
            "function": f"{function.__module__}.{function.__qualname__}",
            "source": _source(function),
        }

    def _input_names(self, side: Side, layers: list[Layer], index: int) -> Callable[[int], str]:
        """Names of the input channels of a layer."""
        if layers[index].input.ndim > 2:
            return lambda channel: f"map {channel}"
        z_dim = self.scene.G.z_dim
        if side == "G" and index == 0:
            return lambda place: f"z[{place}]" if place < z_dim else f"label[{place - z_dim}]"
        return lambda place: f"input {place}"

    def _without(self, side: Side, name: str, channel: int) -> api.Without:
        if name == "output":
            return {"image": None, "logit": None}
        found = inspection.without_channel(self.network(side), self.compute(side), layer=name, channel=channel)
        if side == "D":
            return {"image": None, "logit": float(found.flatten()[0])}
        return {"image": image_json(self.scene.G.shape.scaling.to_rest(found)[0]), "logit": None}

    def _probe(self, side: Side) -> Probe:
        network = self.network(side)
        if network not in PROBED:
            PROBED[network] = self._probe_generator() if side == "G" else self._probe_discriminator()
        return PROBED[network]

    def _probe_generator(self) -> Probe:
        G, (z, labels) = self.scene.G, self._latents()
        images: list[Tensor] = []

        def draw(rows: slice) -> None:
            drawn = G(z[rows], None if labels is None else labels[rows])
            images.append(G.shape.scaling.to_rest(drawn))

        parts = [inspection.responses_of(G, partial(draw, rows)) for rows in self._batches(len(z))]
        return Probe(torch.cat(images), labels, inspection.joined(parts), f"{PROBES} generated images")

    def _probe_discriminator(self) -> Probe:
        images, labels, origin = self._real_images()
        given = labels if self.scene.model.gan.conditional else None

        def judge(rows: slice) -> None:
            self._judge_all(images[rows], None if given is None else given[rows])

        D = self.network("D")
        parts = [inspection.responses_of(D, partial(judge, rows)) for rows in self._batches(len(images))]
        return Probe(images, labels, inspection.joined(parts), origin)

    def _batches(self, n: int) -> list[slice]:
        batches = []
        for start in range(0, n, PROBE_BATCH):
            self.scene.check()
            batches.append(slice(start, start + PROBE_BATCH))
        return batches

    def _latents(self) -> tuple[Tensor, Tensor | None]:
        gan = self.scene.model.gan
        labels = sampling.cycle_labels(gan.classes, n=PROBES) if gan.conditional else None
        return sampling.draw_latents(self.scene.G, n=PROBES, seed=rng.derive_seed(0, "inside")), labels

    def _real_images(self) -> tuple[Tensor, Tensor | None, str]:
        """Training images if they are on this machine, otherwise generated ones."""
        gan = self.scene.model.gan
        try:
            data = self.inference.training_data(gan.config.data)
        except DataError:
            data = None
        if data is None or data.images.shape[1:] != (gan.shape.channels, gan.shape.resolution, gan.shape.resolution):
            z, labels = self._latents()
            return sampling.render(gan.G, z, labels), labels, f"{PROBES} generated images"
        images = data.images[:PROBES]
        return images, data.labels[:PROBES], pluralize(len(images), "training image")

    def _strongest(
        self, side: Side, name: str, channel: int, probe: Probe, responses: Responses
    ) -> list[api.StrongImage]:
        peaks = responses.peaks[:, channel]
        order = peaks.argsort(descending=True, stable=True)[:STRONGEST]
        boxes: list[tuple[int, int, int, int]] | None = None
        if side == "D":
            labels = None if probe.labels is None or not self.scene.model.gan.conditional else probe.labels[order]
            boxes = inspection.seen_boxes(
                self.network("D"),
                self._to_network(probe.images[order]),
                lambda leaf: self._judge_floats(leaf, None if labels is None else labels.clone()),
                layer=name,
                channel=channel,
                places=responses.places[order, channel],
            )
        names = self.scene.model.gan.class_names
        return [
            {
                **image_json(probe.images[row]),
                "value": float(peaks[row]),
                "class_name": names[int(probe.labels[row])] if probe.labels is not None and names else None,
                "box": None if boxes is None else boxes[place],
            }
            for place, row in enumerate(order.tolist())
        ]


def check_channel(layer: Layer, channel: int) -> None:
    """Check the number of a channel.

    Raises:
        NotFoundError: the layer has fewer.
    """
    if channel >= layer.channels:
        raise NotFoundError(f"{layer.name} has the channels 0 to {layer.channels - 1}.")


def layer_json(layer: Layer, *, maps: int) -> api.InsideLayer:
    """A layer as JSON values, with its first maps."""
    has_maps = layer.maps is not None
    return {
        "name": layer.name,
        "title": inspection.title_of(layer),
        "shape": inspection.shape_text(layer),
        "text": inspection.text_of(layer),
        "has_maps": has_maps,
        "has_units": inspection.unit_of(layer, channel=0) is not None,
        "count": layer.channels,
        "maps": maps_json(layer, list(range(min(layer.channels, maps if has_maps else MAX_NUMBERS)))),
    }


def maps_json(layer: Layer, channels: list[int]) -> api.Maps:
    """Some maps of a layer, on one scale for all maps of it; a list of numbers is a map of one row."""
    output = layer.output[0]
    limit = float(output.abs().max())
    has_maps = layer.maps is not None
    chosen = output[channels] if has_maps else output.reshape(-1)[channels].view(1, 1, -1)
    values = (chosen / limit * 127 if limit > 0 else torch.zeros_like(chosen)).round().to(torch.int8)
    return {
        "height": chosen.shape[-2],
        "width": chosen.shape[-1],
        "channels": channels,
        "values": base64.b64encode(values.contiguous().numpy().tobytes()).decode(),
        "limit": limit,
    }


def _unit_json(unit: Unit, name_of: Callable[[int], str]) -> api.InsideUnit:
    products = unit.products
    sums = products.sum(dim=(1, 2)).double()
    order = sums.abs().argsort(descending=True, stable=True).tolist()
    shown = order[:UNIT_INPUTS]
    return {  # type: ignore[typeddict-item] # the caller adds the rest
        "top": unit.top,
        "left": unit.left,
        "inputs": [
            {
                "name": name_of(channel),
                "patch": unit.patches[channel].tolist(),
                "kernel": unit.kernel[channel].tolist(),
                "products": products[channel].tolist(),
                "sum": float(sums[channel]),
            }
            for channel in shown
        ],
        "others": len(order) - len(shown),
        "others_sum": float(sums[order[UNIT_INPUTS:]].sum()),
        "bias": unit.bias,
        "value": unit.total,
        "numbers": _in_numbers(unit, sums[order]),
    }


def _in_numbers(unit: Unit, sums: Tensor) -> str:
    """The sum in numbers: the bias, the strongest inputs, and the others together."""
    terms = [unit.bias, *sums[:LISTED].tolist()]
    others = len(sums) - LISTED
    text = " + ".join(_signed(term) for term in terms)
    if others > 0:
        text += f" + {_signed(float(sums[LISTED:].sum()))} from {others} more"
    return f"{unit.total:.3f} = {text}"


def _signed(value: float) -> str:
    return f"({value:.3f})" if value < 0 else f"{value:.3f}"


def _number(layer: Layer, channel: int, y: int, x: int) -> float:
    """One number of an output for the picture."""
    output = layer.output[0]
    return float(output[channel, y, x] if output.ndim == 3 else output.reshape(-1)[channel])


def _by_class(peaks: Tensor, labels: Tensor | None, names: tuple[str, ...]) -> list[api.ClassResponse]:
    """Mean response to the images of each class; empty without classes."""
    if labels is None or not names:
        return []
    present = [label for label in range(len(names)) if bool((labels == label).any())]
    return [{"class_name": names[label], "mean": float(peaks[labels == label].mean())} for label in present]


def _response_sentence(classes: list[api.ClassResponse]) -> str:
    if not classes:
        return "This model has no classes to compare."
    ordered = sorted(classes, key=lambda each: each["mean"])
    low, high = ordered[0], ordered[-1]
    return (
        f"Strongest on average for {high['class_name']} ({high['mean']:.2f}), weakest for {low['class_name']} "
        f"({low['mean']:.2f})."
    )


def _source(function: Callable[..., object]) -> str:
    """Source of a function; empty if it has none."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""

"""Inside a network: the output of each layer, the sum behind one number of it, and what a channel responds to.

Everything is observed with forward hooks on the real modules, so it works for the networks of plug-ins, too.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.models.base import ProjectionHead
from mnist_gan.models.layers import Conv, ConvUp, Dense, LeakyReLU, PiecewiseLinear, SpectralNorm

WHOLE: Final = (Conv, ConvUp, Dense, ProjectionHead)
"""Modules that count as one layer, although a normalization may be inside."""
ELEMENTWISE: Final = (
    LeakyReLU,
    nn.LeakyReLU,
    nn.ReLU,
    nn.GELU,
    nn.ELU,
    nn.SiLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Dropout,
    nn.Dropout2d,
)
"""Layers whose output at a place depends on their input at that place alone, in evaluation mode."""

See = Callable[[str, nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]
"""Gets the name of a layer, the layer, its inputs and its output; may return another output."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A layer during one forward pass."""

    name: str
    """Dotted name in the network, such as `trunk.3`; with a number if the layer is used again."""
    module: nn.Module
    input: Tensor
    output: Tensor
    labels: Int64[Tensor, "n"] | None = None
    """Second input of a head that has one."""

    @property
    def maps(self) -> Float[Tensor, "n c h w"] | None:
        """The output as maps; None if it is no image with several pixels."""
        return self.output if self.output.ndim == 4 and self.output[0, 0].numel() > 1 else None

    @property
    def channels(self) -> int:
        """Maps, or numbers of an output without maps."""
        return self.output.shape[1] if self.output.ndim > 1 else 1


def layers_of(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Layers of a network: modules without children, those of `WHOLE`, and blocks after their own layers."""
    for name, child in network.named_children():
        if isinstance(child, SpectralNorm):
            continue
        full = f"{prefix}{name}"
        is_whole = isinstance(child, WHOLE)
        if not is_whole:
            yield from layers_of(child, f"{full}.")
        if is_whole or not isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            yield full, child


def watch(network: nn.Module, compute: Callable[[], Any], see: See) -> Any:
    """Call `compute`, and `see` after each layer of `network`; returns the result of `compute`.

    Only calls of this thread are seen: another may compute with the same network.
    """
    thread, uses = threading.get_ident(), Counter[str]()

    def hook_of(name: str) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Tensor | None:
            given = tuple(each for each in (*args, *kwargs.values()) if isinstance(each, Tensor))
            if threading.get_ident() != thread or not given or not isinstance(output, Tensor):
                return None
            uses[name] += 1
            return see(name if uses[name] == 1 else f"{name} ({uses[name]})", module, given, output)

        return hook

    handles = [module.register_forward_hook(hook_of(name), with_kwargs=True) for name, module in layers_of(network)]
    try:
        return compute()
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def trace(network: nn.Module, compute: Callable[[], Tensor]) -> list[Layer]:
    """The layers of a network in the order in which they compute, and at last its output if no layer returned it."""
    layers: list[Layer] = []

    def see(name: str, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        first, second = given[0].detach().clone(), output.detach().clone()  # a later layer may work in place
        labels = given[1] if isinstance(module, ProjectionHead) and len(given) > 1 else None
        layers.append(Layer(name=name, module=module, input=first, output=second, labels=labels))

    result = watch(network, compute, see)
    if layers and not torch.equal(layers[-1].output, result):
        layers.append(Layer(name="output", module=network, input=layers[-1].output, output=result.detach().clone()))
    return layers


# One unit


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """The weighted sum behind one number of a convolution or a dense layer: sum of patches * kernel, plus the bias."""

    patches: Float[Tensor, "c h w"]
    """Inputs that the unit sees, of each input channel; 0 beyond the edge."""
    kernel: Float[Tensor, "c h w"]
    """Weights in the same order."""
    bias: float
    top: int
    left: int
    """Place of the first input in its map; may be beyond the edge."""

    @property
    def products(self) -> Float[Tensor, "c h w"]:
        """Weighted inputs."""
        return self.patches * self.kernel

    @property
    def total(self) -> float:
        """The sum, which the layer computes."""
        return float(self.products.double().sum()) + self.bias


@torch.no_grad()
def unit_of(layer: Layer, *, channel: int, y: int = 0, x: int = 0) -> Unit | None:
    """The sum behind the output of a layer for image 0 at a place; None if the layer is no weighted sum."""
    module, given = layer.module, layer.input[0]
    match module:
        case Conv():
            return _convolved(module, given, _weight(module)[channel], (channel, y, x), module.stride, module.padding)
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros") if _is_plain(module):
            stride, padding = module.stride[0], int(module.padding[0])
            return _convolved(module, given, module.weight[channel], (channel, y, x), stride, padding)
        case ConvUp():
            return _spread(module, given, module.weight[:, channel], (channel, y, x), 2, 1)
        case nn.ConvTranspose2d(groups=1, dilation=(1, 1)) if _is_plain(module):
            stride, padding = module.stride[0], int(module.padding[0])
            return _spread(module, given, module.weight[:, channel], (channel, y, x), stride, padding)
        case Dense() | nn.Linear() if given.ndim == 1:
            return _unit(module, given[:, None, None], _weight(module)[channel][:, None, None], channel, (0, 0))
        case ProjectionHead():
            kernel = _weight(module.psi)[0]
            if layer.labels is not None and module.embedding is not None:
                spectral = module.spectral or nn.Identity()
                kernel = kernel + spectral(module.embedding)[layer.labels[0]]
            return _unit(module.psi, given[:, None, None], kernel[:, None, None], 0, (0, 0))
    return None


def follow(layers: list[Layer], index: int) -> list[Layer]:
    """Layers after layer `index` that change each of its numbers alone: normalization, activation, final tanh."""
    found = []
    for layer in layers[index + 1 :]:
        # the output of a whole network that is no layer's is an activation of its last
        if not isinstance(layer.module, ELEMENTWISE) and layer.name != "output":
            break
        if layer.output.shape != layers[index].output.shape:
            break
        found.append(layer)
    return found


def _is_plain(module: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Square stride, and the same number of pixels added on all sides."""
    padding = module.padding
    return module.stride[0] == module.stride[1] and not isinstance(padding, str) and padding[0] == padding[1]


def _weight(module: Any) -> Tensor:
    spectral = getattr(module, "spectral", None)
    weight: Tensor = module.weight if spectral is None else spectral(module.weight)
    return weight


def _unit(module: Any, patches: Tensor, kernel: Tensor, channel: int, corner: tuple[int, int]) -> Unit:
    bias = 0.0 if module.bias is None else float(module.bias[channel])
    return Unit(patches=patches, kernel=kernel.detach(), bias=bias, top=corner[0], left=corner[1])


def _convolved(
    module: Any, given: Tensor, kernel: Tensor, place: tuple[int, int, int], stride: int, padding: int
) -> Unit:
    """A unit of a convolution: out[y, x] = sum over i, j of kernel[i, j] * given[stride * y + i - padding, ...]."""
    channel, y, x = place
    corner = stride * y - padding, stride * x - padding
    return _unit(module, _patch(given, corner, kernel.shape[1:]), kernel, channel, corner)


def _spread(module: Any, given: Tensor, kernel: Tensor, place: tuple[int, int, int], stride: int, padding: int) -> Unit:
    """A unit of a transposed convolution: input p reaches output stride * p + i - padding by kernel row i."""
    channel, y, x = place
    rows, top = _taps(y, kernel.shape[1], stride, padding)
    columns, left = _taps(x, kernel.shape[2], stride, padding)
    used = kernel[:, rows][:, :, columns]
    return _unit(module, _patch(given, (top, left), used.shape[1:]), used, channel, (top, left))


def _taps(place: int, size: int, stride: int, padding: int) -> tuple[list[int], int]:
    """Rows of the kernel that reach an output, in the order of their inputs, and the first input."""
    rows = [row for row in range(size) if (place + padding - row) % stride == 0][::-1]
    return rows, (place + padding - rows[0]) // stride


def _patch(given: Float[Tensor, "c h w"], corner: tuple[int, int], size: Sequence[int]) -> Float[Tensor, "c i j"]:
    """A part of all maps, with 0 beyond their edge."""
    (top, left), (height, width), (channels, rows, columns) = corner, size, given.shape
    patch = given.new_zeros(channels, height, width)
    y0, y1, x0, x1 = max(top, 0), min(top + height, rows), max(left, 0), min(left + width, columns)
    if y0 < y1 and x0 < x1:
        patch[:, y0 - top : y1 - top, x0 - left : x1 - left] = given[:, y0:y1, x0:x1]
    return patch


# Channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """The largest number of each channel of a layer for each of many images."""

    peaks: Float[Tensor, "n c"]
    places: Int64[Tensor, "n c"]
    """Row times width plus column of the peak."""


@torch.no_grad()
def responses_of(network: nn.Module, compute: Callable[[], Any]) -> dict[str, Responses]:
    """Responses of every layer to the images that `compute` passes through the network."""
    found: dict[str, Responses] = {}

    def see(name: str, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        peaks, places = _by_channel(output.detach()).max(dim=2)
        found[name] = Responses(peaks=peaks, places=places)

    watch(network, compute, see)
    return found


def joined(parts: list[dict[str, Responses]]) -> dict[str, Responses]:
    """Responses to several batches as one."""
    return {
        name: Responses(
            peaks=torch.cat([part[name].peaks for part in parts]),
            places=torch.cat([part[name].places for part in parts]),
        )
        for name in parts[0]
    }


@torch.no_grad()
def without_channel(network: nn.Module, compute: Callable[[], Tensor], *, layer: str, channel: int) -> Tensor:
    """The output of a network with one channel of a layer set to 0."""

    def see(name: str, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if name != layer:
            return None
        changed = output.clone()
        if changed.ndim > 1:
            changed[:, channel] = 0
        return changed if changed.ndim > 1 else torch.zeros_like(changed)

    result: Tensor = watch(network, compute, see)
    return result


def seen_boxes(
    network: nn.Module,
    images: Float[Tensor, "n c h w"],
    compute: Callable[[Tensor], Any],
    *,
    layer: str,
    channel: int,
    places: Int64[Tensor, "n"],
) -> list[tuple[int, int, int, int]]:
    """Rectangles (top, left, height, width) of the pixels that one number of a layer depends on, for each image.

    They are those with a gradient; a plain ReLU that is off hides some.
    """
    picked: list[Tensor] = []

    def see(name: str, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        if name == layer:
            flat = _by_channel(output)[:, channel]
            picked.append(flat.gather(1, places.clone()[:, None]).sum())  # a copy, as autograd keeps it

    with torch.inference_mode(False), torch.enable_grad():
        leaf = images.clone().requires_grad_()
        watch(network, lambda: compute(leaf), see)
        (gradient,) = torch.autograd.grad(picked[0], leaf)
    return [_box(each) for each in gradient.abs().sum(dim=1) > 0]


def _by_channel(output: Tensor) -> Float[Tensor, "n c p"]:
    """Places of each channel in a row; numbers without channels are one."""
    return output.reshape(len(output), output.shape[1] if output.ndim > 1 else 1, -1)


def _box(seen: Tensor) -> tuple[int, int, int, int]:
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    if not len(rows):
        return 0, 0, *seen.shape
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


# Words


def title_of(layer: Layer) -> str:
    """Name of a layer's kind."""
    module = layer.module
    match module:
        case Conv():
            size = f"{module.weight.shape[-1]}x{module.weight.shape[-1]} convolution"
            return size + (f", stride {module.stride}" if module.stride > 1 else "")
        case ConvUp():
            return "transposed 4x4 convolution, stride 2"
        case nn.Conv2d() | nn.ConvTranspose2d():
            kind = "transposed " if isinstance(module, nn.ConvTranspose2d) else ""
            size = "x".join(map(str, module.kernel_size))
            return f"{kind}{size} convolution" + (f", stride {module.stride[0]}" if module.stride[0] > 1 else "")
        case Dense() | nn.Linear():
            return "dense layer"
        case ProjectionHead():
            return "head"
    if layer.name == "output":
        if layer.maps is None:
            return "output"
        return "tanh, cut off" if getattr(module, "overshoot", 1.0) > 1 else "tanh"
    return TITLES.get(type(module).__name__, type(module).__name__)


def text_of(layer: Layer) -> str:
    """Sentences about what a layer does."""
    module, given = layer.module, layer.input
    inputs = given[0].numel()
    bias = "" if getattr(module, "bias", None) is None else ", plus a bias"
    match module:
        case Conv() | nn.Conv2d():
            size = module.weight.shape[-1]
            seen = f"a patch of {size}x{size} pixels" if size > 1 else "one pixel"
            before = "the map" if given.shape[1] == 1 else f"all {given.shape[1]} maps"
            return (
                f"Each number is a weighted sum over {seen} of {before} before it{bias}. The "
                "same weights are used at every place of a map."
            )
        case ConvUp() | nn.ConvTranspose2d():
            return (
                f"Each pixel of the {given.shape[1]} maps before it adds a weighted stamp to every new map, so the "
                f"resolution grows. At each place, the stamps that overlap there are summed{bias}."
            )
        case Dense() | nn.Linear():
            return f"Each number is a weighted sum of all {inputs:,} inputs{bias}."
        case ProjectionHead():
            label = " and a second sum with weights of the label" if module.embedding is not None else ""
            return f"The logit is a weighted sum of all {inputs:,} features, a bias{label}."
    if layer.name == "output":
        return "Limits every pixel to -1 (black) to 1 (white)." if layer.maps is not None else "The network's output."
    return TEXTS.get(type(module).__name__, "A module of the plug-in's own.")


def formula_of(layer: Layer) -> str:
    """Formula of one number of a weighted sum: channel k, row y, column x."""
    match layer.module:
        case Conv(stride=stride, padding=padding):
            return _convolution_formula(stride, padding)
        case nn.Conv2d() as module:
            return _convolution_formula(module.stride[0], int(module.padding[0]))
        case ConvUp() | nn.ConvTranspose2d() as module:
            stride, padding = (2, 1) if isinstance(module, ConvUp) else (module.stride[0], int(module.padding[0]))
            return (
                "out[k, y, x] = b[k] + the sum of in[c, p, q] * w[c, k, i, j] over all maps c and all places with "
                f"{stride} p + i - {padding} = y and {stride} q + j - {padding} = x"
            )
        case ProjectionHead():
            return "logit = b + the sum of (w[i] + e[label, i]) * in[i] over all features i"
        case _:
            return "out[k] = b[k] + the sum of w[k, i] * in[i] over all inputs i"


def _convolution_formula(stride: int, padding: int) -> str:
    def place(start: str, step: str) -> str:
        return f"{start if stride == 1 else f'{stride} {start}'} + {step}" + (f" - {padding}" if padding else "")

    return (
        "out[k, y, x] = b[k] + the sum of "
        f"w[k, c, i, j] * in[c, {place('y', 'i')}, {place('x', 'j')}] over all maps c and all i, j of the kernel"
    )


def call_of(layer: Layer) -> str:
    """The call of PyTorch that computes a weighted sum."""
    module = layer.module
    weight = "weight" if getattr(module, "spectral", None) is None else "spectral(weight)"
    match module:
        case Conv(stride=stride, padding=padding):
            return f"F.conv2d(x, {weight}, bias, stride={stride}, padding={padding})"
        case nn.Conv2d(stride=stride, padding=padding):
            return f"F.conv2d(x, weight, bias, stride={stride[0]}, padding={int(padding[0])})"
        case ConvUp():
            return "F.conv_transpose2d(x, weight, bias, stride=2, padding=1)"
        case nn.ConvTranspose2d(stride=stride, padding=padding):
            return f"F.conv_transpose2d(x, weight, bias, stride={stride[0]}, padding={int(padding[0])})"
        case ProjectionHead():
            return "psi(features) + (features * embedding[labels]).sum(dim=1)"
        case _:
            return f"F.linear(x, {weight}, bias)"


def function_of(layer: Layer) -> Callable[..., Any]:
    """The method that computes a layer."""
    module = layer.module
    return type(module).linearize if isinstance(module, PiecewiseLinear) else type(module).forward


def shape_text(layer: Layer) -> str:
    """Size of a layer's output in words."""
    maps = layer.maps
    if maps is not None:
        _, channels, height, width = maps.shape
        return f"{channels} {'map' if channels == 1 else 'maps'} of {height}x{width}"
    size = math.prod(layer.output.shape[1:])
    return "1 number" if size == 1 else f"{size:,} numbers"


TITLES: Final = {
    "LeakyReLU": "leaky ReLU",
    "BatchNorm1d": "BatchNorm",
    "BatchNorm2d": "BatchNorm",
    "Flatten": "flatten",
    "Unflatten": "fold",
    "AvgPool": "average pooling",
    "Upsample": "upsampling",
    "ResidualBlock": "sum of the block",
    "WithProfiles": "profiles of the image",
}
TEXTS: Final = {
    "LeakyReLU": "Keeps positive numbers and divides negative ones by five, each alone. Without it, all layers would "
    "together be one weighted sum.",
    "ReLU": "Keeps positive numbers and replaces negative ones by 0, each alone.",
    "Tanh": "Limits every number to -1 to 1.",
    "Sigmoid": "Limits every number to 0 to 1.",
    "BatchNorm1d": "Shifts and scales each number to the mean and spread that were learned.",
    "BatchNorm2d": "Shifts and scales each map to the mean and spread that were learned.",
    "Dropout": "Drops numbers at random during training, and does nothing now.",
    "Flatten": "Writes all maps as one list of numbers; nothing is computed.",
    "Unflatten": "Folds the list of numbers into maps; nothing is computed.",
    "AvgPool": "Averages over 2x2 pixels, which halves the resolution.",
    "Upsample": "Repeats every pixel, which doubles the resolution.",
    "ResidualBlock": "Adds what the block computed to what came into it.",
    "WithProfiles": "Appends the mean and the maximum of each row and column of the image to the list.",
}

"""Plan of a network for the exported page: its layers as plain values, its weights as two arrays.

A page computes with channels last, as the weights of `Flatten` and `Unflatten` are ordered. Every linear layer is
`scale * (W x) + shift`, with one scale and shift per output, which include BatchNorm and bias. Weights that are float16
already keep their values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_gan.errors import ConfigError
from mnist_gan.exports.networks import portable_copy
from mnist_gan.models import Discriminator, Generator
from mnist_gan.models.layers import (
    MEAN_GAIN,
    AvgPool,
    Conv,
    ConvUp,
    Dense,
    Flatten,
    LeakyReLU,
    ResidualBlock,
    Unflatten,
    WithProfiles,
)

Layer: TypeAlias = dict[str, Any]
_Vector: TypeAlias = Float64[np.ndarray, "n"]

UP_KERNEL: Final = 4
UP_TAPS: Final = ((3, 1), (2, 0))
"""Taps of a transposed 4x4 convolution that meet an even and an odd output, in the order of the inputs."""


@dataclass
class Weights:
    """Weights of a page: matrices as float16 with a power of two as their unit, vectors as float32."""

    halves: list[NDArray[np.float16]] = field(default_factory=list)
    singles: list[NDArray[np.float32]] = field(default_factory=list)

    def add_matrix(self, matrix: NDArray[np.floating[Any]]) -> tuple[int, float]:
        """Add a matrix; return its place and its unit."""
        largest = float(np.abs(matrix).max(initial=0.0))
        unit = 2.0 ** math.ceil(math.log2(largest)) if largest > 0 else 1.0
        place = sum(map(len, self.halves))
        self.halves.append((matrix.astype(np.float64) / unit).astype("<f2").ravel())
        return place, unit

    def add_vector(self, vector: NDArray[np.floating[Any]]) -> int:
        """Add a vector; return its place."""
        place = sum(map(len, self.singles))
        self.singles.append(vector.astype("<f4").ravel())
        return place

    def content(self) -> tuple[bytes, bytes]:
        """All matrices as little-endian float16, all vectors as little-endian float32."""
        return b"".join(map(_bytes, self.halves)), b"".join(map(_bytes, self.singles))


@dataclass
class _Linear:
    """A linear layer whose scale and shift the BatchNorm after it may still change."""

    layer: Layer
    matrix: NDArray[np.floating[Any]]
    scale: _Vector
    shift: _Vector


def plan_generator(G: Generator, weights: Weights) -> dict[str, Any]:
    """The layers of a generator after the concatenation of z and label embedding, and the place of the embeddings.

    Raises:
        ConfigError: it has a layer that a page cannot compute.
    """
    copy = portable_copy(G, "float32")
    embedding = None if copy.embedding is None else weights.add_vector(_array(copy.embedding))
    layers = plan_layers(copy.trunk, weights)
    return {"z_dim": copy.z_dim, "embedding": embedding, "overshoot": copy.overshoot, "layers": layers}


def plan_discriminator(D: Discriminator, weights: Weights) -> dict[str, Any]:
    """The layers of a discriminator. Output 0 is the logit without a label, output 1 + k the projection of label k.

    Raises:
        ConfigError: it has a layer that a page cannot compute.
    """
    copy = portable_copy(D, "float32")
    head = copy.head
    rows = (head.psi.weight,) if head.embedding is None else (head.psi.weight, head.embedding)
    matrix = _array(torch.cat(rows))
    shift = np.zeros(len(matrix))
    if head.psi.bias is not None:
        shift[0] = float(head.psi.bias[0])
    linear = _Linear(_dense(matrix), matrix, np.ones(len(matrix)), shift)
    return {"layers": [*plan_layers(copy.trunk, weights), _finish(linear, weights)]}


def plan_layers(trunk: nn.Sequential, weights: Weights) -> list[Layer]:
    """Plain descriptions of the layers; BatchNorm disappears in the layer before it.

    Raises:
        ConfigError: a layer is not of this package's families.
    """
    planned: list[Layer | _Linear] = []
    for layer in trunk:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            _normalize(next(item for item in reversed(planned) if isinstance(item, _Linear)), layer)
        elif not isinstance(layer, Flatten):  # channels are last already
            planned.append(_plan(layer, weights))
    return [_finish(item, weights) if isinstance(item, _Linear) else item for item in planned]


def _plan(layer: nn.Module, weights: Weights) -> Layer | _Linear:
    match layer:
        case Dense():
            matrix = _array(layer.weight)
            return _linear(_dense(matrix), matrix, layer.bias)
        case Conv():
            matrix = _array(layer.weight.permute(0, 2, 3, 1))  # [out, k, k, in]
            outputs, kernel, _, inputs = matrix.shape
            described = {"kind": "conv", "inputs": inputs, "outputs": outputs, "kernel": kernel}
            return _linear(described | {"stride": layer.stride, "padding": layer.padding}, matrix, layer.bias)
        case ConvUp():
            return _plan_up(layer)
        case ResidualBlock():
            inner = nn.Sequential(layer.first, layer.activation, layer.last)
            return {"kind": "residual", "layers": plan_layers(inner, weights)}
        case WithProfiles():
            return {"kind": "profiles", "gain": MEAN_GAIN, "layers": plan_layers(layer.layers, weights)}
        case Unflatten():
            return {"kind": "shape", "channels": layer.channels, "side": layer.resolution}
        case LeakyReLU():
            return {"kind": "leaky"}
        case AvgPool():
            return {"kind": "pool"}
        case nn.Upsample(mode="nearest", scale_factor=2):
            return {"kind": "upsample"}
    raise ConfigError(
        f"a page cannot compute the layer {type(layer).__name__} of this model, which is not of the families mlp, "
        "dcgan and resnet; export it with --to onnx"
    )


def _plan_up(layer: ConvUp) -> _Linear:
    """A transposed convolution as four 2x2 convolutions, one for each parity of the output's row and column."""
    taps = _array(layer.weight.permute(2, 3, 1, 0))  # [k, k, out, in]
    parts = [
        np.stack([[taps[ky, kx] for kx in UP_TAPS[right]] for ky in UP_TAPS[down]])  # [2, 2, out, in]
        for down in (0, 1)
        for right in (0, 1)
    ]
    matrix = np.stack(parts).transpose(0, 3, 1, 2, 4)  # [4, out, 2, 2, in]
    described = {"kind": "up", "inputs": matrix.shape[-1], "outputs": matrix.shape[1]}
    return _linear(described, matrix, layer.bias)


def _dense(matrix: NDArray[np.floating[Any]]) -> Layer:
    return {"kind": "dense", "inputs": matrix.shape[1], "outputs": matrix.shape[0]}


def _linear(layer: Layer, matrix: NDArray[np.floating[Any]], bias: Tensor | None) -> _Linear:
    outputs = int(layer["outputs"])
    shift = np.zeros(outputs) if bias is None else _array(bias).astype(np.float64)
    return _Linear(layer, matrix, np.ones(outputs), shift)


def _normalize(linear: _Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Apply BatchNorm in evaluation mode to the outputs; after `Unflatten`, output i has channel i % channels."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = _array(norm.weight).astype(np.float64) / np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)
    shift = _array(norm.bias) - _array(norm.running_mean) * scale
    size = len(linear.scale)
    linear.shift = linear.shift * np.resize(scale, size) + np.resize(shift, size)
    linear.scale = linear.scale * np.resize(scale, size)


def _finish(linear: _Linear, weights: Weights) -> Layer:
    place, unit = weights.add_matrix(linear.matrix)
    scale, shift = weights.add_vector(linear.scale * unit), weights.add_vector(linear.shift)
    return {**linear.layer, "weight": place, "scale": scale, "shift": shift}


def _array(tensor: Tensor) -> Float[np.ndarray, "..."]:
    return tensor.detach().numpy()


def _bytes(array: NDArray[Any]) -> bytes:
    return array.tobytes()

"""Layers of the networks.

A discriminator of convolutions, dense layers, leaky ReLUs and average pooling is piecewise linear: near an image it is
an affine map, whose matrix is the gradient with respect to the image. `linearize` of such a layer returns its output
and its pullback, the product of a gradient with the transposed matrix. The chain of the pullbacks computes the input
gradient as a forward pass (`Discriminator.input_gradient`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float
from torch import Tensor, nn

SLOPE: Final = 0.2
"""Negative slope of every leaky ReLU."""
HIDDEN_GAIN: Final = math.sqrt(2.0 / (1.0 + SLOPE**2))
"""Gain that preserves the variance through a leaky ReLU (He et al. 2015, eq. 15)."""

MEAN_GAIN: Final = 4.0
"""Factor of the means in the profiles of an image, whose spread is then about that of the maxima."""

Pullback: TypeAlias = Callable[[Tensor], Tensor]


class PiecewiseLinear(nn.Module, ABC):
    """A layer that is affine around almost every input."""

    @property
    def linearizable(self) -> bool:
        """False if a layer within this one is not piecewise linear."""
        return True

    @abstractmethod
    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The output, and the function from its gradient to the gradient of `x`."""

    def forward(self, x: Tensor) -> Tensor:
        """The output of `linearize`."""
        return self.linearize(x)[0]


def linearizable(layers: Iterable[nn.Module]) -> bool:
    """True if `linearize` accepts these layers."""
    return all(isinstance(layer, PiecewiseLinear) and layer.linearizable for layer in layers)


def linearize(layers: Iterable[nn.Module], x: Tensor) -> tuple[Tensor, Pullback]:
    """`PiecewiseLinear.linearize` of a sequence of layers.

    Raises:
        TypeError: a layer is not piecewise linear.
    """
    pullbacks: list[Pullback] = []
    for layer in layers:
        if not isinstance(layer, PiecewiseLinear):
            raise TypeError(f"{type(layer).__name__} is not piecewise linear")
        x, pullback = layer.linearize(x)
        pullbacks.append(pullback)

    def pullback_all(gradient: Tensor) -> Tensor:
        for pullback in reversed(pullbacks):
            gradient = pullback(gradient)
        return gradient

    return x, pullback_all


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value (Miyato et al. 2018, eq. 8).

    The weight counts as a matrix with one row per output. Each forward pass in training mode takes one step of power
    iteration (their Algorithm 1). The only state is the buffer `u`, the estimate of the first left singular vector.
    """

    u: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("u", torch.full((rows,), rows**-0.5))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided by the estimated singular value, which is differentiable; `u` and `v` are constants."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)  # [out, in * k * k]
            u, v = self._iterate(matrix.detach(), steps=1 if self.training else 0)
            sigma = u @ matrix @ v
            return weight / sigma

    def reset(self, weight: Tensor, generator: torch.Generator, *, steps: int = 20) -> None:
        """Draw a random `u` and take `steps` of power iteration towards the singular vector of `weight`."""
        self.u.normal_(generator=generator)
        self.u.copy_(_unit(self.u))
        self._iterate(weight.detach().flatten(1), steps=steps)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor, *, steps: int) -> tuple[Tensor, Tensor]:
        u = self.u
        for _ in range(steps):
            u = _unit(matrix @ _unit(matrix.t() @ u))
        if steps:
            self.u.copy_(u)  # a copy: the graph keeps the u that it used
        return u, _unit(matrix.t() @ u)


class Conv(PiecewiseLinear):
    """2-d convolution with a square kernel, optionally spectrally normalized."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        bias: bool = True,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, (kernel - 1) // 2
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.spectral = SpectralNorm(out_channels) if spectral else None

    @property
    def fan_in(self) -> int:
        """Inputs per output."""
        return self.weight[0].numel()

    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The pullback is the transposed convolution with the same weight."""
        weight = self.weight if self.spectral is None else self.spectral(self.weight)
        if self._joins_pixels(x):
            return _convolve_blocks(x, weight, self.bias)
        out = F.conv2d(x, weight, self.bias, stride=self.stride, padding=self.padding)
        rest = (
            x.shape[-1] + 2 * self.padding - weight.shape[-1]
        ) % self.stride  # rows of the input that no output uses

        def pullback(gradient: Tensor) -> Tensor:
            return F.conv_transpose2d(gradient, weight, stride=self.stride, padding=self.padding, output_padding=rest)

        return out, pullback

    def _joins_pixels(self, x: Tensor) -> bool:
        """True if the gradient of an image is wanted, whose few channels the convolution library pads to 16."""
        strided = self.stride == 2 and self.weight.shape[2:] == (4, 4) and x.shape[-2] % 2 == x.shape[-1] % 2 == 0
        return strided and self.weight.shape[1] < 4 and x.requires_grad


class ConvUp(nn.Module):
    """Transposed 4x4 convolution with stride 2, which doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels, 4, 4))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    @property
    def fan_in(self) -> int:
        """Inputs per output: 2x2 of the 4x4 taps of the kernel meet an input."""
        return self.weight.shape[0] * 4

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d 2*h 2*w"]:
        """Double the resolution."""
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)


class Dense(PiecewiseLinear):
    """Fully connected layer, optionally spectrally normalized."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, spectral: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.spectral = SpectralNorm(out_features) if spectral else None

    @property
    def fan_in(self) -> int:
        """Inputs per output."""
        return self.weight.shape[1]

    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The pullback multiplies by the transposed weight."""
        weight = self.weight if self.spectral is None else self.spectral(self.weight)
        return F.linear(x, weight, self.bias), lambda gradient: gradient @ weight


class LeakyReLU(PiecewiseLinear):
    """max(x, SLOPE * x)."""

    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The pullback multiplies by the slope at each input, which counts as a constant."""
        given = x.detach()

        def pullback(gradient: Tensor) -> Tensor:
            # one pass over memory; torch.where and a product take three
            scaled: Tensor = torch.ops.aten.leaky_relu_backward(gradient, given, SLOPE, False)
            return scaled

        return F.leaky_relu(x, SLOPE), pullback

    def forward(self, x: Tensor) -> Tensor:
        """The activation."""
        return F.leaky_relu(x, SLOPE)


class Flatten(PiecewiseLinear):
    """(N, C, H, W) to (N, H*W*C), without a copy for channels-last images."""

    def linearize(self, x: Float[Tensor, "n c h w"]) -> tuple[Tensor, Pullback]:
        """The pullback is `unflatten`."""
        _, channels, height, width = x.shape
        flat = x.permute(0, 2, 3, 1).flatten(1)  # [N, H*W*C]
        return flat, lambda gradient: unflatten(gradient, channels=channels, height=height, width=width)


class Unflatten(nn.Module):
    """(N, H*W*C) to (N, C, H, W) in channels-last memory layout."""

    def __init__(self, *, channels: int, resolution: int) -> None:
        super().__init__()
        self.channels, self.resolution = channels, resolution

    def forward(self, x: Float[Tensor, "n hwc"]) -> Float[Tensor, "n c h w"]:
        """The images, as a view."""
        return unflatten(x, channels=self.channels, height=self.resolution, width=self.resolution)


def unflatten(x: Tensor, *, channels: int, height: int, width: int) -> Tensor:
    """Inverse of `Flatten`, as a view."""
    return x.view(-1, height, width, channels).permute(0, 3, 1, 2)


class WithProfiles(PiecewiseLinear):
    """Features of some layers, and after them the profiles of the image: mean and maximum of each row and column.

    They show where a drawing begins and ends and where its centre lies, which features of small patches tell only
    together. Values count from black, -1.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    @property
    def linearizable(self) -> bool:
        """True if the layers before the profiles are."""
        return linearizable(self.layers)

    @staticmethod
    def length(channels: int, resolution: int) -> int:
        """Number of values in the profiles."""
        return 4 * channels * resolution

    def linearize(self, x: Float[Tensor, "n c h w"]) -> tuple[Tensor, Pullback]:
        """The pullback shares the gradient of a mean among its pixels, and gives that of a maximum to the brightest."""
        features, pullback = linearize(self.layers, x)
        profiles, brightest = _profiles(x)
        width, (n, channels, height, _) = features.shape[1], x.shape

        def pullback_all(gradient: Tensor) -> Tensor:
            total = pullback(gradient[:, :width])
            lines = gradient[:, width:].to(total.dtype).view(n, 4, channels, height)
            for kind, dim in enumerate((3, 2)):
                mean, maximum = lines[:, kind].unsqueeze(dim), lines[:, 2 + kind].unsqueeze(dim)
                total = total + (MEAN_GAIN / height) * mean
                total = total + torch.zeros_like(total).scatter(dim, brightest[kind], maximum)
            return total

        return torch.cat([features, profiles.to(features.dtype)], dim=1), pullback_all

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        """Features and profiles."""
        features: Tensor = self.layers(x)
        return torch.cat([features, _profiles(x)[0].to(features.dtype)], dim=1)


class AvgPool(PiecewiseLinear):
    """Average over 2x2 pixels, which halves the resolution."""

    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The pullback gives each of the four pixels a quarter of the gradient."""
        return F.avg_pool2d(x, 2), lambda gradient: 0.25 * F.interpolate(gradient, scale_factor=2, mode="nearest")


class ResidualBlock(PiecewiseLinear):
    """x + conv(leaky_relu(conv(x))) with 3x3 convolutions."""

    def __init__(self, width: int, *, spectral: bool = False) -> None:
        super().__init__()
        self.first = Conv(width, width, kernel=3, spectral=spectral)
        self.activation = LeakyReLU()
        self.last = Conv(width, width, kernel=3, spectral=spectral)

    def linearize(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The pullback adds the gradients of both paths."""
        out, pullback = linearize((self.first, self.activation, self.last), x)
        return x + out, lambda gradient: gradient + pullback(gradient)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both paths."""
        out: Tensor = x + self.last(self.activation(self.first(x)))
        return out


def _profiles(x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n p"], list[Tensor]]:
    """Profiles of square images, and the place of the maximum in each row (dim 3) and column (dim 2)."""
    above_black = x + 1.0
    means = [MEAN_GAIN * above_black.mean(dim) for dim in (3, 2)]
    maxima = [above_black.max(dim, keepdim=True) for dim in (3, 2)]
    profiles = [*means, *(maximum.values for maximum in maxima)]
    return torch.cat([profile.flatten(1) for profile in profiles], dim=1), [maximum.indices for maximum in maxima]


def _convolve_blocks(
    x: Float[Tensor, "n c h w"], weight: Float[Tensor, "d c 4 4"], bias: Float[Tensor, "d"] | None
) -> tuple[Float[Tensor, "n d ..."], Pullback]:
    """Convolution with stride 2 as one of blocks of 2x2 pixels, which is the same sum, and its pullback.

    The gradient of an image takes a third of the time.
    """
    blocks = F.pixel_unshuffle(F.pad(x, (1, 1, 1, 1)), 2)  # [N, 4 * C, H / 2 + 1, W / 2 + 1]
    kernel = F.pixel_unshuffle(weight, 2)  # [D, 4 * C, 2, 2]

    def pullback(gradient: Tensor) -> Tensor:
        return F.pixel_shuffle(F.conv_transpose2d(gradient, kernel), 2)[:, :, 1:-1, 1:-1]

    return F.conv2d(blocks, kernel, bias), pullback


def normal_(weight: Tensor, *, gain: float, fan_in: int, generator: torch.Generator) -> None:
    """Fill `weight` with samples of N(0, gain**2 / fan_in), in place; a tensor without content stays as it is."""
    if weight.is_meta:
        return  # torch would import its compiler for it, which takes a second
    with torch.no_grad():
        weight.normal_(0.0, gain / math.sqrt(fan_in), generator=generator)


def _unit(vector: Tensor) -> Tensor:
    return F.normalize(vector, dim=0, eps=1e-12)

"""Numbers at rest and in the networks.

Images are uint8 pixels at rest, points are float32 coordinates in their own units. The networks compute with numbers in
about [-1, 1]. A `Scaling` converts between the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

AtRest: TypeAlias = UInt8[Tensor, "n c h w"] | Float32[Tensor, "n c h w"]
"""Images, uint8 (N, C, H, W), or points, float32 (N, coordinates, 1, 1)."""
MARGIN: Final = 1.25
"""Range of the networks over the extent of the points: a tanh reaches its ends only in the limit."""


def to_float(images: UInt8[Tensor, "*shape"], real_range: tuple[float, float] = (-1.0, 1.0)) -> Float[Tensor, "*shape"]:
    """Scale 0..255 to float32 in `real_range`; the ends are exact for [-1, 1] and [0, 1]."""
    low, high = real_range
    return images.to(torch.float32).div_(255 / (high - low)).add_(low)


def to_uint8(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Map images from [-1, 1] to 0..255, rounded and clamped: the exact inverse of `to_float`."""
    return images.to(torch.float32).add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pixels:
    """Scaling of uint8 images."""

    dtype: ClassVar[torch.dtype] = torch.uint8

    def to_network(
        self, images: UInt8[Tensor, "n c h w"], real_range: tuple[float, float] = (-1.0, 1.0)
    ) -> Float[Tensor, "n c h w"]:
        """Scale 0..255 to `real_range`."""
        return to_float(images, real_range)

    def to_rest(self, images: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
        """Map [-1, 1] to 0..255, rounded and clamped."""
        return to_uint8(images)


@dataclass(frozen=True, kw_only=True, slots=True)
class Coordinates:
    """Scaling of points: an offset for each coordinate, and one factor for all, which keeps angles."""

    centre: tuple[float, ...]
    """Point that becomes the middle of the networks' range."""
    scale: float
    """Distance that becomes 1."""
    dtype: ClassVar[torch.dtype] = torch.float32

    def __post_init__(self) -> None:
        if not (self.centre and all(map(math.isfinite, (*self.centre, self.scale))) and self.scale > 0):
            raise ValueError(f"{self} is not a scaling: all numbers must be finite, and the scale above 0")

    @classmethod
    def of(cls, points: Float32[Tensor, "n d 1 1"]) -> Coordinates:
        """The scaling that maps the extent of the points to 1 / `MARGIN` of the networks' range."""
        flat = points.flatten(1).double()
        low, high = flat.amin(0), flat.amax(0)
        extent = float((high - low).max())
        return cls(centre=tuple(((low + high) / 2).tolist()), scale=MARGIN * extent / 2 or 1.0)

    def to_network(
        self, points: Float32[Tensor, "n d 1 1"], real_range: tuple[float, float] = (-1.0, 1.0)
    ) -> Float32[Tensor, "n d 1 1"]:
        """Scale points to `real_range`."""
        low, high = real_range
        unit = (points - self._offset(points)) / self.scale
        return unit if (low, high) == (-1.0, 1.0) else (unit + 1) * ((high - low) / 2) + low

    def to_rest(self, values: Float[Tensor, "n d 1 1"]) -> Float32[Tensor, "n d 1 1"]:
        """Map [-1, 1] back to the units of the points."""
        return values.to(torch.float32) * self.scale + self._offset(values)

    def _offset(self, like: Tensor) -> Float32[Tensor, "1 d 1 1"]:
        return torch.tensor(self.centre, dtype=torch.float32, device=like.device).view(1, -1, 1, 1)


Scaling: TypeAlias = Pixels | Coordinates
PIXELS: Final = Pixels()


def scaling_of(data: AtRest) -> Scaling:
    """The scaling of images or points, by their dtype."""
    return PIXELS if data.dtype == torch.uint8 else Coordinates.of(data)


def scaling_from_dict(values: Mapping[str, Any] | None) -> Scaling:
    """The scaling in a stored description; `PIXELS` for None.

    Raises:
        KeyError, TypeError, ValueError: the values do not describe a scaling.
    """
    if values is None:
        return PIXELS
    return Coordinates(centre=tuple(float(value) for value in values["centre"]), scale=float(values["scale"]))

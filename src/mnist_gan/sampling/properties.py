"""Geometric properties of a digit, such as slant, width and stroke width.

Each is a formula of image moments (grey levels as masses) or of edge lengths, so it is defined for any image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from mnist_gan.torch_defaults import default_torch_state

INK: Final = 0.4
"""Grey level in [0, 1] above which a pixel counts as ink in the search for loops."""
_TINY: Final = 1e-3
"""Lower bound of divisors, for an image without ink or without extent."""


@dataclass(frozen=True)
class _Moments:
    """Moments of the ink, shared by several properties; x to the right, y down, in pixels."""

    ink: Float[Tensor, "n h w"]
    """Grey levels in [0, 1], the mean of the channels."""

    @cached_property
    def mass(self) -> Float[Tensor, "n 1 1"]:
        """Total ink."""
        return self.ink.sum((1, 2), keepdim=True).clamp_min(_TINY)

    @cached_property
    def center(self) -> tuple[Float[Tensor, "n 1 1"], Float[Tensor, "n 1 1"]]:
        """Centre of mass, x and y, relative to the image's centre."""
        _, height, width = self.ink.shape
        x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
        y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
        return self._ink_mean(x), self._ink_mean(y)

    @cached_property
    def right(self) -> Float[Tensor, "n h w"]:
        """Horizontal position of each pixel relative to the centre of mass."""
        _, _, width = self.ink.shape
        return torch.arange(width, dtype=torch.float32) - (width - 1) / 2 - self.center[0]

    @cached_property
    def down(self) -> Float[Tensor, "n h w"]:
        """Vertical position of each pixel relative to the centre of mass."""
        _, height, _ = self.ink.shape
        return torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2 - self.center[1]

    @cached_property
    def variance_down(self) -> Float[Tensor, "n 1 1"]:
        """Vertical variance of the ink."""
        return self._ink_mean(self.down.square()).clamp_min(_TINY)

    @cached_property
    def slope(self) -> Float[Tensor, "n 1 1"]:
        """Slope of the regression line of x on y: pixels to the right for each pixel up."""
        return -self._ink_mean(self.right * self.down) / self.variance_down

    @cached_property
    def upright(self) -> Float[Tensor, "n h w"]:
        """Horizontal position of each pixel relative to the regression line."""
        return self.right + self.slope * self.down

    @cached_property
    def variance_across(self) -> Float[Tensor, "n 1 1"]:
        """Horizontal variance of the ink around the regression line."""
        return self._ink_mean(self.upright.square()).clamp_min(_TINY)

    def _ink_mean(self, value: Tensor) -> Float[Tensor, "n 1 1"]:
        return (self.ink * value).sum((1, 2), keepdim=True) / self.mass

    def mean(self, value: Tensor) -> Float[Tensor, "n"]:
        """Mean of a value over the ink of each image."""
        return self._ink_mean(value)[:, 0, 0]


def _slant(m: _Moments) -> Tensor:
    return m.slope[:, 0, 0]


def _width(m: _Moments) -> Tensor:
    """Horizontal standard deviation around the slanted axis, so that slant does not count as width."""
    return m.variance_across.sqrt()[:, 0, 0]


def _height(m: _Moments) -> Tensor:
    return m.variance_down.sqrt()[:, 0, 0]


def _stroke_width(m: _Moments) -> Tensor:
    """Twice the ink over the length of its edges: a long band of width w and length l has area w l and edges 2 l."""
    across = F.pad(m.ink, (1, 1, 1, 1))
    gx = (across[:, 1:-1, 2:] - across[:, 1:-1, :-2]) / 2
    gy = (across[:, 2:, 1:-1] - across[:, :-2, 1:-1]) / 2
    edges = torch.hypot(gx, gy).sum((1, 2)).clamp_min(_TINY)
    return 2 * m.mass[:, 0, 0] / edges


def _loop_size(m: _Moments) -> Tensor:
    """Background pixels that are not 4-connected to the border."""
    background = m.ink <= INK
    return (background & ~_reached_from_outside(background)).sum((1, 2)).float()


def _bow(m: _Moments) -> Tensor:
    """Horizontal offset of the middle from the two ends, relative to the width; positive to the right."""
    ends = m.down.square() - m.variance_down
    return -m.mean(m.upright * ends) / (m.variance_down * m.variance_across.sqrt())[:, 0, 0]


def _weight_at_the_bottom(m: _Moments) -> Tensor:
    """Vertical skewness of the ink; positive for more ink in the lower half."""
    return -m.mean(m.down**3) / m.variance_down[:, 0, 0] ** 1.5


def _width_at_the_bottom(m: _Moments) -> Tensor:
    """Correlation of horizontal spread with y; positive if the lower half is wider."""
    spread = m.upright.square() - m.variance_across
    return m.mean(spread * m.down) / (m.variance_across * m.variance_down.sqrt())[:, 0, 0]


def _to_the_right(m: _Moments) -> Tensor:
    return m.center[0][:, 0, 0]


def _downwards(m: _Moments) -> Tensor:
    return m.center[1][:, 0, 0]


_PROPERTIES: Final[dict[str, Callable[[_Moments], Tensor]]] = {
    "slant": _slant,
    "width": _width,
    "height": _height,
    "stroke width": _stroke_width,
    "loop size": _loop_size,
    "bow": _bow,
    "weight at the bottom": _weight_at_the_bottom,
    "width at the bottom": _width_at_the_bottom,
    "shift to the right": _to_the_right,
    "shift down": _downwards,
}

PROPERTIES: Final[dict[str, str]] = {
    "slant": "the digit leans further to the right",
    "width": "the digit grows wider",
    "height": "the digit grows taller",
    "stroke width": "the pen grows thicker",
    "loop size": "the loops grow larger",
    "bow": "the middle moves to the right, the ends to the left",
    "weight at the bottom": "more of the ink lies in the lower half",
    "width at the bottom": "the lower half grows wider, the upper narrower",
    "shift to the right": "the digit moves to the right",
    "shift down": "the digit moves down",
}
"""Every property, with the visible change when it grows."""


@default_torch_state()
def measure(images: UInt8[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n"]]:
    """Measure `PROPERTIES` of each image, white ink on black; several channels are averaged.

    Lengths and shifts are in pixels, slant in pixels to the right per pixel up, loop size in pixels of area. Bow and
    the two bottom properties have no unit and are 0 for a symmetric digit. All values are finite, even without ink.
    """
    moments = _Moments(images.float().mean(1) / 255)
    return {name: formula(moments) for name, formula in _PROPERTIES.items()}


def _reached_from_outside(background: Bool[Tensor, "n h w"]) -> Bool[Tensor, "n h w"]:
    """Background that is 4-connected to the border: a flood fill of all images at once."""
    ground = F.pad(background, (1, 1, 1, 1), value=True)
    reached = torch.zeros_like(ground)
    reached[:, 0] = reached[:, -1] = reached[:, :, 0] = reached[:, :, -1] = True
    while True:
        grown = reached.clone()
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown[:, :, 1:] |= reached[:, :, :-1]
        grown[:, :, :-1] |= reached[:, :, 1:]
        grown &= ground
        if torch.equal(grown, reached):
            return reached[:, 1:-1, 1:-1]
        reached = grown

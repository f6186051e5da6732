"""Simple properties of a drawn digit: what a person would say changed between two of them.

Each is a plain formula of the image's grey levels as masses (moments, as for a rigid body, and edge lengths), so that
it can be said of any image and has no opinion of what is a digit.
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

INK: Final = 0.4
"""Grey level, of 1, from which a pixel counts as ink where loops are sought."""
_TINY: Final = 1e-3
"""Keeps quotients finite for an image without ink or without extent."""


@dataclass(frozen=True)
class _Masses:
    """Images as masses on a grid, x to the right and y down, with the moments that several properties share."""

    ink: Float[Tensor, "n h w"]
    """Grey levels in [0, 1], the mean of the channels."""

    @cached_property
    def mass(self) -> Float[Tensor, "n 1 1"]:
        """All ink together."""
        return self.ink.sum((1, 2), keepdim=True).clamp_min(_TINY)

    @cached_property
    def center(self) -> tuple[Float[Tensor, "n 1 1"], Float[Tensor, "n 1 1"]]:
        """The centre of mass, x and y, in pixels from the image's own centre."""
        _, height, width = self.ink.shape
        x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
        y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
        return self._of(x), self._of(y)

    @cached_property
    def right(self) -> Float[Tensor, "n h w"]:
        """How far each pixel lies to the right of the centre of mass."""
        _, _, width = self.ink.shape
        return torch.arange(width, dtype=torch.float32) - (width - 1) / 2 - self.center[0]

    @cached_property
    def down(self) -> Float[Tensor, "n h w"]:
        """How far each pixel lies below the centre of mass."""
        _, height, _ = self.ink.shape
        return torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2 - self.center[1]

    @cached_property
    def variance_down(self) -> Float[Tensor, "n 1 1"]:
        """The variance of the mass from top to bottom."""
        return self._of(self.down.square()).clamp_min(_TINY)

    @cached_property
    def slope(self) -> Float[Tensor, "n 1 1"]:
        """How many pixels the mass goes to the right for each that it goes up: of the line through it."""
        return -self._of(self.right * self.down) / self.variance_down

    @cached_property
    def upright(self) -> Float[Tensor, "n h w"]:
        """How far each pixel lies to the right of the slanted line through the mass."""
        return self.right + self.slope * self.down

    @cached_property
    def variance_across(self) -> Float[Tensor, "n 1 1"]:
        """The variance of the mass around that line."""
        return self._of(self.upright.square()).clamp_min(_TINY)

    def _of(self, value: Tensor) -> Float[Tensor, "n 1 1"]:
        """The mean of a value over the mass."""
        return (self.ink * value).sum((1, 2), keepdim=True) / self.mass

    def mean(self, value: Tensor) -> Float[Tensor, "n"]:
        """The mean of a value over the mass of each image."""
        return self._of(value)[:, 0, 0]


def _slant(m: _Masses) -> Tensor:
    """Pixels to the right for each pixel up."""
    return m.slope[:, 0, 0]


def _width(m: _Masses) -> Tensor:
    """The standard deviation of the ink across its own slanted axis, so that a slanted digit is not called wide."""
    return m.variance_across.sqrt()[:, 0, 0]


def _height(m: _Masses) -> Tensor:
    """The standard deviation of the ink from top to bottom."""
    return m.variance_down.sqrt()[:, 0, 0]


def _stroke_width(m: _Masses) -> Tensor:
    """Twice the ink over the length of its edges: a long band of width w has area w l and edges of 2 l."""
    across = F.pad(m.ink, (1, 1, 1, 1))
    gx = (across[:, 1:-1, 2:] - across[:, 1:-1, :-2]) / 2
    gy = (across[:, 2:, 1:-1] - across[:, :-2, 1:-1]) / 2
    edges = torch.hypot(gx, gy).sum((1, 2)).clamp_min(_TINY)
    return 2 * m.mass[:, 0, 0] / edges


def _loop_size(m: _Masses) -> Tensor:
    """Pixels of background that no way leads out of, in steps to the four sides."""
    background = m.ink <= INK
    return (background & ~_reached_from_outside(background)).sum((1, 2)).float()


def _bow(m: _Masses) -> Tensor:
    """How far the middle lies to the right of the two ends, as a share of the width."""
    ends = m.down.square() - m.variance_down
    return -m.mean(m.upright * ends) / (m.variance_down * m.variance_across.sqrt())[:, 0, 0]


def _weight_at_the_bottom(m: _Masses) -> Tensor:
    """The skewness of the ink from top to bottom, turned so that more ink in the lower half is more."""
    return -m.mean(m.down**3) / m.variance_down[:, 0, 0] ** 1.5


def _width_at_the_bottom(m: _Masses) -> Tensor:
    """How much wider the lower half is than the upper."""
    spread = m.upright.square() - m.variance_across
    return m.mean(spread * m.down) / (m.variance_across * m.variance_down.sqrt())[:, 0, 0]


def _to_the_right(m: _Masses) -> Tensor:
    """The centre of mass, in pixels to the right of the image's centre."""
    return m.center[0][:, 0, 0]


def _downwards(m: _Masses) -> Tensor:
    """The centre of mass, in pixels below the image's centre."""
    return m.center[1][:, 0, 0]


_PROPERTIES: Final[dict[str, Callable[[_Masses], Tensor]]] = {
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
"""Every property, with what is seen when it grows."""


def measure(images: UInt8[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n"]]:
    """Each of `PROPERTIES` of each image, white ink on black; of several channels, their mean is looked at.

    Lengths are in pixels, slant in pixels to the right for each up, loops in pixels; bow and the two that compare the
    bottom with the top have no unit and are 0 for a symmetric digit. An image without ink gives finite numbers.
    """
    masses = _Masses(images.float().mean(1) / 255)
    return {name: formula(masses) for name, formula in _PROPERTIES.items()}


def _reached_from_outside(background: Bool[Tensor, "n h w"]) -> Bool[Tensor, "n h w"]:
    """Background that the outside of the image is connected with: a flood of all images at once, a pixel at a time."""
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

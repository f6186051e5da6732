"""Strokes of a pen brought to the form that MNIST's digits have.

MNIST's digits were written by hand, scanned, and fitted (`preprocess`). Whoever draws one on a screen gives a line of
points without a width; this module draws it as MNIST's pens would have, straight into MNIST's box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64

from mnist_gan.data.preprocess import BOX_SHARE, PreparedImage, centre_by_mass
from mnist_gan.errors import DataError

Points: TypeAlias = Float64[np.ndarray, "_ 2"]
"""One point a row."""

PEN_WIDTH: Final = 2.5 / 28
"""Width of the pen where none is given, as a share of the image's side."""
SOFTNESS: Final = 1.2 / 28
"""Width of a stroke's soft edge, from black to white, as a share of the image's side."""


def prepare_strokes(
    strokes: Sequence[Points], *, resolution: int, channels: int = 1, pen_width: float | None = None
) -> PreparedImage:
    """Draw strokes in MNIST's form: white on black, fitted into a box of 20/28 of the side, centred by mass.

    The line is fitted first and drawn then, so that its edges are anti-aliased once, on the grid that is kept.

    Args:
        strokes: the points of each, x to the right and y down, in any unit; one of a single point is a dot.
        resolution: side of the result, in pixels.
        channels: of the result; the grey is repeated.
        pen_width: in the unit of the points, scaled with the drawing; None draws with a pen that is as wide in the
            result as MNIST's are (`PEN_WIDTH`), however large the drawing was.

    Raises:
        DataError: there is not a single point, a coordinate is not finite, or the pen has no width.
    """
    drawn = [stroke for stroke in strokes if len(stroke)]
    if not drawn:
        raise DataError("nothing is drawn; draw a digit first")
    points = np.concatenate(drawn)
    if not np.isfinite(points).all():
        raise DataError("a point of the drawing has a coordinate that is not a finite number")
    if pen_width is not None and not (math.isfinite(pen_width) and pen_width > 0):
        raise DataError(f"the pen's width is {pen_width}; it must be more than 0")
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    box, softness = round(resolution * BOX_SHARE), SOFTNESS * resolution
    scale, radius = _fit(float(extent.max()), box=box, softness=softness, pen_width=pen_width, resolution=resolution)
    width, height = (min(box, math.ceil(side * scale + 2 * radius + softness - 1e-9)) for side in extent)
    middle = np.array([width, height]) / 2 - extent * scale / 2  # where the least point goes
    starts, ends = _segments([(stroke - low) * scale + middle for stroke in drawn])
    fitted = _ink(starts, ends, width=width, height=height, radius=radius, softness=softness)
    image = centre_by_mass(np.rint(255 * fitted).astype(np.uint8), resolution=resolution)
    steps = (f"fitted to {width}x{height}", "centred by mass")
    return PreparedImage(image=torch.from_numpy(image).expand(channels, -1, -1).clone(), steps=steps)


def _fit(side: float, *, box: int, softness: float, pen_width: float | None, resolution: int) -> tuple[float, float]:
    """By how much to scale points of an extent of `side` so that all ink fits into the box; and the pen's radius."""
    if pen_width is not None:
        scale = (box - softness) / (side + pen_width)
        return scale, pen_width * scale / 2
    radius = PEN_WIDTH * resolution / 2
    return (box - 2 * radius - softness) / side if side > 0 else 1.0, radius


def _segments(strokes: Sequence[Points]) -> tuple[Points, Points]:
    """Where each straight piece begins and where it ends; a dot ends where it begins."""
    starts = [stroke[:-1] if len(stroke) > 1 else stroke for stroke in strokes]
    ends = [stroke[1:] if len(stroke) > 1 else stroke for stroke in strokes]
    return np.concatenate(starts), np.concatenate(ends)


def _ink(
    starts: Points, ends: Points, *, width: int, height: int, radius: float, softness: float
) -> Float64[np.ndarray, "h w"]:
    """How much of each pixel is inked, in [0, 1]: 1 inside the stroke, falling to 0 across its soft edge.

    The distance from a pixel's middle to the nearest piece is exact, so that joints and ends are round.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)  # [H*W, 2]
    nearest = np.full(len(pixels), np.inf)
    along = ends - starts
    lengths = np.maximum((along**2).sum(axis=1), 1e-12)
    for first in range(0, len(starts), 512):  # pieces at a time: a bounded table
        rows = slice(first, first + 512)
        offset = pixels[:, None] - starts[rows]  # [H*W, k, 2]
        share = np.clip((offset * along[rows]).sum(axis=2) / lengths[rows], 0, 1)
        gap = offset - share[..., None] * along[rows]
        nearest = np.minimum(nearest, (gap**2).sum(axis=2).min(axis=1))
    ink: Float64[np.ndarray, "hw"] = np.clip((radius - np.sqrt(nearest)) / softness + 0.5, 0, 1)
    return ink.reshape(height, width)

"""Render pen strokes in the format of MNIST's digits.

A digit drawn on a screen is a list of points without a width. It is rendered with the pen width of MNIST's digits,
directly at the final resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64

from mnist_gan.data.preprocess import BOX_SHARE, MNIST_FORM, ImageForm, PreparedImage, centre_by_mass
from mnist_gan.errors import DataError

Points: TypeAlias = Float64[np.ndarray, "_ 2"]
"""One point per row, (x, y)."""

PEN_WIDTH: Final = 2.5 / 28
"""Default pen width, as a fraction of the image's side."""
EDGE_WIDTH: Final = 1.2 / 28
"""Width of a stroke's soft edge, as a fraction of the image's side."""


def prepare_strokes(
    strokes: Sequence[Points],
    *,
    resolution: int,
    channels: int = 1,
    pen_width: float | None = None,
    form: ImageForm = MNIST_FORM,
) -> PreparedImage:
    """Render strokes in MNIST's format: white on black, fitted into a box of 20/28 of the side, centred by mass.

    `form` gives another box, or black on white. The points are scaled before rendering, so that edges are anti-aliased
    only once.

    Args:
        strokes: points of each stroke, x to the right and y down, in any unit; a single point is a dot.
        resolution: side of the result, in pixels.
        channels: of the result; the grey channel is repeated.
        pen_width: in the unit of the points, scaled with the drawing. None gives strokes of MNIST's width (`PEN_WIDTH`)
            for a drawing of any size.
        form: size and polarity of the result.

    Raises:
        DataError: there are no points, a coordinate is not finite, or the pen width is not positive.
    """
    drawn = [stroke for stroke in strokes if len(stroke)]
    if not drawn:
        raise DataError("the drawing is empty; draw a digit first")
    points = np.concatenate(drawn)
    if not np.isfinite(points).all():
        raise DataError("a coordinate of the drawing is not finite; draw it again")
    if pen_width is not None and not (math.isfinite(pen_width) and pen_width > 0):
        raise DataError(f"the pen width is {pen_width}; it must be greater than 0")
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    unit = resolution * (form.box_share / BOX_SHARE)  # side of an image with a box of this size in MNIST's form
    box, edge = round(resolution * form.box_share), EDGE_WIDTH * unit
    scale, radius = _fit(float(extent.max()), box=box, edge=edge, pen_width=pen_width, unit=unit)
    width, height = (min(box, math.ceil(side * scale + 2 * radius + edge - 1e-9)) for side in extent)
    offset = np.array([width, height]) / 2 - extent * scale / 2
    starts, ends = _segments([(stroke - low) * scale + offset for stroke in drawn])
    fitted = _render(starts, ends, width=width, height=height, radius=radius, edge=edge)
    image = centre_by_mass(np.rint(255 * fitted).astype(np.uint8), resolution=resolution)
    steps = (f"fitted to {width}x{height}", "centred by mass", *(["inverted"] if form.inverted else []))
    image = 255 - image if form.inverted else image
    return PreparedImage(image=torch.from_numpy(image).expand(channels, -1, -1).clone(), steps=steps)


def _fit(side: float, *, box: int, edge: float, pen_width: float | None, unit: float) -> tuple[float, float]:
    """The scale that fits points of the extent `side`, with their ink, into the box; and the pen's radius."""
    if pen_width is not None:
        scale = (box - edge) / (side + pen_width)
        return scale, pen_width * scale / 2
    radius = PEN_WIDTH * unit / 2
    return (box - 2 * radius - edge) / side if side > 0 else 1.0, radius


def _segments(strokes: Sequence[Points]) -> tuple[Points, Points]:
    """Start and end points of all line segments; those of a dot are equal."""
    starts = [stroke[:-1] if len(stroke) > 1 else stroke for stroke in strokes]
    ends = [stroke[1:] if len(stroke) > 1 else stroke for stroke in strokes]
    return np.concatenate(starts), np.concatenate(ends)


def _render(
    starts: Points, ends: Points, *, width: int, height: int, radius: float, edge: float
) -> Float64[np.ndarray, "h w"]:
    """Coverage of each pixel in [0, 1]: 1 inside a stroke, falling to 0 across its soft edge.

    It uses the exact distance from the pixel's centre to the nearest segment, so joints and ends are round.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)  # [H*W, 2]
    nearest = np.full(len(pixels), np.inf)
    along = ends - starts
    lengths = np.maximum((along**2).sum(axis=1), 1e-12)
    for first in range(0, len(starts), 512):  # in chunks, to bound the memory
        rows = slice(first, first + 512)
        offset = pixels[:, None] - starts[rows]  # [H*W, k, 2]
        share = np.clip((offset * along[rows]).sum(axis=2) / lengths[rows], 0, 1)
        gap = offset - share[..., None] * along[rows]
        nearest = np.minimum(nearest, (gap**2).sum(axis=2).min(axis=1))
    ink: Float64[np.ndarray, "hw"] = np.clip((radius - np.sqrt(nearest)) / edge + 0.5, 0, 1)
    return ink.reshape(height, width)

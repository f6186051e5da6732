"""Pictures of points of the plane: samples over the density of real points, D's logit, G's image of a grid of z.

Every picture shows the range of the networks, so pictures of one model can be laid over one another. They are drawn
pixel by pixel, in milliseconds: a training draws one after each epoch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.pictures import draw_grid, save_picture
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective
from mnist_gan.scaling import AtRest, Coordinates
from mnist_gan.storage import write_bytes

SIDE: Final = 400
"""Width and height of a picture in pixels."""
BINS: Final = 200
"""Cells of the density along an axis."""
FIELD: Final = 100
"""Cells of D's logit along an axis."""
REAL_POINTS: Final = 20_000
"""Real points of the density."""
LINES: Final = 21
"""Lines of the grid of z in each direction, evenly spaced in probability."""
STEPS: Final = 400
"""Points of each line."""
TEXT_SIZE: Final = 13
PAPER: Final = (255, 255, 255)
INK: Final = (70, 70, 70)
GENERATED: Final = (213, 94, 0)
REAL: Final = (0, 114, 178)
GRID: Final = (120, 120, 120)

Points: TypeAlias = Float[Tensor, "n 2 1 1"]
Real: TypeAlias = UInt8[Tensor, "m c h w"] | Float32[Tensor, "m c h w"]
"""Real images or points, of another number than those that are drawn."""
Pixels: TypeAlias = UInt8[np.ndarray, "h w 3"]


def draw_samples(
    images: AtRest,
    *,
    shape: ImageShape,
    columns: int,
    scale: int | None = None,
    column_titles: Sequence[str] | None = None,
    real: Real | None = None,
) -> Image.Image:
    """Draw images as a grid, or points of the plane over the density of real ones.

    Args:
        images: images or points, N at least 1.
        shape: of the model that drew them.
        columns: images in a row of a grid.
        scale: factor by which each image is enlarged; None chooses one for viewing.
        column_titles: one line of text above each column of a grid.
        real: real points for the density.
    """
    if not shape.is_points:
        return draw_grid(images, columns=columns, scale=scale, column_titles=column_titles)
    return draw_points(images, scaling=plane_of(shape), real=real)


def plane_of(shape: ImageShape) -> Coordinates:
    """The scaling of points of the plane.

    Raises:
        ValueError: the shape is of images, or of points with another number of coordinates.
    """
    if not isinstance(shape.scaling, Coordinates) or shape.channels != 2:
        raise ValueError(f"{shape} is not that of points of the plane, which have two coordinates")
    return shape.scaling


def draw_points(points: Points, *, scaling: Coordinates, real: Real | None = None) -> Image.Image:
    """Draw points over the density of real ones, with the coordinates of the edges."""
    canvas = np.full((SIDE, SIDE, 3), PAPER, dtype=np.uint8)
    if real is not None:
        _shade_density(canvas, _to_unit(real[:REAL_POINTS], scaling))
    _mark(canvas, _to_unit(points, scaling), colour=GENERATED)
    return _framed(canvas, scaling)


def save_points(path: Path, points: AtRest, labels: Tensor | None, *, scaling: Coordinates) -> None:
    """Write points as a picture (.png), as rows of x, y and the label (.csv), or as arrays (.npz).

    The arrays are `points`, float32 (N, 2), and with labels `labels`, int64 (N,).

    Raises:
        StorageError: the file cannot be written.
    """
    flat, suffix = points.flatten(1).numpy(), path.suffix.lower()
    if suffix == ".png":
        save_picture(path, draw_points(points, scaling=scaling))
    elif suffix == ".csv":
        names = "x,y" if labels is None else "x,y,label"
        ends = [""] * len(flat) if labels is None else [f",{label}" for label in labels.tolist()]
        rows = (f"{x:.9g},{y:.9g}{end}" for (x, y), end in zip(flat.tolist(), ends, strict=True))
        write_bytes(path, "\n".join([names, *rows, ""]).encode())
    else:
        buffer = io.BytesIO()
        others = {} if labels is None else {"labels": labels.numpy()}
        np.savez_compressed(buffer, allow_pickle=False, points=flat, **others)
        write_bytes(path, buffer.getvalue())


def draw_field(gan: GAN, *, real: Real | None = None) -> Image.Image:
    """Draw D's logit: blue where D says real, orange where it says generated, and the line between them.

    Args:
        gan: an unconditional model of points.
        real: real points, drawn on top.
    """
    scaling = plane_of(gan.shape)
    centres = (torch.arange(FIELD) + 0.5) / FIELD * 2 - 1
    unit = torch.cartesian_prod(centres, centres)[:, :, None, None]  # x varies slowest
    boundary = build_objective(gan.config.objective).decision_rule.boundary
    logits = gan.logits(scaling.to_rest(unit)).view(FIELD, FIELD).T.flip(0)  # rows from the top
    values = (logits - (float(logits.median()) if boundary is None else boundary)).numpy()
    canvas = np.repeat(np.repeat(_diverging(values), SIDE // FIELD, axis=0), SIDE // FIELD, axis=1)
    canvas[_boundary_pixels(np.repeat(np.repeat(values > 0, SIDE // FIELD, axis=0), SIDE // FIELD, axis=1))] = INK
    if real is not None:
        _mark(canvas, _to_unit(real[: REAL_POINTS // 10], scaling), colour=REAL, size=1)
    return _framed(canvas, scaling)


def draw_latent_grid(gan: GAN) -> Image.Image:
    """Draw G's image of a grid of z: lines along the first two coordinates, the others 0.

    The lines are evenly spaced in probability, so as many samples fall into each mesh.
    """
    scaling = plane_of(gan.shape)
    image = Image.new("RGB", (SIDE, SIDE), PAPER)
    pen = ImageDraw.Draw(image)
    grid = sampling.latent_lines(gan.G.z_dim, lines=LINES, steps=STEPS)
    for z, colour in zip(grid, (REAL, GENERATED), strict=False):
        points = sampling.render(gan.G, z.flatten(0, 1))
        for line in _pixels(_to_unit(points, scaling)).reshape(LINES, STEPS, 2):
            pen.line([tuple(pixel) for pixel in line.tolist()], fill=colour, width=1)
    return _framed(np.asarray(image).copy(), scaling)


def draw_panels(gan: GAN, points: Points, *, real: Real) -> Image.Image:
    """Draw the three pictures of an unconditional model side by side, each with a title."""
    panels = {
        "samples over the density of real points": draw_points(points, scaling=plane_of(gan.shape), real=real),
        "D's logit: blue is real, orange generated": draw_field(gan, real=real),
        "G's image of a grid of z": draw_latent_grid(gan),
    }
    band = 2 * TEXT_SIZE
    picture = Image.new("RGB", (len(panels) * SIDE, SIDE + band), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT_SIZE)
    for column, (title, panel) in enumerate(panels.items()):
        picture.paste(panel, (column * SIDE, band))
        pen.text((column * SIDE + SIDE / 2, band / 2), title, fill=INK, font=font, anchor="mm")
    return picture


def _to_unit(points: AtRest, scaling: Coordinates) -> Float[np.ndarray, "n 2"]:
    """Coordinates in the networks' range, -1 to 1."""
    unit: Float[np.ndarray, "n 2"] = scaling.to_network(points.cpu().float()).flatten(1).numpy()
    return unit


def _pixels(unit: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Column and row of each point; y points up."""
    return (np.stack([unit[:, 0], -unit[:, 1]], axis=1) + 1) * (SIDE / 2)


def _shade_density(canvas: Pixels, unit: Float[np.ndarray, "n 2"]) -> None:
    """Shade the cells by the logarithm of their number of points."""
    counts, _, _ = np.histogram2d(-unit[:, 1], unit[:, 0], bins=BINS, range=((-1, 1), (-1, 1)))
    shade = np.log1p(counts) / max(1.0, float(np.log1p(counts.max())))
    shade = np.repeat(np.repeat(shade, SIDE // BINS, axis=0), SIDE // BINS, axis=1)[:, :, None]
    canvas[:] = np.round(canvas * (1 - 0.55 * shade) + np.array(REAL) * 0.55 * shade).astype(np.uint8)


def _mark(canvas: Pixels, unit: Float[np.ndarray, "n 2"], *, colour: tuple[int, int, int], size: int = 2) -> None:
    """Mark each point by a square of `size` pixels."""
    place = np.floor(_pixels(unit)).astype(int)
    for right in range(size):
        for down in range(size):
            x, y = place[:, 0] + right, place[:, 1] + down
            inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
            canvas[y[inside], x[inside]] = colour


def _diverging(values: Float[np.ndarray, "h w"]) -> Pixels:
    """Colours from orange (negative) over white (0) to blue; the outermost 5 % of the values are saturated."""
    limit = float(np.percentile(np.abs(values), 95)) or 1.0
    share = np.clip(np.abs(values) / limit, 0, 1)[:, :, None] * 0.75
    ends = np.where((values > 0)[:, :, None], np.array(REAL), np.array(GENERATED))
    colours: Pixels = np.round(255 * (1 - share) + ends * share).astype(np.uint8)
    return colours


def _boundary_pixels(positive: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has the other sign."""
    edge = np.zeros_like(positive)
    edge[:, :-1] |= positive[:, :-1] != positive[:, 1:]
    edge[:-1] |= positive[:-1] != positive[1:]
    return edge


def _framed(canvas: Pixels, scaling: Coordinates) -> Image.Image:
    """The picture with a frame and the coordinates of its lower left and upper right corner."""
    picture = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT_SIZE - 2)
    pen.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=GRID)
    low, high = (", ".join(f"{c + sign * scaling.scale:.3g}" for c in scaling.centre) for sign in (-1, 1))
    pen.text((4, SIDE - 4), f"({low})", fill=INK, font=font, anchor="lb")
    pen.text((SIDE - 4, 4), f"({high})", fill=INK, font=font, anchor="rt")
    return picture

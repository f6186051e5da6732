"""Colours, axes and reproducible PNG files for all figures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

REAL: Final = "#1f77b4"
"""Colour of real images."""
FAKE: Final = "#e8702a"
"""Colour of generated images."""
GOOD: Final = "#2e8b57"
INK: Final = "#222222"
FAINT: Final = "#8a8a8a"
PALE: Final = "#e6e6e6"
WIDTH: Final = 7.6
"""Width of every figure in inches, about a text column on GitHub."""
DPI: Final = 190
COLOURS: Final = 128

AxesGrid: TypeAlias = Any  # matplotlib types what `subplots` returns as Any

mpl.use("Agg")
mpl.rcParams.update(
    {
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.labelsize": 9.5,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.color": INK,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 2,
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "white",
    }
)


def figure(*, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, AxesGrid]:
    """Return a figure of the common width, `height` inches high, and its axes."""
    fig = Figure(figsize=(WIDTH, height))
    return fig, fig.subplots(rows, columns, **options)


def drawing(*, height: float, scale: float = 10.0) -> tuple[Figure, Axes]:
    """Return a figure with one empty plane for a diagram: `scale` units per inch, origin at the lower left."""
    fig = Figure(figsize=(WIDTH, height))
    fig.set_layout_engine("none")
    axes = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, WIDTH * scale)
    axes.set_ylim(0, height * scale)
    axes.axis("off")
    return fig, axes


def save(fig: Figure, path: Path) -> None:
    """Write a PNG with a palette, a third of the size of an RGB one."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI)
    picture = Image.open(buffer).convert("RGB")
    save_picture(picture, path)


def save_picture(picture: Image.Image, path: Path, *, colours: int = COLOURS) -> None:
    """Write a picture with a palette of at most `colours` colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)

"""`mnist-gan sample`: draws images with a model, as a grid, a folder of PNGs, an `.npz`, or IDX files."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mnist_gan.cli import options
from mnist_gan.cli.values import CLASS_ALIASES, ModelArgument, PluginPath, check_seed, parse_classes
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.text import format_numbers, pluralize, shorten

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

    from mnist_gan.artifacts.gan import GAN

GRID_ROWS: Final = 8
MAX_COLUMNS: Final = 10
SET_NIMG: Final = 70_000
"""Default number of images of an IDX set: as many as MNIST has."""
MAX_GRID: Final = 10_000
"""Images of a grid; more make a picture that few programs open."""
MAX_NIMG: Final = 1_000_000
"""Images of one call, which are in memory until they are written."""
CHUNK: Final = 5_000
"""Images drawn between two updates of the progress."""
MANY: Final = 10_000
"""Number of images from which on a message precedes the drawing."""

Format: TypeAlias = Literal["grid", "folder", "npz", "idx", "csv"]
DEFAULT_OUT: Final[Mapping[Format, str]] = {
    "grid": "digits.png",
    "folder": "digits",
    "npz": "digits.npz",
    "idx": "digits-idx",
    "csv": "points.csv",
}
POINT_FORMATS: Final[frozenset[Format]] = frozenset({"grid", "npz", "csv"})
POINTS: Final = 2_500
"""Default number of points, as in the protocol of their figures."""
UNSUPPORTED: Final = frozenset({".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".pdf", ".svg"})


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Draw images with a trained model."""

    run: ModelArgument = None
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    plugin: PluginPath = None
    n: int | None = None
    """Number of images. None: 8 rows of a grid; 70,000 for idx; 2,500 points."""
    classes: str | None = None
    """Classes to draw, by name or number, repeated in this order; a grid has a column for each. Separate them with
    commas, or write those of one character without, as in 0123. None: all classes of a conditional model. --digits is
    the same."""
    seed: int = 0
    """Seed of the latents; image i of a seed is always the same."""
    first: int = 0
    """Number of the first image: --first 12 --n 1 draws only image 12 of the seed."""
    truncation_psi: float = 1.0
    """Factor of the latents, from 0 to 2: below 1, images are more typical and vary less; 1 changes nothing."""
    out: Path | None = None
    """Output file or folder. None: digits.png; for other formats digits, digits.npz, digits-idx or points.csv."""
    format: Format | None = None
    """Output format: one picture (grid), a new folder with a PNG per image (folder), arrays `images` (uint8, N x H x W)
    and `labels` (npz), or a new folder with MNIST's four IDX files and a file that states their origin (idx; the last
    seventh is held out). A model of points writes a picture (grid), rows of x and y (csv) or an array `points` (npz).
    None: a grid for .png, npz for .npz, csv for .csv, else a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """Images to draw, and the file to write."""

    n: int
    columns: int
    """Columns of a grid."""
    digits: list[int] | None
    seed: int
    first: int
    truncation_psi: float
    out: Path
    format: Format

    def describe(self) -> str:
        """Return seed, numbers and truncation of the images as text."""
        psi = "" if self.truncation_psi == 1 else f", truncation psi {self.truncation_psi:g}"
        which = f"images {self.first:,} to {self.first + self.n - 1:,} of " if self.first else ""
        return f"{which}seed {self.seed}{psi}"


@options.command("sample", SampleOptions, aliases=CLASS_ALIASES)
def main(chosen: SampleOptions) -> int:
    """Run the command and return its exit code."""
    form, out = destination(chosen)
    _check(chosen, form)

    from mnist_gan.artifacts.gan import GAN  # imports torch
    from mnist_gan.cli.lookup import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model, plugin=chosen.plugin)
    _check_kind(gan, form)
    digits = None if chosen.classes is None else parse_classes(chosen.classes, gan.class_names)
    n, columns = layout(gan, n=SET_NIMG if form == "idx" and chosen.n is None else chosen.n, digits=digits)
    drawing = Drawing(
        n=n,
        columns=columns,
        digits=digits,
        seed=chosen.seed,
        first=chosen.first,
        truncation_psi=chosen.truncation_psi,
        out=out,
        format=form,
    )
    if n >= MANY:
        print(f"drawing {pluralize(n, 'image')} with {model}", file=sys.stderr)
    write(gan, drawing, source=str(model))
    print(f"{out}: {pluralize(n, 'point' if gan.shape.is_points else 'image')} drawn by {model} ({drawing.describe()})")
    if gan.stage:
        print(f"the model is {gan.stage}", file=sys.stderr)
    untrained = gan.shape.num_classes - len(gan.classes)
    if untrained and digits is None:
        print(
            f"{pluralize(untrained, 'class', 'classes')} without a training image not drawn; the model learned "
            f"{_name_classes(gan)}",
            file=sys.stderr,
        )
    return EXIT_OK


def _name_classes(gan: GAN) -> str:
    """The trained classes: by name if they have names, else as ranges of numbers."""
    from mnist_gan.data.provenance import default_class_names

    if gan.class_names == default_class_names(gan.shape.num_classes):
        return format_numbers(gan.classes)
    return shorten([gan.class_names[label] for label in gan.classes])


def destination(chosen: SampleOptions) -> tuple[Format, Path]:
    """Return the format and the path to write.

    Raises:
        ConfigError: the path's suffix does not fit the format.
    """
    if chosen.out is None:
        form = chosen.format or "grid"
        return form, Path(DEFAULT_OUT[form])
    suffix = chosen.out.suffix.lower()
    suffixes: dict[str, Format] = {".png": "grid", ".npz": "npz", ".csv": "csv"}
    named = suffixes.get(suffix, "folder")
    form = chosen.format or named
    if suffix in UNSUPPORTED:
        raise ConfigError(f"--out {chosen.out}: {suffix} is not supported; use .png, .npz, or the name of a folder")
    if (form in suffixes.values() or named != "folder") and form != named:
        endings = {form: f"a name that ends in {ending}" for ending, form in suffixes.items()}
        fix = endings.get(form, "the name of a folder")
        raise ConfigError(f"--out {chosen.out} does not fit --format {form}; use {fix}")
    return form, chosen.out


def _check_kind(gan: GAN, form: Format) -> None:
    """Check that the model's samples can be written in the format.

    Raises:
        ConfigError: points as images, or images as points.
    """
    if gan.shape.is_points and form not in POINT_FORMATS:
        raise ConfigError(f"this model draws points, which have no format {form}; use a name in .png, .npz or .csv")
    if form == "csv" and not gan.shape.is_points:
        raise ConfigError("this model draws images, which have no format csv; use .png, .npz, or the name of a folder")


def layout(gan: GAN, *, n: int | None, digits: list[int] | None) -> tuple[int, int]:
    """Return the number of images and the columns of a grid: one per digit, if the model draws digits."""
    if gan.shape.is_points:
        return POINTS if n is None else n, 1
    classes = len(digits) if digits else len(gan.classes)
    if n is None:
        columns = classes if 0 < classes <= MAX_COLUMNS or digits else MAX_COLUMNS
        return GRID_ROWS * columns, columns
    return n, classes if 0 < classes <= MAX_COLUMNS or digits else max(1, math.ceil(math.sqrt(n)))


def write(gan: GAN, drawing: Drawing, *, source: str) -> None:
    """Draw the images and write them.

    Raises:
        ConfigError: the model cannot draw these digits, or the folder is not empty.
        StorageError: the file cannot be written.
    """
    from mnist_gan.artifacts import pictures, points

    out, digits = drawing.out, drawing.digits
    labels = gan.labels(drawing.n, digit=digits, first=drawing.first)
    images = draw(gan, drawing)
    if gan.shape.is_points:
        points.save_points(out, images, labels, scaling=points.plane_of(gan.shape))
        return
    match drawing.format:
        case "grid":
            titles = None if labels is None else [gan.class_names[k] for k in labels[: drawing.columns].tolist()]
            pictures.save_grid(out, images, columns=drawing.columns, column_titles=titles)
        case "npz":
            pictures.save_npz(out, images, labels)
        case "folder":
            pictures.save_images(out, images, labels)
        case "idx":
            from mnist_gan.artifacts.export_sets import provenance_of, save_idx_set

            if labels is None:
                raise ConfigError("--format idx needs labels, and this model is unconditional; use another format")
            settings = {"first": drawing.first, "truncation_psi": drawing.truncation_psi}
            provenance = provenance_of(gan, source=source, seed=drawing.seed, settings=settings)
            save_idx_set(out, images, labels, provenance=provenance)


def draw(gan: GAN, drawing: Drawing) -> UInt8[Tensor, "n c h w"]:
    """Draw the images and show the progress."""
    import torch

    from mnist_gan.cli.waiting import show_steps

    parts, last = [], drawing.first + drawing.n
    with show_steps() as show:
        for first in range(drawing.first, last, CHUNK) or [drawing.first]:
            part = gan.sample(
                min(CHUNK, last - first),
                digit=drawing.digits,
                seed=drawing.seed,
                first=first,
                truncation_psi=drawing.truncation_psi,
            )
            parts.append(part)
            show("drawing images", first + len(part) - drawing.first, drawing.n)
    return torch.cat(parts)


def _check(chosen: SampleOptions, form: Format) -> None:
    """Check the options before a model is loaded."""
    least = {"grid": 1, "idx": 2}.get(form, 0)
    if chosen.n is not None and chosen.n < least:
        reason = ", since one image is held out" if form == "idx" else ""
        raise ConfigError(f"--n is {chosen.n}; it must be at least {least}{reason}")
    most = MAX_GRID if form == "grid" else MAX_NIMG
    if chosen.n is not None and chosen.n > most:
        fix = "; use --format npz for more" if form == "grid" else "; draw the rest with --first"
        raise ConfigError(f"--n is {chosen.n:,}; it must be at most {most:,}{fix}")
    if not 0 <= chosen.first < 2**31:
        raise ConfigError(f"--first is {chosen.first}; it must be a whole number from 0 to 2**31 - 1")
    if not 0 <= chosen.truncation_psi <= 2:
        raise ConfigError(f"--truncation-psi is {chosen.truncation_psi:g}; it must be from 0 to 2 (1 changes nothing)")
    check_seed(chosen.seed)

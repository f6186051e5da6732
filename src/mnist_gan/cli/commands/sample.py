"""`mnist-gan sample`: images from a trained model, as a grid, a folder, an `.npz`, or a set in MNIST's own layout."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import check_seed, parse_digits
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN

VERB: Final = "sample"
GRID_ROWS: Final = 8
MAX_COLUMNS: Final = 10
SET_NIMG: Final = 70_000
"""Images of a set in MNIST's layout, where their number is not given: as many as MNIST has."""
MANY: Final = 10_000
"""Whoever draws so many images or more is told so first."""

Format: TypeAlias = Literal["grid", "folder", "npz", "idx"]
DEFAULT_OUT: Final[Mapping[Format, str]] = {
    "grid": "digits.png",
    "folder": "digits",
    "npz": "digits.npz",
    "idx": "digits-idx",
}
NOT_WRITTEN: Final = frozenset({".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".pdf", ".svg"})

# here and not under the fields, since tyro keeps the line breaks of a field's docstring
DIGITS_HELP: Final = (
    "The digits to draw, one after the other and again from the first: in a grid, one a column. Classes above 9 are "
    "written with commas, 12,345. None: all of them, if the model knows digits."
)
OUT_HELP: Final = "Where to write. None: digits.png, or for the other formats digits, digits.npz or digits-idx."
FORMAT_HELP: Final = (
    "What to write: one picture (grid), a new folder with a PNG for each image (folder), the arrays `images` (uint8, "
    "N x H x W) and `labels` (npz), or a new folder with MNIST's four IDX files and where they are from (idx: the last "
    "seventh is held out). None: a grid for a name that ends in .png, npz for .npz, and else a folder."
)
PSI_HELP: Final = (
    "Multiplies the latents: below 1, images are more typical and vary less; 1 changes nothing; at most 2."
)


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Draw images with a trained model."""

    run: str | None = None
    """A run's folder or name, a model folder, or shipped, the model that comes with the package. None: the newest run
    that has a model; shipped where there is no run."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    n: int | None = None
    """How many images, in total. None: 8 rows of a grid; 70,000 for idx."""
    digits: Annotated[str | None, tyro.conf.arg(help=DIGITS_HELP)] = None
    seed: int = 0
    """Image i of a seed is always the same."""
    first: int = 0
    """Number of the first image: --first 12 --n 1 draws image 12 of the seed alone."""
    truncation_psi: Annotated[float, tyro.conf.arg(help=PSI_HELP)] = 1.0
    out: Annotated[Path | None, tyro.conf.arg(help=OUT_HELP)] = None
    format: Annotated[Format | None, tyro.conf.arg(help=FORMAT_HELP)] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """What to draw, and where to write it."""

    n: int
    columns: int
    """Of a grid."""
    digits: list[int] | None
    seed: int
    first: int
    truncation_psi: float
    out: Path
    format: Format

    def describe(self) -> str:
        """The images in words: which of which seed."""
        psi = "" if self.truncation_psi == 1 else f", truncation psi {self.truncation_psi:g}"
        which = f"images {self.first:,} to {self.first + self.n - 1:,} of " if self.first else ""
        return f"{which}seed {self.seed}{psi}"


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(SampleOptions, arguments, verb=VERB)
    if chosen is None:
        return EXIT_OK
    digits = None if chosen.digits is None else parse_digits(chosen.digits)
    form, out = destination(chosen)
    _check(chosen, form)

    from mnist_gan.artifacts.gan import GAN  # only from here on is torch needed
    from mnist_gan.cli.finding import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model)
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
        print(f"drawing {n:,} images with {model}", file=sys.stderr)
    write(gan, drawing, source=str(model))
    print(f"{out}: {n:,} images drawn by {model} ({drawing.describe()})")
    if gan.stage:
        print(f"the model is {gan.stage}", file=sys.stderr)
    return EXIT_OK


def destination(chosen: SampleOptions) -> tuple[Format, Path]:
    """The format, and where to write it.

    Raises:
        ConfigError: the name ends as the format's files do not.
    """
    if chosen.out is None:
        form = chosen.format or "grid"
        return form, Path(DEFAULT_OUT[form])
    suffix = chosen.out.suffix.lower()
    named: Format = "grid" if suffix == ".png" else "npz" if suffix == ".npz" else "folder"
    form = chosen.format or named
    if suffix in NOT_WRITTEN:
        raise ConfigError(f"--out {chosen.out}: {suffix} is not written; take .png, .npz, or the name of a folder")
    if (form in {"grid", "npz"} or named != "folder") and form != named:
        fix = {"grid": "a name that ends in .png", "npz": "a name that ends in .npz"}.get(form, "the name of a folder")
        raise ConfigError(f"--out {chosen.out} is no name for --format {form}; give it {fix}")
    return form, chosen.out


def layout(gan: GAN, *, n: int | None, digits: list[int] | None) -> tuple[int, int]:
    """How many images to draw, and in how many columns a grid shows them: one a digit, where digits are drawn."""
    classes = len(digits) if digits else gan.shape.num_classes
    if n is None:
        columns = classes if 0 < classes <= MAX_COLUMNS or digits else MAX_COLUMNS
        return GRID_ROWS * columns, columns
    return n, classes if 0 < classes <= MAX_COLUMNS or digits else max(1, math.ceil(math.sqrt(n)))


def write(gan: GAN, drawing: Drawing, *, source: str) -> None:
    """Draw the images and write them in their format.

    Raises:
        ConfigError: the model cannot draw these digits, or the folder is not empty.
        StorageError: the system refused to write.
    """
    from mnist_gan.artifacts import pictures

    out, digits = drawing.out, drawing.digits
    labels = gan.labels(drawing.n, digit=digits, first=drawing.first)
    images = gan.sample(
        drawing.n, digit=digits, seed=drawing.seed, first=drawing.first, truncation_psi=drawing.truncation_psi
    )
    match drawing.format:
        case "grid":
            titles = None if labels is None else [str(label) for label in labels[: drawing.columns].tolist()]
            pictures.save_grid(out, images, columns=drawing.columns, column_titles=titles)
        case "npz":
            pictures.save_npz(out, images, labels)
        case "folder":
            pictures.save_images(out, images, labels)
        case "idx":
            from mnist_gan.artifacts.export_sets import provenance_of, save_idx_set

            if labels is None:
                raise ConfigError("this model is unconditional: its images have no labels, which MNIST's layout needs")
            settings = {"first": drawing.first, "truncation_psi": drawing.truncation_psi}
            provenance = provenance_of(gan, source=source, seed=drawing.seed, settings=settings)
            save_idx_set(out, images, labels, provenance=provenance)


def _check(chosen: SampleOptions, form: Format) -> None:
    """Refuse what can be refused before a model is loaded."""
    least = {"grid": 1, "idx": 2}.get(form, 0)
    if chosen.n is not None and chosen.n < least:
        wanted = "2 images or more, one of them held out" if form == "idx" else "at least one image"
        raise ConfigError(f"--n is {chosen.n}; ask for {wanted}")
    if not 0 <= chosen.first < 2**31:
        raise ConfigError(f"--first is {chosen.first}; it must be a whole number from 0 to 2**31 - 1")
    if not 0 <= chosen.truncation_psi <= 2:
        raise ConfigError(f"--truncation-psi is {chosen.truncation_psi:g}; it must be from 0 to 2 (1 changes nothing)")
    check_seed(chosen.seed)

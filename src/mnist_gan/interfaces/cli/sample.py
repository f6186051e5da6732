"""`mnist-gan sample`: images from a trained model, as a grid, a folder or an `.npz`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.interfaces.cli import options
from mnist_gan.interfaces.cli.arguments import options_of

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN

VERB: Final = "sample"
GRID_ROWS: Final = 8
MAX_COLUMNS: Final = 10

# here and not under the fields, since tyro keeps the line breaks of a field's docstring
DIGITS_HELP: Final = (
    "The digits to draw, one after the other and again from the first: in a grid, one a column. Classes above 9 are "
    "written with commas, 12,345. None: all of them, if the model knows digits."
)
OUT_HELP: Final = (
    "What to write: a .png is one grid, an .npz holds the arrays `images` (uint8, N x H x W) and `labels`, and any "
    "other name is a new folder with a PNG for each image."
)


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Draw images with a trained model."""

    run: str | None = None
    """A run's folder or name, or a model folder. None: the newest run that has a model."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    n: int | None = None
    """How many images, in total. None: 8 rows of a grid."""
    digits: Annotated[str | None, tyro.conf.arg(help=DIGITS_HELP)] = None
    seed: int = 0
    """Image i of a seed is always the same."""
    out: Annotated[Path, tyro.conf.arg(help=OUT_HELP)] = Path("digits.png")


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    if options.wants_help(arguments):
        options.print_help(SampleOptions, verb=VERB)
        return EXIT_OK
    words = options.read(arguments, options_of(SampleOptions), verb=VERB)
    if words.positionals:
        raise ConfigError(f"{words.positionals[0]!r} is one word too many; name a run with --run")
    chosen = options.build(SampleOptions, words.tokens(), verb=VERB)
    digits = None if chosen.digits is None else parse_digits(chosen.digits)
    _check(chosen)

    from mnist_gan.artifacts.gan import GAN  # only from here on is torch needed
    from mnist_gan.artifacts.run_directory import newest_model
    from mnist_gan.interfaces.cli.running import find_run

    source = find_run(chosen.run, runs_dir=chosen.runs_dir) if chosen.run else newest_model(chosen.runs_dir)
    gan = GAN.load(source.root)
    n, columns = layout(gan, n=chosen.n, digits=digits)
    write(gan, chosen.out, n=n, columns=columns, digits=digits, seed=chosen.seed)
    print(f"{chosen.out}: {n:,} images drawn by {source.root} (seed {chosen.seed})")
    return EXIT_OK


def parse_digits(text: str) -> list[int]:
    """`0123` or, for classes above 9, `12,345`, as numbers.

    Raises:
        ConfigError: it is neither.
    """
    words = text.split(",") if "," in text else list(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"--digits is {text!r}; write digits one after the other, such as 0123, or with commas")
    return [int(word) for word in words]


def layout(gan: GAN, *, n: int | None, digits: list[int] | None) -> tuple[int, int]:
    """How many images to draw, and in how many columns a grid shows them: one a digit, where digits are drawn."""
    classes = len(digits) if digits else gan.shape.num_classes
    if n is None:
        columns = classes if 0 < classes <= MAX_COLUMNS or digits else MAX_COLUMNS
        return GRID_ROWS * columns, columns
    return n, classes if 0 < classes <= MAX_COLUMNS or digits else max(1, math.ceil(math.sqrt(n)))


def write(gan: GAN, out: Path, *, n: int, columns: int, digits: list[int] | None, seed: int) -> None:
    """Draw and write the images in the format that the name asks for.

    Raises:
        ConfigError: the model cannot draw these digits, or the folder is not empty.
        StorageError: the system refused to write.
    """
    from mnist_gan.artifacts import pictures

    images, labels = gan.sample(n, digit=digits, seed=seed), gan.labels(n, digit=digits)
    match out.suffix.lower():
        case ".png":
            titles = None if labels is None else [str(label) for label in labels[:columns].tolist()]
            pictures.save_grid(out, images, columns=columns, column_titles=titles)
        case ".npz":
            pictures.save_npz(out, images, labels)
        case _:
            pictures.save_images(out, images, labels)


def _check(chosen: SampleOptions) -> None:
    """Refuse what can be refused before a model is loaded."""
    suffix = chosen.out.suffix.lower()
    if chosen.n is not None and chosen.n < (1 if suffix == ".png" else 0):
        raise ConfigError(f"--n is {chosen.n}; ask for at least one image")
    if suffix in {".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".pdf", ".svg"}:
        raise ConfigError(f"--out {chosen.out}: {suffix} is not written; take .png, .npz, or the name of a folder")
    if not 0 <= chosen.seed < 2**63:
        raise ConfigError(f"--seed is {chosen.seed}; it must be a whole number from 0 to 2**63 - 1")

"""`mnist-gan data import`: brings images and labels in other formats into MNIST's layout of four IDX files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.data.importers.conversion import Prepared

TRANSPOSE: Final = {"auto": None, "yes": True, "no": False}
PREVIEW: Final = "preview.png"
PREVIEW_CLASSES: Final = 26
"""Classes that the preview shows, a column each."""
PREVIEW_ROWS: Final = 6


@dataclass(frozen=True, kw_only=True)
class DataImportOptions:
    """Import a data set into MNIST's layout, which --data.dir takes.

    SOURCE is an .npz of Keras or MedMNIST, a CSV as on Kaggle, parquet as on the Hugging Face hub, a .mat of EMNIST or
    SVHN, EMNIST's IDX files, or a folder of images by class. It is recognized by its content. The new folder has the
    four files, provenance.json with everything that was done, and preview.png: look at it.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="")] = ""
    """File or folder to import."""
    out: Path | None = None
    """New folder. None: a folder named after the source, in the current folder."""
    size: int | None = None
    """Side of the images in pixels. None: as they are; images that are not square are padded."""
    fit: Literal["pad", "resize"] | None = None
    """How images get another size: pad surrounds them with their background, resize scales them. None: pad smaller
    images, resize larger ones."""
    grey: Switch = False
    """Turn colour into grey."""
    transpose: Literal["auto", "yes", "no"] = "auto"
    """Exchange rows and columns of each image. auto: for EMNIST's files, which store them so."""


@options.command("data import", DataImportOptions)
def main(chosen: DataImportOptions) -> int:
    """Run the command and return its exit code."""
    if not chosen.source:
        raise ConfigError(f"there is nothing to import; name a file or folder: `{PROGRAM} data import SOURCE`")

    from mnist_gan.data.importers.base import Choices
    from mnist_gan.data.importing import describe, describe_source, read_source, write_data_set

    source = Path(chosen.source)
    out = chosen.out or default_out(source)
    transpose = TRANSPOSE[chosen.transpose]
    choices = Choices(size=chosen.size, fit=chosen.fit, grey=chosen.grey, transpose=transpose)
    prepared = read_source(source, choices)
    write_data_set(prepared, out, source=describe_source(source), files={PREVIEW: preview(prepared)})
    print(describe(prepared, out))
    print(f"Look at {out / PREVIEW}: are images and names as they should be?")
    print(f"Train with it: `{PROGRAM} train quick --data.dir {shlex.quote(str(out))}`")
    return EXIT_OK


def default_out(source: Path) -> Path:
    """Return the name of the source, without suffixes, in the current folder; with `-idx` if it is taken."""
    name = source.resolve().name
    plain = Path(name.removesuffix(".gz")).stem if source.is_file() else name
    return Path(plain) if not Path(plain).exists() else Path(f"{plain}-idx")


def preview(prepared: Prepared) -> bytes:
    """Draw the first training images of each class in a column under its name; return the PNG."""
    import numpy as np

    from mnist_gan.artifacts.pictures import draw_grid, encode_png
    from mnist_gan.data.mnist import TRAIN_IMAGES, TRAIN_LABELS

    images, labels = prepared.arrays[TRAIN_IMAGES], prepared.arrays[TRAIN_LABELS]
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)  # [N, C, H, W]
    classes = list(range(min(PREVIEW_CLASSES, len(prepared.class_names))))
    rows = [np.resize(np.flatnonzero(labels == label), PREVIEW_ROWS) for label in classes]
    shown = np.stack(rows, axis=1).ravel()  # row by row, a class in each column
    titles = [prepared.class_names[label] for label in classes]
    return encode_png(draw_grid(images[shown], columns=len(classes), column_titles=titles))

"""`mnist-gan data`: where the images are, and whether they are what they should be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, DataError

if TYPE_CHECKING:
    from mnist_gan.data import DataLocation

VERB: Final = "data"
HEADERS: Final = ("place", "state", "where", "what to do")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Show every place that is searched for MNIST, in that order, and verify the files there against their sha256.

    Exit code 3 if MNIST is in none of them.
    """

    dir: Path | None = None
    """A further folder to look into, as --data.dir of `train` would. None: none."""
    download: Switch = False
    """Download MNIST into the cache first; what is there and verifies is kept."""
    json: Switch = False
    """Print JSON in place of a table."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(DataOptions, arguments, verb=VERB)
    if chosen is None:
        return EXIT_OK

    from mnist_gan.cli import tables
    from mnist_gan.data import data_status, download_mnist

    if chosen.download:
        download_mnist()
    places = data_status(folder=chosen.dir)
    if chosen.json:
        tables.print_json([{**dataclasses.asdict(place), "state": place.state} for place in places])
    else:
        tables.print_table(HEADERS, [row(place) for place in places])
    if not any(place.is_mnist for place in places):
        raise DataError(f"MNIST is in none of these places; `{PROGRAM} data --download` brings it")
    return EXIT_OK


def row(place: DataLocation) -> list[str]:
    """A place's row under `HEADERS`."""
    where = "comes with scikit-learn, 8x8" if place.role == "digits" else place.path or ""
    return [place.role, place.state, where, "" if place.state in {"ok", "another data set"} else place.remedy]

"""`mnist-gan data`: locates, verifies and downloads MNIST."""

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

HEADERS: Final = ("place", "state", "where", "what to do")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """List the places that are searched for MNIST, in order, and verify their files against the sha256 digests.

    The exit code is 3 if none of them has MNIST.
    """

    dir: Path | None = None
    """Another folder to check, as `train` would use it with --data.dir. None: no other folder."""
    download: Switch = False
    """Download MNIST into the cache first; files that verify are kept."""
    json: Switch = False
    """Print JSON instead of a table."""


@options.command("data", DataOptions)
def main(chosen: DataOptions) -> int:
    """Run the command and return its exit code."""
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
        raise DataError(f"none of these places has MNIST; download it with `{PROGRAM} data --download`")
    return EXIT_OK


def row(place: DataLocation) -> list[str]:
    """Return a row under `HEADERS`."""
    where = "part of scikit-learn, 8x8" if place.role == "digits" else place.path or ""
    return [place.role, place.state, where, "" if place.state in {"ok", "another data set"} else place.remedy]

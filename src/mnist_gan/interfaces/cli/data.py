"""`mnist-gan data`: where the images are, and whether they are what they should be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnist_gan.errors import EXIT_OK, DataError
from mnist_gan.interfaces.cli import options
from mnist_gan.interfaces.cli.train import Switch
from mnist_gan.interfaces.cli.verbs import PROGRAM

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

    from mnist_gan.data import data_status, download_mnist
    from mnist_gan.interfaces.cli import tables

    if chosen.download:
        download_mnist()
    places = data_status(folder=chosen.dir)
    if chosen.json:
        tables.print_json([{**dataclasses.asdict(place), "state": state(place)} for place in places])
    else:
        tables.print_table(HEADERS, [row(place) for place in places])
    if not any(is_mnist(place) for place in places):
        raise DataError(f"MNIST is in none of these places; `{PROGRAM} data --download` brings it")
    return EXIT_OK


def row(place: DataLocation) -> list[str]:
    """A place's row under `HEADERS`."""
    where = "comes with scikit-learn, 8x8" if place.role == "digits" else place.path or ""
    return [place.role, state(place), where, "" if state(place) in {"ok", "another data set"} else place.remedy]


def state(place: DataLocation) -> str:
    """What is there, in a word or two."""
    if place.verifies:
        return "ok"
    if place.role == "digits":
        return "not installed"
    if place.path is None:
        return "not set"
    return _state_of_files([file.state for file in place.files])


def is_mnist(place: DataLocation) -> bool:
    """Whether a place holds MNIST, verified."""
    return place.verifies and place.role != "digits"


def _state_of_files(states: Sequence[str]) -> str:
    found = set(states)
    if found == {"missing"}:
        return "empty"
    if "damaged" in found:
        return "damaged"
    return "another data set" if found == {"other"} else "incomplete"

"""`mnist-gan data get`: downloads a relative of MNIST into a folder of four IDX files."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.errors import EXIT_OK, ConfigError


@dataclass(frozen=True, kw_only=True)
class DataGetOptions:
    """Download a data set into a new folder of four IDX files, which --data.dir takes.

    NAME is fashion-mnist, kmnist, qmnist, emnist-digits, emnist-letters, emnist-balanced, emnist-bymerge,
    emnist-byclass or emnist-mnist. Files are verified by their published MD5 digests. All of EMNIST is one archive of
    562 MB.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ""
    """Data set to download."""
    out: Path | None = None
    """New folder. None: the name of the data set, in the current folder."""


@options.command("data get", DataGetOptions)
def main(chosen: DataGetOptions) -> int:
    """Run the command and return its exit code."""
    from mnist_gan.data.importing import describe
    from mnist_gan.data.known_sets import KNOWN_SETS, get_known_set

    if chosen.name not in KNOWN_SETS:
        near = difflib.get_close_matches(chosen.name, KNOWN_SETS, n=1)
        raise ConfigError(
            f"{repr(chosen.name) + ' is no known data set' if chosen.name else 'there is no name of a data set'}; "
            f"{f'did you mean {near[0]}?' if near else 'name one of ' + ', '.join(KNOWN_SETS)}"
        )
    out = chosen.out or Path(chosen.name)
    prepared = get_known_set(chosen.name, out=out)
    print(describe(prepared, out))
    print(f"Train with it: `{PROGRAM} train quick --data.dir {shlex.quote(str(out))}`")
    return EXIT_OK

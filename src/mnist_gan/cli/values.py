"""Option values that several commands share: types, parsing and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import tyro

from mnist_gan.errors import ConfigError

Switch: TypeAlias = tyro.conf.FlagCreatePairsOff[bool]
"""Boolean option without a negative flag."""

RUN_HELP = (
    "Run folder or name, model folder, or shipped (the model in the package). None: the newest run with a model; "
    "shipped if there is no run."
)
ModelName: TypeAlias = Annotated[str | None, tyro.conf.arg(help=RUN_HELP)]
"""Option `--run` of the commands that use a model."""


def parse_digits(text: str) -> list[int]:
    """Parse digits, such as `0123`, or classes above 9 with commas, such as `12,345`.

    Raises:
        ConfigError: neither form.
    """
    words = text.split(",") if "," in text else list(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"--digits is {text!r}; write digits without spaces, such as 0123, or classes with commas")
    return [int(word) for word in words]


def check_seed(seed: int, *, option: str = "--seed") -> None:
    """Raise a ConfigError unless the seed is in range."""
    if not 0 <= seed < 2**63:
        raise ConfigError(f"{option} is {seed}; it must be a whole number from 0 to 2**63 - 1")


def check_png(out: Path | None) -> None:
    """Raise a ConfigError unless `--out` is absent or ends in .png."""
    if out is not None and out.suffix.lower() != ".png":
        raise ConfigError(f"--out {out} must end in .png")


def check_runs_dir(runs_dir: Path) -> None:
    """Raise a ConfigError if `--runs-dir` is a file."""
    if runs_dir.exists() and not runs_dir.is_dir():
        raise ConfigError(f"--runs-dir {runs_dir} is not a folder")

"""Option values that several commands share: types, parsing and checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import tyro

from mnist_gan.errors import ConfigError

Switch: TypeAlias = tyro.conf.FlagCreatePairsOff[bool]
"""Boolean option without a negative flag."""

CLASS_ALIASES: Final = {"--digits": "--classes"}
"""Older flag of the commands that draw classes."""
RUN_HELP = (
    "Run folder or name, model folder, hf://USER/NAME on the Hugging Face hub, or shipped (the model in the package). "
    "None: the newest run with a model; shipped if there is no run."
)
ModelName: TypeAlias = Annotated[str | None, tyro.conf.arg(help=RUN_HELP)]
"""Option `--run` of `score`, whose arguments are images."""
ModelArgument: TypeAlias = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]", help=RUN_HELP)]
"""Argument of the commands that use a model; `--run` is its flag."""

PLUGIN_HELP = (
    "File of a plug-in that the model was made with. Its code runs with your rights, so read it first. None: no code "
    "of a plug-in runs."
)
PluginPath: TypeAlias = Annotated[Path | None, tyro.conf.arg(help=PLUGIN_HELP)]
"""Option `--plugin` of the commands that use a model."""


def parse_classes(text: str, names: Sequence[str]) -> list[int]:
    """Find classes by name or number: one, several with commas, or several of one character each, such as `0123`.

    Args:
        text: value of the option.
        names: names of the model's classes, in the order of the labels; empty for an unconditional model, which
            refuses every class.

    Raises:
        ConfigError: an unknown class.
    """
    from mnist_gan.data.provenance import find_class  # imports torch

    if not names:
        return [0]
    whole = text.strip()
    if whole in names and not whole.isdigit():  # a name may contain a comma
        return [names.index(whole)]
    words = [word.strip() for word in whole.removesuffix(",").split(",")] if "," in whole else [whole]
    is_run = len(words) == 1 and (whole.isdigit() or all(letter in names for letter in whole))
    return [find_class(word, names) for word in (whole if is_run and whole else words)]


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

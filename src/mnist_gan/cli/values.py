"""Types and checks of values that several commands take."""

from __future__ import annotations

from typing import TypeAlias

import tyro

from mnist_gan.errors import ConfigError

Switch: TypeAlias = tyro.conf.FlagCreatePairsOff[bool]
"""A flag without a value, off by default."""


def parse_digits(text: str) -> list[int]:
    """`0123` or, for classes above 9, `12,345`, as numbers.

    Raises:
        ConfigError: it is neither.
    """
    words = text.split(",") if "," in text else list(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"--digits is {text!r}; write digits one after the other, such as 0123, or with commas")
    return [int(word) for word in words]


def check_seed(seed: int, *, option: str = "--seed") -> None:
    """Refuse what is no seed.

    Raises:
        ConfigError: it is negative, or too large.
    """
    if not 0 <= seed < 2**63:
        raise ConfigError(f"{option} is {seed}; it must be a whole number from 0 to 2**63 - 1")

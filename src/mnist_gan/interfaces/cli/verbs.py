"""The commands, and the page that lists them.

Each command is a function that imports what it needs when it is called.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

PROGRAM: Final = "mnist-gan"
MAX_WIDTH: Final = 100
MIN_WIDTH: Final = 24


def train(arguments: list[str]) -> int:
    """`mnist-gan train`."""
    from mnist_gan.interfaces.cli.train import main

    return main(arguments)


def resume(arguments: list[str]) -> int:
    """`mnist-gan resume`."""
    from mnist_gan.interfaces.cli.resume import main

    return main(arguments)


def sample(arguments: list[str]) -> int:
    """`mnist-gan sample`."""
    from mnist_gan.interfaces.cli.sample import main

    return main(arguments)


def runs(arguments: list[str]) -> int:
    """`mnist-gan runs`."""
    from mnist_gan.interfaces.cli.runs import main

    return main(arguments)


def animate(arguments: list[str]) -> int:
    """`mnist-gan animate`."""
    from mnist_gan.interfaces.cli.animate import main

    return main(arguments)


def curves(arguments: list[str]) -> int:
    """`mnist-gan curves`."""
    from mnist_gan.interfaces.cli.curves import main

    return main(arguments)


def plot_checkpoint(arguments: list[str]) -> int:
    """`mnist-gan plot-checkpoint`."""
    from mnist_gan.interfaces.cli.plot_checkpoint import main

    return main(arguments)


def interpolate(arguments: list[str]) -> int:
    """`mnist-gan interpolate`."""
    from mnist_gan.interfaces.cli.interpolate import main

    return main(arguments)


def score(arguments: list[str]) -> int:
    """`mnist-gan score`."""
    from mnist_gan.interfaces.cli.score import main

    return main(arguments)


def evaluate(arguments: list[str]) -> int:
    """`mnist-gan evaluate`."""
    from mnist_gan.interfaces.cli.evaluate import main

    return main(arguments)


def compare(arguments: list[str]) -> int:
    """`mnist-gan compare`."""
    from mnist_gan.interfaces.cli.compare import main

    return main(arguments)


def studio(arguments: list[str]) -> int:
    """`mnist-gan studio`."""
    from mnist_gan.interfaces.cli.studio import main

    return main(arguments)


def bench(arguments: list[str]) -> int:
    """`mnist-gan bench`."""
    from mnist_gan.interfaces.cli.bench import main

    return main(arguments)


def data(arguments: list[str]) -> int:
    """`mnist-gan data`."""
    from mnist_gan.interfaces.cli.data import main

    return main(arguments)


def doctor(arguments: list[str]) -> int:
    """`mnist-gan doctor`."""
    from mnist_gan.interfaces.cli.doctor import main

    return main(arguments)


@runtime_checkable
class Output(Protocol):
    """As much of a text stream as is used here."""

    def write(self, text: str, /) -> int:
        """Add text."""

    def flush(self) -> None:
        """Hold nothing back."""

    def isatty(self) -> bool:
        """Whether a person reads it on a terminal."""


class Verb(NamedTuple):
    """One command."""

    name: str
    summary: str
    run: Callable[[list[str]], int]
    """Takes the arguments after the verb; returns the exit code."""
    aliases: tuple[str, ...] = ()


GROUPS: Final[dict[str, tuple[Verb, ...]]] = {
    "Train": (
        Verb("train", "train a preset or a config file into a run (also: main)", train, ("main",)),
        Verb("resume", "continue a run that was stopped, exactly where it stood", resume),
    ),
    "Watch": (
        Verb("studio", "watch, explore and draw, in the browser", studio),
        Verb("runs", "list the runs", runs),
        Verb("plot-checkpoint", "show the samples of a run's newest epoch", plot_checkpoint),
        Verb("curves", "draw the learning curves of one run, or of several", curves),
        Verb("animate", "make an animation of how a run's samples changed", animate),
    ),
    "Use": (
        Verb("sample", "draw digits: a grid, a folder, an .npz, or MNIST's own layout", sample),
        Verb("interpolate", "draw the way between seeds or between digits", interpolate),
        Verb("score", "ask the discriminator whether images are real", score),
    ),
    "Judge": (
        Verb("evaluate", "judge a run, a model or images, and write a report", evaluate),
        Verb("compare", "hold runs against one another: figures, settings, curves", compare),
    ),
    "Set up": (
        Verb("data", "show where MNIST is and whether it verifies; download it", data),
        Verb("bench", "time the training of each preset on this machine", bench),
        Verb("doctor", "check this machine, with a remedy for what is wrong", doctor),
    ),
}
"""The commands under the headings that the help shows them under."""

OPTIONS: Final = (
    ("--help", "show this page; after a command, that command's options"),
    ("--version", "show the version"),
    ("--debug", "show the traceback of an error; goes with any command"),
)
EXAMPLES: Final = (
    ("mnist-gan train quick", "about five minutes on two CPU cores"),
    ("mnist-gan sample --digits 0123456789", "draw with the newest model"),
)


def find(name: str) -> Verb | None:
    """The verb of that name or alias."""
    verbs = (verb for group in GROUPS.values() for verb in group)
    return next((verb for verb in verbs if name in (verb.name, *verb.aliases)), None)


def names() -> list[str]:
    """Every name that a verb answers to."""
    return [name for group in GROUPS.values() for verb in group for name in (verb.name, *verb.aliases)]


def help_page(*, width: int, styled: bool) -> str:
    """The page of `mnist-gan --help`, at most `width` columns wide; `styled` prints the headings bold."""
    tables = {heading: [(verb.name, verb.summary) for verb in group] for heading, group in GROUPS.items()}
    tables |= {"Options": list(OPTIONS), "Examples": list(EXAMPLES)}
    table = functools.partial(_table, width=width, align=max(map(len, names())))
    blocks = [
        _wrap(f"usage: {PROGRAM} COMMAND [OPTIONS]", width=width),
        _wrap("Train generative adversarial networks on handwritten digits, and draw with them.", width=width),
        *(_heading(heading, styled=styled) + "\n" + table(rows) for heading, rows in tables.items()),
        _wrap(f"`{PROGRAM} COMMAND --help` lists a command's options, each with its unit and default.", width=width),
    ]
    return "\n\n".join(blocks) + "\n"


def terminal_width() -> int:
    """Columns to write in: the terminal's (or COLUMNS), within reason."""
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def wants_style(stream: Output) -> bool:
    """Whether to write bold and colours: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_help(stream: Output | None = None) -> None:
    """Write the page for the terminal at hand."""
    stream = stream or sys.stdout
    stream.write(help_page(width=terminal_width(), styled=wants_style(stream)))


def _heading(text: str, *, styled: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if styled else text


def _wrap(text: str, *, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _table(rows: Sequence[tuple[str, str]], *, width: int, align: int) -> str:
    """Two columns, the second at `align` or where names need it; in a narrow terminal the text goes under the name."""
    name_width = max(align, *(len(name) for name, _ in rows))
    if width - name_width - 4 < 30:
        return "\n".join(f"  {name}\n{_wrap(text, width=width, indent='      ')}" for name, text in rows)
    indent = " " * (name_width + 4)
    return "\n".join(
        f"  {name:<{name_width}}  {_wrap(text, width=width, indent=indent).lstrip()}" for name, text in rows
    )

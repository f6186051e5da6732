"""The commands: one module each, imported when its command is called; none imports another."""

from __future__ import annotations

import importlib
from typing import Final, NamedTuple


class Command(NamedTuple):
    """A command of the program; its module has the function `main(arguments) -> exit code`."""

    name: str
    summary: str
    aliases: tuple[str, ...] = ()

    def run(self, arguments: list[str]) -> int:
        """Import the command's module, run it on the arguments after the command's name, and return the exit code."""
        module = importlib.import_module(f"{__name__}.{self.name.replace('-', '_')}")
        code: int = module.main(arguments)
        return code


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "Train": (
        Command("train", "train a preset or a config file into a run (also: main)", ("main",)),
        Command("resume", "continue a run that was stopped, exactly where it stood"),
    ),
    "Watch": (
        Command("studio", "watch, explore and draw, in the browser"),
        Command("runs", "list the runs"),
        Command("plot-checkpoint", "show the samples of a run's newest epoch"),
        Command("curves", "draw the learning curves of one run, or of several"),
        Command("animate", "make an animation of how a run's samples changed"),
    ),
    "Use": (
        Command("sample", "draw digits: a grid, a folder, an .npz, or MNIST's own layout"),
        Command("interpolate", "draw the way between seeds or between digits"),
        Command("score", "ask the discriminator whether images are real"),
    ),
    "Judge": (
        Command("evaluate", "judge a run, a model or images, and write a report"),
        Command("compare", "hold runs against one another: figures, settings, curves"),
    ),
    "Set up": (
        Command("data", "show where MNIST is and whether it verifies; download it"),
        Command("bench", "time the training of each preset on this machine"),
        Command("doctor", "check this machine, with a remedy for what is wrong"),
    ),
}
"""The commands under their headings in `mnist-gan --help`."""


def find(name: str) -> Command | None:
    """The command of that name or alias."""
    commands = (command for group in GROUPS.values() for command in group)
    return next((command for command in commands if name in (command.name, *command.aliases)), None)


def names() -> list[str]:
    """Every name and alias of a command."""
    return [name for group in GROUPS.values() for command in group for name in (command.name, *command.aliases)]

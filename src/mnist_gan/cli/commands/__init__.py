"""Commands: one module each, imported when its command is called. No command imports another."""

from __future__ import annotations

import importlib
from typing import Final, NamedTuple


class Command(NamedTuple):
    """Name and summary of a command; its module has the function `main(arguments) -> exit code`."""

    name: str
    summary: str
    aliases: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Name of the module."""
        return f"{__name__}.{self.name.replace('-', '_').replace(' ', '_')}"

    def run(self, arguments: list[str]) -> int:
        """Import the command's module, run it on the arguments after the command's name, and return the exit code."""
        module = importlib.import_module(self.module)
        code: int = module.main(arguments)
        return code


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "Train": (
        Command("train", "train a preset or a config file (alias: main)", ("main",)),
        Command("resume", "continue a stopped run from its newest checkpoint"),
    ),
    "Watch": (
        Command("studio", "train, watch, explore and draw in the browser"),
        Command("runs", "list the runs"),
        Command("plot-checkpoint", "show the newest sample grid of a run"),
        Command("curves", "plot the learning curves of one or more runs"),
        Command("animate", "animate the sample grids of a run"),
    ),
    "Use": (
        Command("sample", "draw digits: a grid, a folder, an .npz or IDX files"),
        Command("interpolate", "interpolate between seeds or between digits"),
        Command("score", "score images with the discriminator: real or fake"),
        Command("export", "export a model as ONNX, a web page or a torch program"),
    ),
    "Judge": (
        Command("evaluate", "evaluate a run, a model or images; write a report"),
        Command("judge", "train a judge of another data set, or list the judges"),
        Command("compare", "compare runs: figures, settings and curves"),
        Command("versus", "compare two recipes over several seeds"),
        Command("study", "run a study: many recipes and seeds, with statistics"),
    ),
    "Set up": (
        Command("data", "locate, verify or download MNIST"),
        Command("data import", "import .npz, CSV, parquet, .mat or images by class"),
        Command("data get", "download Fashion-MNIST, KMNIST, QMNIST or EMNIST"),
        Command("bench", "measure the training speed of presets"),
        Command("doctor", "check this machine and suggest remedies"),
    ),
}
"""Commands by heading of `mnist-gan --help`."""


def find(name: str) -> Command | None:
    """Return the command with this name or alias."""
    commands = (command for group in GROUPS.values() for command in group)
    return next((command for command in commands if name in (command.name, *command.aliases)), None)


def split(arguments: list[str]) -> tuple[Command | None, list[str]]:
    """Return the command that the arguments begin with, of one word or two, and the arguments after its name."""
    for words in (2, 1):
        command = find(" ".join(arguments[:words]))
        if command is not None:
            return command, arguments[words:]
    return None, arguments[1:]


def names() -> list[str]:
    """Return the names and aliases of all commands."""
    return [name for group in GROUPS.values() for command in group for name in (command.name, *command.aliases)]

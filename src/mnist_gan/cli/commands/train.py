"""`mnist-gan train`: trains a preset or a config file, with any field changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.cli import options
from mnist_gan.cli.arguments import ParsedArguments, options_of
from mnist_gan.cli.values import Switch
from mnist_gan.config import Config
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.launcher import read_launch
from mnist_gan.text import decode_text

if TYPE_CHECKING:
    from mnist_gan.plugins import Plugin

COMMAND: Final = "train"
SHORT: Final = {"--epochs": "--training.epochs", "--budget": "--training.budget", "--seed": "--training.seed"}
LENGTHS: Final = {
    "--training.total-nimg": "--training.total-nimg",
    "--training.epochs": "--epochs",
    "--training.budget": "--budget",
}
"""Options that give the length, with their short names."""
ROLLBACKS: Final = 3
PRESET_HELP: Final = f"Preset to start from: {', '.join(presets.PRESETS)}."
LogChoice: TypeAlias = Literal["tensorboard", "wandb", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(Config):
    """`Config` without an option for the preset, which is a positional argument."""

    preset: tyro.conf.Suppress[str] = "custom"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a GAN and write a new run folder.

    Start from PRESET or a config file and change any field: `mnist-gan train quick --training.batch-size 64`. Ctrl-C
    finishes the step and writes a checkpoint; `mnist-gan resume` continues from it.
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]", help=PRESET_HELP)] = presets.DEFAULT
    config: Path | None = None
    """Config file (TOML) to start from instead of a preset. The config.toml of a run repeats the run."""
    plugin: Path | None = None
    """Python file that registers losses, regularizers, networks, data sets or presets of your own; its code runs. The
    run keeps a copy."""
    interventions: Path | None = None
    """File of learning-rate changes. The interventions.jsonl of a run, with its config.toml, repeats the run."""
    name: str | None = None
    """Name of the run folder. None: the preset and the time."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    epochs: float | None = None
    """Length in passes over the training images; same as --training.epochs."""
    budget: str | None = None
    """Length in time on this machine, such as 60s or 5min; same as --training.budget."""
    seed: int = 0
    """Seed of all randomness; same as --training.seed."""
    log: LogChoice | None = None
    """Loggers besides metrics.jsonl: tensorboard, wandb (with TensorBoard), or none. None: as the preset or config file
    says, by default TensorBoard. Same as --run.tensorboard and --run.wandb."""
    print_config: Switch = False
    """Print the config as TOML, for --config, and do not train."""
    dry_run: Switch = False
    """Train for a few seconds and predict the duration of the whole training; write nothing."""
    stop_on_plateau: Switch = False
    """Stop when the distance to the real images no longer falls; same as --run.stop-on-plateau."""
    rollback: Switch = False
    """If the training diverges, return to the best checkpoint and halve the learning rates, at most three times; same
    as --run.rollbacks 3."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Settings)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if options.wants_help(arguments):
        options.print_help(TrainOptions, command=COMMAND, default=_defaults(_preset_in(arguments)))
        return EXIT_OK
    plugin = _load_plugin(_split(arguments).value("--plugin"))
    chosen = read_options(arguments, recipes={} if plugin is None else plugin.presets)
    config = to_config(chosen)
    if chosen.print_config:
        print(config_module.to_toml(config), end="")
        return EXIT_OK

    from mnist_gan.cli import running  # imports torch

    if chosen.dry_run:
        if read_launch() is not None:
            raise ConfigError("--dry-run measures one process; start it without torchrun")
        return running.predict(config, plugin=plugin)
    return running.train(
        config, name=chosen.name, runs_dir=chosen.runs_dir, interventions=chosen.interventions, plugin=plugin
    )


def read_options(
    arguments: Sequence[str], *, recipes: Mapping[str, presets.Recipe] = MappingProxyType({})
) -> TrainOptions:
    """Return the arguments as options; fields without one have the values of the preset or config file.

    Args:
        arguments: of the command.
        recipes: presets of a plug-in, by full name.

    Raises:
        ConfigError: unknown option, wrong value, or values that do not work together.
    """
    parsed = _split(arguments)
    default = _defaults(_starting_config(parsed, recipes))
    return options.build(TrainOptions, [*parsed.tokens(), *_length(parsed)], command=COMMAND, default=default)


def to_config(chosen: TrainOptions) -> Config:
    """Return the config with the switches applied."""
    config = Config(**{field.name: getattr(chosen.settings, field.name) for field in dataclasses.fields(Config)})
    run = config.run
    if chosen.stop_on_plateau:
        run = dataclasses.replace(run, stop_on_plateau=True)
    if chosen.rollback:
        run = dataclasses.replace(run, rollbacks=run.rollbacks or ROLLBACKS)
    if chosen.log is not None:
        run = dataclasses.replace(run, tensorboard=chosen.log != "none", wandb=chosen.log == "wandb")
    return dataclasses.replace(config, run=run)


def read_config_file(path: Path) -> Config:
    """Read a config from a TOML file.

    Raises:
        ConfigError: the file cannot be read, or is not a config.
    """
    try:
        text = decode_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigError(f"--config {path} cannot be read: {reason}") from error
    return config_module.from_toml(text, source=str(path))


def _split(arguments: Sequence[str]) -> ParsedArguments:
    table = {**options_of(TrainOptions), **options_of(Config)}
    for hidden in ("--preset", *(flag for flag in table if flag.startswith("--settings."))):
        del table[hidden]
    return options.read(arguments, table, command=COMMAND, short=SHORT)


def _load_plugin(file: str | None) -> Plugin | None:
    if file in {None, "None"}:
        return None
    from mnist_gan.plugins import load_plugin  # imports torch

    return load_plugin(str(file))


def _starting_config(parsed: ParsedArguments, recipes: Mapping[str, presets.Recipe]) -> Config:
    file = parsed.value("--config")
    if len(parsed.positionals) > 1:
        raise ConfigError(f"unexpected argument {parsed.positionals[1]!r}; train takes one preset")
    if file in {None, "None"}:
        return presets.get(parsed.positionals[0] if parsed.positionals else presets.DEFAULT, recipes=recipes)
    if parsed.positionals:
        raise ConfigError(f"both the preset {parsed.positionals[0]} and --config {file} are given; leave one out")
    return read_config_file(Path(str(file)))


def _preset_in(arguments: Sequence[str]) -> Config:
    """Return the preset named in arguments that ask for help, else the default preset."""
    return presets.get(next((word for word in arguments if word in presets.PRESETS), presets.DEFAULT))


def _defaults(config: Config) -> TrainOptions:
    settings = Settings(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Config)})
    return TrainOptions(
        preset=config.preset,
        epochs=config.training.epochs,
        budget=config.training.budget,
        seed=config.training.seed,
        settings=settings,
    )


def _length(parsed: ParsedArguments) -> list[str]:
    """Return the options that clear the preset's length, if the arguments give it in another unit.

    Raises:
        ConfigError: they give it in two units.
    """
    given = {option: parsed.value(option) for option in LENGTHS}
    named = [option for option, value in given.items() if value not in {None, "None"}]
    if len(named) > 1:
        raise ConfigError(f"both {LENGTHS[named[0]]} and {LENGTHS[named[1]]} give the length; leave one out")
    others = [option for option in LENGTHS if option != "--training.total-nimg" and given[option] is None]
    return [word for option in others for word in (option, "None")] if named else []

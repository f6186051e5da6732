"""`mnist-gan train`: a preset or a config file, any field changed, becomes a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.cli import options
from mnist_gan.cli.arguments import Words, options_of
from mnist_gan.cli.values import Switch
from mnist_gan.config import Config
from mnist_gan.errors import EXIT_OK, ConfigError

VERB: Final = "train"
SHORT: Final = {"--epochs": "--training.epochs", "--seed": "--training.seed"}
ROLLBACKS: Final = 3
PRESET_HELP: Final = f"Preset to start from: {', '.join(presets.PRESETS)}."
LOG_HELP: Final = (
    "Where progress goes beside metrics.jsonl: tensorboard; wandb (Weights & Biases, and TensorBoard too); or none. "
    "None: what the preset or config file says, which is TensorBoard. The same as --run.tensorboard and --run.wandb."
)
LogChoice: TypeAlias = Literal["tensorboard", "wandb", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(Config):
    """A `Config` whose preset is named by position."""

    preset: tyro.conf.Suppress[str] = "custom"
    """Name of the recipe that this config began as."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a GAN and write everything about it into a new folder.

    Begin from PRESET or from a config file and change any field: `mnist-gan train quick --training.batch-size 64`.
    Ctrl-C finishes the step and writes a checkpoint; `mnist-gan resume` goes on from there.
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]", help=PRESET_HELP)] = presets.DEFAULT
    config: Path | None = None
    """A config.toml to begin with, in place of a preset; that of a run gives the same run."""
    interventions: Path | None = None
    """The interventions.jsonl of a run whose learning rates were changed while it trained: with its config.toml, it
    gives the same run."""
    name: str | None = None
    """Name of the run's folder. None: the preset and the time."""
    runs_dir: Path = Path("runs")
    """Folder that the run's folder is made in."""
    epochs: float | None = None
    """Passes over the training images; the same as --training.epochs."""
    seed: int = 0
    """Everything random is derived from it; the same as --training.seed."""
    log: Annotated[LogChoice | None, tyro.conf.arg(help=LOG_HELP)] = None
    print_config: Switch = False
    """Print the config as TOML, for --config, and train nothing."""
    dry_run: Switch = False
    """Train for a few seconds, predict how long the whole would take, and write nothing."""
    stop_on_plateau: Switch = False
    """End when the distance to the real digits has stopped falling; the same as --run.stop-on-plateau."""
    rollback: Switch = False
    """Where the training diverges, go back to the best checkpoint with half the learning rates, three times at
    the most; the same as --run.rollbacks 3."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Settings)


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    if options.wants_help(arguments):
        options.print_help(TrainOptions, verb=VERB, default=_defaults(_preset_asked_for(arguments)))
        return EXIT_OK
    chosen = read_options(arguments)
    config = to_config(chosen)
    if chosen.print_config:
        print(config_module.to_toml(config), end="")
        return EXIT_OK
    from mnist_gan.cli import running  # only from here on is torch needed

    if chosen.dry_run:
        return running.predict(config)
    return running.train(config, name=chosen.name, runs_dir=chosen.runs_dir, interventions=chosen.interventions)


def read_options(arguments: Sequence[str]) -> TrainOptions:
    """The arguments as options, over the preset or the config file that they name.

    Raises:
        ConfigError: what is asked for cannot be.
    """
    table = {**options_of(TrainOptions), **options_of(Config)}
    for hidden in ("--preset", *(flag for flag in table if flag.startswith("--settings."))):
        del table[hidden]
    words = options.read(arguments, table, verb=VERB, short=SHORT)
    default = _defaults(_starting_point(words))
    return options.build(TrainOptions, [*words.tokens(), *_length(words)], verb=VERB, default=default)


def to_config(chosen: TrainOptions) -> Config:
    """The plain config, with what the switches stand for.

    Raises:
        ConfigError: they contradict it.
    """
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
    """The config of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no config.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"--config {path} cannot be read: {reason}") from error
    return config_module.from_toml(text, source=str(path))


def _starting_point(words: Words) -> Config:
    file = words.given("--config")
    if len(words.positionals) > 1:
        raise ConfigError(f"{words.positionals[1]!r} is one word too many; train takes one preset")
    if file in {None, "None"}:
        return presets.get(words.positionals[0] if words.positionals else presets.DEFAULT)
    if words.positionals:
        raise ConfigError(f"both the preset {words.positionals[0]} and --config {file} are given; choose one")
    return read_config_file(Path(str(file)))


def _preset_asked_for(arguments: Sequence[str]) -> Config:
    """The preset that a call for help is about, if it names one."""
    return presets.get(next((word for word in arguments if word in presets.PRESETS), presets.DEFAULT))


def _defaults(config: Config) -> TrainOptions:
    settings = Settings(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Config)})
    return TrainOptions(
        preset=config.preset, epochs=config.training.epochs, seed=config.training.seed, settings=settings
    )


def _length(words: Words) -> list[str]:
    """A length given in images is meant, whatever the preset says in epochs."""
    in_images, in_epochs = words.given("--training.total-nimg"), words.given("--training.epochs")
    return ["--training.epochs", "None"] if in_images and not in_epochs else []

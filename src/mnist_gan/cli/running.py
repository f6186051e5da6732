"""Starts, resumes or predicts a training for a command, and prints the result."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mnist_gan import experiment
from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli.progress import show_training
from mnist_gan.cli.stopping import StopRequest
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.config import Config
from mnist_gan.errors import EXIT_OK, EXIT_RESUMABLE, ConfigError
from mnist_gan.experiment import Estimate, Observer, Outcome, read_interventions
from mnist_gan.launcher import is_follower
from mnist_gan.plugins import Plugin, load_plugin
from mnist_gan.text import format_duration

DIGITS_NOTICE = (
    "NOT MNIST: this model learned scikit-learn's 8x8 digits, enlarged. To train on MNIST, put its four files into a "
    "folder and name the folder with --data.dir, or in the environment variable MNIST_GAN_DATA."
)


def train(
    config: Config,
    *,
    name: str | None,
    runs_dir: Path,
    interventions: Path | None = None,
    plugin: Plugin | None = None,
) -> int:
    """Train a new run and return the exit code.

    Args:
        config: config of the run.
        name: name of its folder; None makes one from the preset and the time.
        runs_dir: folder of runs.
        interventions: interventions.jsonl of another run, applied at the same image counts.
        plugin: plug-in that the config names.

    Raises:
        ConfigError: there is no such file of interventions.
    """
    if interventions is not None and not interventions.is_file():
        raise ConfigError(f"--interventions {interventions} is not a file; give the interventions.jsonl of a run")
    changes = read_interventions(interventions) if interventions is not None else []

    def begin(stop: StopRequest, observer: Observer) -> Outcome:
        return experiment.run(
            config,
            name=name,
            runs_dir=runs_dir,
            plugin=plugin,
            stop=stop,
            observer=observer,
            interventions=changes,
        )

    return _show(begin, plugin)


def resume(root: Path, *, beyond_plateau: bool, threads: int | None = None, plugin: Path | None = None) -> int:
    """Continue a run and return the exit code; the arguments are those of `experiment.resume`."""
    opened = None if plugin is None else load_plugin(plugin)

    def begin(stop: StopRequest, observer: Observer) -> Outcome:
        return experiment.resume(
            root, plugin=opened, stop=stop, observer=observer, beyond_plateau=beyond_plateau, threads=threads
        )

    return _show(begin, opened)


def predict(config: Config, *, plugin: Plugin | None = None) -> int:
    """Train for a few seconds, print the predicted duration of the whole training, and return the exit code."""
    print(describe_estimate(experiment.dry_run(config, plugin=plugin)))
    return EXIT_OK


def describe_estimate(estimate: Estimate) -> str:
    """Return the speed, the predicted duration and the number of parameters, a line each."""
    total_nimg = estimate.config.training.total_nimg or 0
    return (
        f"speed       {estimate.img_per_sec:,.0f} images/s on {estimate.config.training.device}\n"
        f"whole run   {total_nimg:,} images in about {format_duration(estimate.seconds)}\n"
        f"parameters  generator {estimate.generator_parameters:,}, discriminator {estimate.discriminator_parameters:,}"
    )


def describe_end(outcome: Outcome, *, seconds: float, program: str, plugin: Plugin | None = None) -> str:
    """Return the files of a finished run, and commands to try next.

    Args:
        outcome: of the training.
        seconds: duration of the training.
        program: how the user called this program.
        plugin: plug-in of the run.
    """
    directory = outcome.directory
    config = directory.read_config()
    grids = sorted(directory.samples.glob("epoch-*.png"))
    pictures = {"movie": directory.animation, "curves": directory.curves}
    gan = GAN.load(directory.root, plugin=plugin)
    classes = ["--classes", "0123456789"] if gan.draws_digits else []
    drawn = "points" if gan.shape.is_points else "digits"
    words = [*classes, *_plugin_words(gan.plugin, config), "--out", f"{drawn}.png"]
    commands = {
        shlex.join(["sample", "--run", str(directory.root), *words]): f"draw {drawn} with the model",
        f"train {'quick' if config.preset == 'standard' else 'standard'} --seed 1": "train another preset",
        "train --help": "list every option with its default",
    }
    width = max(map(len, commands))
    return "\n".join(
        [
            f"Done: {directory.root} ({outcome.cur_nimg:,} images seen; {format_duration(seconds)})",
            *([f"  samples   {grids[-1]}"] if grids else []),
            *(f"  {name:<9} {path}" for name, path in pictures.items() if path.exists()),
            f"  model     {directory.model} ({gan.stage})",
            *([f"  diagnosis {outcome.diagnosis}"] if outcome.diagnosis else []),
            *([f"  {DIGITS_NOTICE}"] if config.data.name == "digits" else []),
            "",
            "What next:",
            *(f"  {program} {command:<{width}}  # {purpose}" for command, purpose in commands.items()),
        ]
    )


def _plugin_words(plugin: Plugin | None, config: Config) -> list[str]:
    """Return the option `--plugin` if the config names a part of the plug-in."""
    if plugin is None or plugin.file is None or plugin.record_for(config) is None:
        return []
    return ["--plugin", str(plugin.file.path)]


def program_as_called() -> str:
    """Return the program as the user called it, so that the commands in messages can be copied."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        python = Path(sys.executable)
        return f"{python.name if shutil.which(python.name) == sys.executable else _relative(python)} -m mnist_gan"
    on_path = shutil.which(PROGRAM)
    is_on_path = not called.exists() or (on_path is not None and called.samefile(on_path))
    return PROGRAM if is_on_path else _relative(called)


def _relative(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.absolute().relative_to(here) if path.absolute().is_relative_to(here) else path))


def _show(begin: Callable[[StopRequest, Observer], Outcome], plugin: Plugin | None) -> int:
    started = time.monotonic()
    if is_follower():
        with StopRequest() as stop:
            begin(stop, Observer())
        return EXIT_OK  # rank 0 prints the outcome
    with StopRequest() as stop, show_training() as observer:
        outcome = begin(stop, observer)
    if outcome.finished:
        print(describe_end(outcome, seconds=time.monotonic() - started, program=program_as_called(), plugin=plugin))
        return EXIT_OK
    words = _plugin_words(plugin, outcome.directory.read_config())
    command = f"{program_as_called()} {shlex.join(['resume', str(outcome.directory.root), *words])}"
    print(f"stopped after {outcome.cur_nimg:,} images; continue with `{command}`", file=sys.stderr)
    return EXIT_RESUMABLE if stop.exit_code is None else stop.exit_code  # None: stopped from the studio

"""Training from the command line: start or continue a run, show its progress, and say what came of it."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mnist_gan import experiment
from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli.progress import Watcher, describe_duration
from mnist_gan.cli.stopping import StopRequest
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.config import Config
from mnist_gan.errors import EXIT_OK, EXIT_RESUMABLE, ConfigError
from mnist_gan.experiment import Estimate, Observer, Outcome, read_interventions
from mnist_gan.runs.directory import RunDirectory

DIGITS_NOTICE = (
    "NOT MNIST: this model learned scikit-learn's 8x8 digits, enlarged. For the real thing, put MNIST's four files "
    "into a folder and name it: --data.dir FOLDER, or MNIST_GAN_DATA in the environment."
)


def train(config: Config, *, name: str | None, runs_dir: Path, interventions: Path | None = None) -> int:
    """Make a new run, with the changes of the learning rates that a file says; returns the exit code.

    Raises:
        ConfigError: there is no such file.
    """
    if interventions is not None and not interventions.is_file():
        raise ConfigError(f"--interventions {interventions} is no file; it is the interventions.jsonl of a run")
    changes = read_interventions(interventions) if interventions is not None else []

    def begin(stop: StopRequest, observer: Observer) -> Outcome:
        return experiment.run(config, name=name, runs_dir=runs_dir, stop=stop, observer=observer, interventions=changes)

    return _watch(begin)


def resume(root: Path, *, beyond_plateau: bool) -> int:
    """Continue a run; returns the exit code."""

    def begin(stop: StopRequest, observer: Observer) -> Outcome:
        return experiment.resume(root, stop=stop, observer=observer, beyond_plateau=beyond_plateau)

    return _watch(begin)


def predict(config: Config) -> int:
    """Train for a few seconds and print how long the whole would take; returns the exit code."""
    print(describe_estimate(experiment.dry_run(config)))
    return EXIT_OK


def describe_estimate(estimate: Estimate) -> str:
    """What a dry run found, in three lines."""
    total_nimg = estimate.config.training.total_nimg or 0
    return (
        f"speed       {estimate.img_per_sec:,.0f} images/s on {estimate.config.training.device}\n"
        f"whole run   {total_nimg:,} images in about {describe_duration(estimate.seconds)}\n"
        f"parameters  generator {estimate.generator_parameters:,}, discriminator {estimate.discriminator_parameters:,}"
    )


def describe_end(outcome: Outcome, *, seconds: float, program: str) -> str:
    """Where the results lie, and what to do with them."""
    directory = outcome.directory
    config = directory.read_config()
    grids = sorted(directory.samples.glob("epoch-*.png"))
    pictures = {"movie": directory.animation, "curves": directory.curves}
    digits = " --digits 0123456789" if config.training.conditional else ""
    commands = {
        f"sample --run {shlex.quote(str(directory.root))}{digits} --out digits.png": "draw with what was learned",
        f"train {'quick' if config.preset == 'standard' else 'standard'} --seed 1": "another recipe, another seed",
        "train --help": "everything that can be changed, with its default",
    }
    width = max(map(len, commands))
    return "\n".join(
        [
            f"Done: {directory.root} ({outcome.cur_nimg:,} images seen; {describe_duration(seconds)})",
            *([f"  samples   {grids[-1]}"] if grids else []),
            *(f"  {what:<9} {path}" for what, path in pictures.items() if path.exists()),
            f"  model     {directory.model}{_which_snapshot(directory)}",
            *([f"  diagnosis {outcome.diagnosis}"] if outcome.diagnosis else []),
            *([f"  {DIGITS_NOTICE}"] if config.data.name == "digits" else []),
            "",
            "What next:",
            *(f"  {program} {command:<{width}}  # {purpose}" for command, purpose in commands.items()),
        ]
    )


def _which_snapshot(directory: RunDirectory) -> str:
    """Which moment of the training the model is of."""
    return f" ({GAN.load(directory.root).stage})"


def as_typed() -> str:
    """How this program was called, so that the commands it names can be typed as they are."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        python = Path(sys.executable)
        return f"{python.name if shutil.which(python.name) == sys.executable else _short(python)} -m mnist_gan"
    found = shutil.which(PROGRAM)
    is_found = not called.exists() or (found is not None and called.samefile(found))
    return PROGRAM if is_found else _short(called)


def _short(path: Path) -> str:
    """A path from here if it lies below, else whole."""
    here = Path.cwd()
    return str(path.absolute().relative_to(here) if path.absolute().is_relative_to(here) else path)


def _watch(begin: Callable[[StopRequest, Observer], Outcome]) -> int:
    started = time.monotonic()
    with StopRequest() as stop, Watcher() as watcher:
        outcome = begin(stop, watcher.observer)
    if outcome.finished:
        print(describe_end(outcome, seconds=time.monotonic() - started, program=as_typed()))
        return EXIT_OK
    again = f"{as_typed()} resume {shlex.quote(str(outcome.directory.root))}"
    print(f"stopped after {outcome.cur_nimg:,} images; continue with `{again}`", file=sys.stderr)
    return EXIT_RESUMABLE if stop.exit_code is None else stop.exit_code  # None: the studio stopped it

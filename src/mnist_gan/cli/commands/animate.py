"""`mnist-gan animate`: how a run's samples changed, as an animation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.errors import EXIT_OK, ConfigError

VERB: Final = "animate"
OUT_HELP: Final = "What to write, a .gif or a .webp. None: training.gif and training.webp in the run's folder."


@dataclass(frozen=True, kw_only=True)
class AnimateOptions:
    """Make an animation of a run's sample grids, the same latents after each epoch, small enough to mail."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """A run's folder, or its name. None: the newest run that has sample grids."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    out: Annotated[Path | None, tyro.conf.arg(help=OUT_HELP)] = None
    frames: int = 60
    """At most so many frames: of more grids, so many are taken evenly."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(AnimateOptions, arguments, verb=VERB, positional="run")
    if chosen is None:
        return EXIT_OK
    if chosen.frames < 2:
        raise ConfigError(f"--frames is {chosen.frames}; an animation needs at least 2")

    from mnist_gan.artifacts.animation import animate_samples, animation_format
    from mnist_gan.cli.finding import find_run, has_samples

    if chosen.out is not None:
        animation_format(chosen.out)
    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_samples, lacking="run with sample grids")
    paths = [chosen.out] if chosen.out else [run.animation, run.animation_webp]
    animate_samples(run.samples, *paths, max_frames=chosen.frames)
    for path in paths:
        print(f"{path}: the samples of {run.root} ({path.stat().st_size / 1e6:.1f} MB)")
    return EXIT_OK

"""`mnist-gan animate`: animates the sample grids of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnist_gan.cli import options
from mnist_gan.errors import EXIT_OK, ConfigError


@dataclass(frozen=True, kw_only=True)
class AnimateOptions:
    """Animate the sample grids of a run: the same latents after each epoch, in a file small enough to mail."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder or name. None: the newest run with sample grids."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    out: Path | None = None
    """Output file, .gif or .webp. None: training.gif and training.webp in the run folder."""
    frames: int = 60
    """Maximum number of frames; if there are more grids, they are picked at even spacing."""


@options.command("animate", AnimateOptions)
def main(chosen: AnimateOptions) -> int:
    """Run the command and return its exit code."""
    if chosen.frames < 2:
        raise ConfigError(f"--frames is {chosen.frames}; it must be at least 2")

    from mnist_gan.artifacts.animation import animate_samples, animation_format
    from mnist_gan.cli.lookup import find_run, has_samples

    if chosen.out is not None:
        animation_format(chosen.out)  # raises before the run is read
    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_samples, kind="run with sample grids")
    paths = [chosen.out] if chosen.out else [run.animation, run.animation_webp]
    animate_samples(run.samples, *paths, max_frames=chosen.frames)
    for path in paths:
        print(f"{path}: samples of {run.root} ({path.stat().st_size / 1e6:.1f} MB)")
    return EXIT_OK

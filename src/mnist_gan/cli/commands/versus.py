"""`mnist-gan versus`: compares two recipes over several seeds."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class VersusOptions:
    """Compare two recipes, paired by seed, after equal images and equal seconds: the short form of `study`.

    A and B are presets or config files. The study is continued if it was interrupted; `study status` and `study report`
    work with its folder.
    """

    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B", help_behavior_hint="")] = ()
    """Two presets or config files (.toml); A is the baseline."""
    seeds: int = 10
    """Trials of each recipe, with the same seeds for both."""
    images: int | None = None
    """Images of each trial. None: the length of A, unless --seconds is given."""
    seconds: float | None = None
    """Seconds of training of each trial, instead of images; the speeds are measured first."""
    figure: str = "fd2k_mnistnet"
    """Figure that is compared, as in metrics.jsonl without Metric/."""
    target: float | None = None
    """Value of the figure for the time to a target."""
    plugin: Path | None = None
    """File of a plug-in that both recipes may use."""
    name: str | None = None
    """Name of the study's folder. None: A-versus-B."""
    studies_dir: Path = Path("studies")
    """Folder of studies."""
    backend: Literal["local", "ray"] = "local"
    """Where trials run: processes of this machine, or a Ray cluster whose machines share the study's folder."""
    jobs: int | None = None
    """Trials at once on this machine. None: as many as memory and cores carry."""
    ray_address: str | None = None
    """Address of the Ray cluster. None: RAY_ADDRESS, a running one, or a new one on this machine."""
    json: Switch = False
    """Print JSON instead of tables."""


@options.command("versus", VersusOptions)
def main(chosen: VersusOptions) -> int:
    """Run the command and return its exit code."""
    if len(chosen.recipes) != 2:
        raise ConfigError(f"versus compares two recipes, and {len(chosen.recipes) or 'none'} was named")

    from mnist_gan.cli import studying  # imports torch
    from mnist_gan.cli.running import program_as_called
    from mnist_gan.studies import facade

    study = facade.duel(
        *chosen.recipes,
        seeds=chosen.seeds,
        images=chosen.images,
        seconds=chosen.seconds,
        figure=chosen.figure,
        target=chosen.target,
        plugin=None if chosen.plugin is None else str(chosen.plugin.absolute()),
    )
    name = chosen.name or "-versus-".join(arm.name for arm in study.arms)
    directory = facade.place_study("", name, studies_dir=chosen.studies_dir)
    trials = shlex.quote(str(directory.trials))
    print(f"watch one trial of each: `{program_as_called()} studio --runs-dir {trials}`, page Runs", file=sys.stderr)
    backend = studying.choose_backend(chosen.backend, study, directory, jobs=chosen.jobs, address=chosen.ray_address)
    return studying.run(study, directory, backend, json=chosen.json)

"""`mnist-gan interpolate`: interpolates between images, as a strip or an animation."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import CLASS_ALIASES, ModelArgument, PluginPath, check_seed, parse_classes
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

    from mnist_gan.artifacts.gan import GAN

STRIP_STEPS: Final = 8
ANIMATION_STEPS: Final = 20
MAX_STEPS: Final = 1000
"""Bound of the size of a strip and the memory of an animation."""
ROWS: Final = 5
MAX_ROWS: Final = 10
MIN_SCALE: Final = 2
ANIMATION_SCALE: Final = 4
FRAME_MS: Final = 60
"""Duration of a frame of an animation, in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class InterpolateOptions:
    """Interpolate between images: between seeds along the sphere of latents (slerp), or from class to class."""

    run: ModelArgument = None
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    plugin: PluginPath = None
    classes: str | None = None
    """Two or more classes, by name or number, as in 0123 or cat,dog: interpolate from each to the next, in a row per
    seed. One class: interpolate between the seeds, in that class. None: interpolate between the seeds, in a row per
    class of the model. --digits is the same."""
    seeds: Annotated[tuple[int, ...], tyro.conf.arg(help_behavior_hint="(default: none)")] = ()
    """Between seeds: two or more, image 0 of each. Between classes: one per row. None: 0 1, or between classes 0 1 2 3
    4."""
    steps: int | None = None
    """Steps from each image to the next. None: 8 in a strip, 20 in an animation."""
    out: Path = Path("interpolation.png")
    """Output file: a strip (.png), or an animation that returns to its start (.gif, .webp)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Images to draw: a path per row, each through all stations."""

    stations: list[int]
    """Classes or seeds on each path."""
    rows: list[int | None]
    """Seed of each path between classes; class of each path between seeds, None for an unconditional model."""
    class_names: tuple[str, ...]
    """Names of the model's classes; empty for paths between seeds."""
    steps: int

    @property
    def through_classes(self) -> bool:
        """True for paths between classes."""
        return bool(self.class_names)

    @property
    def station_names(self) -> list[str]:
        """Classes by name, seeds by number."""
        return [self.class_names[station] if self.through_classes else str(station) for station in self.stations]

    def titles(self, columns: int) -> list[str]:
        """Return the title of each column of a strip: its station, empty between stations."""
        names = [name if self.through_classes else f"seed {name}" for name in self.station_names]
        return [names[i // self.steps] if i % self.steps == 0 else "" for i in range(columns)]

    def describe(self) -> str:
        """Return the stations as text."""
        return f"from {'class' if self.through_classes else 'seed'} {' to '.join(self.station_names)}"


@options.command("interpolate", InterpolateOptions, aliases=CLASS_ALIASES)
def main(chosen: InterpolateOptions) -> int:
    """Run the command and return its exit code."""
    _check(chosen)

    from mnist_gan.artifacts.gan import GAN  # imports torch
    from mnist_gan.cli.lookup import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model, plugin=chosen.plugin)
    if gan.shape.is_points:
        raise ConfigError(f"{model} draws points, and only images are interpolated; its report shows a grid of z")
    animated = is_animation(chosen.out)
    steps = chosen.steps or (ANIMATION_STEPS if animated else STRIP_STEPS)
    classes = None if chosen.classes is None else parse_classes(chosen.classes, gan.class_names)
    plan = make_plan(gan, classes=classes, seeds=chosen.seeds, steps=steps)
    paths = draw(gan, plan, closed=animated)
    if animated:
        write_animation(chosen.out, paths)
    else:
        write_strip(chosen.out, paths, plan)
    print(f"{chosen.out}: {plan.describe()}, drawn by {model}")
    if gan.stage:
        print(f"the model is {gan.stage}", file=sys.stderr)
    return EXIT_OK


def make_plan(gan: GAN, *, classes: list[int] | None, seeds: tuple[int, ...], steps: int) -> Plan:
    """Return the plan for a model.

    Raises:
        ConfigError: there is only one station, or the model is unconditional.
    """
    if classes is not None and len(classes) > 1:
        rows: list[int | None] = list(seeds or range(ROWS))
        gan.labels(len(classes), digit=classes)  # refuses an unconditional model
        return Plan(stations=classes, rows=rows, class_names=gan.class_names, steps=steps)
    stations = list(seeds or (0, 1))
    if len(stations) < 2:
        raise ConfigError(f"--seeds {stations[0]} is one image; give two or more seeds, or two or more --classes")
    rows = list(classes) if classes is not None else list(gan.classes[:MAX_ROWS]) or [None]
    return Plan(stations=stations, rows=rows, class_names=(), steps=steps)


def draw(gan: GAN, plan: Plan, *, closed: bool) -> list[UInt8[Tensor, "_ c h w"]]:
    """Return the images of each path; a `closed` path returns to its start.

    Raises:
        ConfigError: the model has no such class, or is unconditional.
    """
    if plan.through_classes:
        seeds = [row or 0 for row in plan.rows]
        return [gan.between_digits(plan.stations, seed=seed, steps=plan.steps, closed=closed) for seed in seeds]
    return [gan.between_seeds(plan.stations, digit=row, steps=plan.steps, closed=closed) for row in plan.rows]


def write_strip(out: Path, paths: list[UInt8[Tensor, "_ c h w"]], plan: Plan) -> None:
    """Write a picture with a row per path."""
    import torch

    from mnist_gan.artifacts.pictures import fitting_scale, save_grid

    columns, side = len(paths[0]), paths[0].shape[3]
    scale = max(MIN_SCALE, fitting_scale(side * columns))
    save_grid(out, torch.cat(paths), columns=columns, scale=scale, column_titles=plan.titles(columns))


def write_animation(out: Path, paths: list[UInt8[Tensor, "_ c h w"]]) -> None:
    """Write an animation that shows all paths side by side."""
    import torch

    from mnist_gan.artifacts.animation import save_animation
    from mnist_gan.artifacts.pictures import draw_grid

    columns = len(paths) if len(paths) <= ROWS else math.ceil(len(paths) / 2)
    images = torch.stack(paths, dim=1)  # [frames, rows, C, H, W]
    frames = [draw_grid(frame, columns=columns, scale=ANIMATION_SCALE) for frame in images]
    save_animation(out, frames, frame_ms=FRAME_MS, first_ms=FRAME_MS, last_ms=FRAME_MS)


def is_animation(out: Path) -> bool:
    """True for the name of an animation."""
    return out.suffix.lower() in {".gif", ".webp"}


def _check(chosen: InterpolateOptions) -> None:
    """Check the options before a model is loaded."""
    if chosen.steps is not None and not 1 <= chosen.steps <= MAX_STEPS:
        raise ConfigError(f"--steps is {chosen.steps}; it must be from 1 to {MAX_STEPS:,}")
    if chosen.out.suffix.lower() != ".png" and not is_animation(chosen.out):
        raise ConfigError(f"--out {chosen.out} must end in .png (a strip), .gif or .webp (an animation)")
    for seed in chosen.seeds:
        check_seed(seed, option="--seeds")

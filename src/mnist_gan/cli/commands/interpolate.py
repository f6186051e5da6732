"""`mnist-gan interpolate`: the way from one image to another, as a strip or as an animation."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import check_seed, parse_digits
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

    from mnist_gan.artifacts.gan import GAN

VERB: Final = "interpolate"
STRIP_STEPS: Final = 8
ANIMATION_STEPS: Final = 20
ROWS: Final = 5
MAX_ROWS: Final = 10
MIN_SCALE: Final = 2
ANIMATION_SCALE: Final = 4
FRAME_MS: Final = 60
"""How long a frame of an animation is shown, in milliseconds."""

DIGITS_HELP: Final = (
    "Two digits or more: the way from each to the next, a row for each seed. One digit: the way between the seeds, in "
    "that digit. None: the way between the seeds, a row for each digit that the model knows."
)
SEEDS_HELP: Final = (
    "Between seeds: two or more to go through, image 0 of each. Between digits: a row for each. None: 0 1, or between "
    "digits 0 1 2 3 4."
)
OUT_HELP: Final = "What to write: a .png is a strip; a .gif or .webp is an animation that ends where it begins."


@dataclass(frozen=True, kw_only=True)
class InterpolateOptions:
    """Draw the way from one image to another: between seeds along the sphere (slerp), or from digit to digit."""

    run: str | None = None
    """A run's folder or name, a model folder, or shipped, the model that comes with the package. None: the newest run
    that has a model; shipped where there is no run."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    digits: Annotated[str | None, tyro.conf.arg(help=DIGITS_HELP)] = None
    seeds: Annotated[tuple[int, ...], tyro.conf.arg(help=SEEDS_HELP, help_behavior_hint="(default: none)")] = ()
    steps: int | None = None
    """Steps from each image to the next. None: 8 in a strip, 20 in an animation."""
    out: Annotated[Path, tyro.conf.arg(help=OUT_HELP)] = Path("interpolation.png")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to draw: `rows` ways, each through the stations."""

    stations: list[int]
    """Digits or seeds to go through."""
    rows: list[int | None]
    """The seed of each row, where digits are gone through; else the digit, or None for an unconditional model."""
    through_digits: bool
    steps: int

    def titles(self, columns: int) -> list[str]:
        """What stands over each column of a strip: the station's name, where there is one."""
        names = [str(station) if self.through_digits else f"seed {station}" for station in self.stations]
        return [names[i // self.steps] if i % self.steps == 0 else "" for i in range(columns)]

    def describe(self) -> str:
        """In words."""
        return f"from {'digit' if self.through_digits else 'seed'} {' to '.join(map(str, self.stations))}"


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(InterpolateOptions, arguments, verb=VERB)
    if chosen is None:
        return EXIT_OK
    digits = None if chosen.digits is None else parse_digits(chosen.digits)
    _check(chosen)

    from mnist_gan.artifacts.gan import GAN  # only from here on is torch needed
    from mnist_gan.cli.finding import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model)
    animated = is_animation(chosen.out)
    steps = chosen.steps or (ANIMATION_STEPS if animated else STRIP_STEPS)
    plan = make_plan(gan, digits=digits, seeds=chosen.seeds, steps=steps)
    paths = draw(gan, plan, closed=animated)
    if animated:
        write_animation(chosen.out, paths)
    else:
        write_strip(chosen.out, paths, plan)
    print(f"{chosen.out}: {plan.describe()}, drawn by {model}")
    if gan.stage:
        print(f"the model is {gan.stage}", file=sys.stderr)
    return EXIT_OK


def make_plan(gan: GAN, *, digits: list[int] | None, seeds: tuple[int, ...], steps: int) -> Plan:
    """What the options ask of a model.

    Raises:
        ConfigError: there are not two images to go between, or the model knows no digits.
    """
    if digits is not None and len(digits) > 1:
        rows: list[int | None] = list(seeds or range(ROWS))
        return Plan(stations=digits, rows=rows, through_digits=True, steps=steps)
    stations = list(seeds or (0, 1))
    if len(stations) < 2:
        raise ConfigError(f"--seeds {stations[0]} is one image only; give two seeds or more, or --digits to go between")
    classes = range(min(gan.shape.num_classes, MAX_ROWS))
    rows = list(digits) if digits is not None else list(classes) or [None]
    return Plan(stations=stations, rows=rows, through_digits=False, steps=steps)


def draw(gan: GAN, plan: Plan, *, closed: bool) -> list[UInt8[Tensor, "m c h w"]]:
    """The images of each row's way.

    Raises:
        ConfigError: the model does not know a digit, or is unconditional and was asked for one.
    """
    if plan.through_digits:
        seeds = [row or 0 for row in plan.rows]
        return [gan.between_digits(plan.stations, seed=seed, steps=plan.steps, closed=closed) for seed in seeds]
    return [gan.between_seeds(plan.stations, digit=row, steps=plan.steps, closed=closed) for row in plan.rows]


def write_strip(out: Path, paths: list[UInt8[Tensor, "m c h w"]], plan: Plan) -> None:
    """Each way as a row of a picture."""
    import torch

    from mnist_gan.artifacts.pictures import fitting_scale, save_grid

    columns, side = len(paths[0]), paths[0].shape[3]
    scale = max(MIN_SCALE, fitting_scale(side * columns))
    save_grid(out, torch.cat(paths), columns=columns, scale=scale, column_titles=plan.titles(columns))


def write_animation(out: Path, paths: list[UInt8[Tensor, "m c h w"]]) -> None:
    """All ways at once, each in its place, frame by frame; it ends where it begins."""
    import torch

    from mnist_gan.artifacts.animation import save_animation
    from mnist_gan.artifacts.pictures import draw_grid

    columns = len(paths) if len(paths) <= ROWS else math.ceil(len(paths) / 2)
    moments = torch.stack(paths, dim=1)  # [frames, rows, C, H, W]
    frames = [draw_grid(moment, columns=columns, scale=ANIMATION_SCALE) for moment in moments]
    save_animation(out, frames, frame_ms=FRAME_MS, first_ms=FRAME_MS, last_ms=FRAME_MS)


def is_animation(out: Path) -> bool:
    """Whether a path's name asks for an animation."""
    return out.suffix.lower() in {".gif", ".webp"}


def _check(chosen: InterpolateOptions) -> None:
    """Refuse what can be refused before a model is loaded."""
    if chosen.steps is not None and chosen.steps < 1:
        raise ConfigError(f"--steps is {chosen.steps}; it must be at least 1")
    if chosen.out.suffix.lower() != ".png" and not is_animation(chosen.out):
        raise ConfigError(f"--out {chosen.out} must end in .png (a strip), .gif or .webp (an animation)")
    for seed in chosen.seeds:
        check_seed(seed, option="--seeds")

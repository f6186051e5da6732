"""Plan of a study: its TOML file, its arms, and its trials in the order in which they are trained."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import tomli_w

from mnist_gan import config as config_module
from mnist_gan import presets, rng
from mnist_gan.config import MAX_COUNT, MAX_NIMG, MAX_THREADS, Config
from mnist_gan.errors import ConfigError
from mnist_gan.figures import Direction, figure_info, figure_kind
from mnist_gan.paths import user_path
from mnist_gan.runs.comparison import flatten
from mnist_gan.runs.directory import NAME_PATTERN
from mnist_gan.settings import MAX_INTEGER, Section, build_section, require, setting, shown
from mnist_gan.studies.statistics import RESAMPLES
from mnist_gan.text import decode_text, pluralize

Stage: TypeAlias = Literal["tuning", "final"]

MAX_ARMS: Final = 32
MAX_ARM_NAME: Final = 40
TUNING_SEED: Final = 1_000_000
"""Seed of the first tuning trial of every arm: the seeds of the comparison are fresh ones."""
OWNED: Final = frozenset(
    {
        "training.seed",
        "training.total_nimg",
        "training.epochs",
        "training.budget",
        "training.threads",
        "run.tick_nimg",
        "run.evaluate",
        "run.evaluate_nimg",
        "run.stop_on_plateau",
    }
)
"""Fields of a trial's config that the study sets, the same for all arms."""
QUIET: Final[Mapping[str, Any]] = {
    "run.pictures": False,
    "run.tensorboard": False,
    "run.wandb": False,
    "run.snapshots": 0,
    "run.checkpoints": 1,
}
"""Defaults of a trial, which an arm may change: a study of hundreds of trials has no room for pictures."""
FIGURE: Final = "fd2k_mnistnet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget(Section):
    """Length of every trial: the same number of images, or the same seconds of training."""

    section = "budget"
    images: int | None = setting(None, "Images", unit="images", ge=1, le=MAX_NIMG)
    """Images that each trial learns from."""
    seconds: float | None = setting(None, "Seconds", unit="s", gt=0, le=1e7)
    """Seconds of training of each trial on this machine. The speed of each arm is measured first, and gives the number
    of images."""

    def _check_combinations(self) -> None:
        require(
            (self.images is None) != (self.seconds is None),
            "budget needs either images or seconds, such as `images = 600_000`",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning(Section):
    """Random search before the comparison: the same number of trials for every arm with a search space."""

    section = "tuning"
    trials: int = setting(8, "Tuning trials", ge=1, le=MAX_COUNT)
    """Trials per arm."""
    share: float = setting(1.0, "Share of the budget", gt=0, le=1)
    """Length of a tuning trial as a share of the budget."""
    seed: int = setting(0, "Seed of the search", ge=0, le=MAX_INTEGER)
    """Seed of the random search."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options(Section):
    """Fields of a study besides its arms."""

    section = ""
    title: str = setting("", "Title")
    """Title of the report."""
    seeds: int = setting(10, "Seeds", ge=1, le=MAX_COUNT)
    """Trials per arm, each with another seed; the arms share the seeds."""
    first_seed: int = setting(0, "First seed", ge=0, le=TUNING_SEED - 1)
    """Seed of the first trial of each arm; the next ones follow."""
    figure: str = setting(FIGURE, "Figure")
    """Figure of the comparison, as in metrics.jsonl without `Metric/`."""
    target: float | None = setting(None, "Target")
    """Value of the figure for the time to a target."""
    points: tuple[float, ...] = setting((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "Points", gt=0, le=1)
    """Shares of the budget at which the figure is measured."""
    baseline: str | None = setting(None, "Baseline")
    """Arm that the others are compared with. None is the first."""
    threads: int = setting(1, "Threads", ge=1, le=MAX_THREADS)
    """Processor threads of each trial. With one, results do not depend on the number of cores."""
    resamples: int = setting(RESAMPLES, "Resamples", ge=100, le=MAX_COUNT)
    """Bootstrap resamples of the intervals."""
    budget: Budget = field(default_factory=lambda: Budget(images=600_000))
    """Length of every trial."""
    tuning: Tuning | None = None
    """Random search before the comparison."""

    def _check_combinations(self) -> None:
        info = figure_info(self.figure)
        require(
            info is not None and info.better in {"lower", "higher"},
            f"figure is {shown(self.figure)}, "
            + (
                "which is not a figure; choose one of metrics.jsonl, such as fd2k_mnistnet or agreement"
                if info is None
                else "of which neither lower nor higher is better; choose another, such as fd2k_mnistnet"
            ),
        )
        require(
            self.points[-1] == 1 and all(a < b for a, b in zip(self.points, self.points[1:], strict=False)),
            f"points are {shown(list(self.points))}; they must rise and end with 1.0, the whole budget",
        )

    @property
    def direction(self) -> Direction:
        """Direction of better values of the figure: lower or higher."""
        info = figure_info(self.figure)
        assert info is not None
        return info.better


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Values of one field in a random search."""

    field: str
    """Dotted name of a config field."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    """Draw the logarithm uniformly."""
    choices: tuple[Any, ...] = ()
    """Values to choose from instead of an interval."""

    def draw(self, share: float) -> Any:
        """Value at a share in [0, 1) of the range, rounded to three significant digits, or to a whole number."""
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        value = self.low * (self.high / self.low) ** share if self.log else self.low + (self.high - self.low) * share
        hint = config_module.all_settings()[self.field].hint
        return round(value) if hint is int else float(f"{value:.3g}")

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that must be valid for all of them to be."""
        return self.choices or (self.draw(0.0), self.draw(1.0))

    def describe(self) -> str:
        """Range in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        return f"{self.low:g} to {self.high:g}{', log-uniform' if self.log else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Range as in the TOML file."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "scale": "log" if self.log else "linear"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One of the recipes that are compared."""

    name: str
    config: Config
    """Recipe; seed, length and evaluations are the study's."""
    plugin: str | None = None
    """File of a plug-in that the recipe needs."""
    search: tuple[Range, ...] = ()

    def tuned(self, values: Mapping[str, Any]) -> Config:
        """Recipe with values of the search.

        Raises:
            ConfigError: the recipe refuses a value.
        """
        merged = merge(config_module.to_dict(self.config), values)
        return config_module.from_dict(merged, source=f"arms.{self.name}")

    def to_dict(self) -> dict[str, Any]:
        """Arm as in the TOML file, with the whole config."""
        content: dict[str, Any] = {"config": config_module.to_dict(self.config)}
        if self.plugin is not None:
            content["plugin"] = self.plugin
        if self.search:
            content["search"] = {each.field: each.to_dict() for each in self.search}
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One training of a study."""

    name: str
    """Name of its run."""
    arm: str
    stage: Stage
    seed: int
    config: Config
    plugin: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values of the search; empty for an arm without one."""

    @property
    def nimg(self) -> int:
        """Length in images."""
        return self.config.training.total_nimg or 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Arms x seeds x budget."""

    options: Options
    arms: tuple[Arm, ...]

    @property
    def baseline(self) -> str:
        """Name of the arm that the others are compared with."""
        return self.options.baseline or self.arms[0].name

    @property
    def seeds(self) -> range:
        """Seeds of the comparison."""
        return range(self.options.first_seed, self.options.first_seed + self.options.seeds)

    def arm(self, name: str) -> Arm:
        """Return the arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def tuned_arms(self) -> list[Arm]:
        """Arms with a search space."""
        return [arm for arm in self.arms if arm.search and self.options.tuning is not None]

    def tuning_trials(self) -> Iterator[tuple[Arm, int, dict[str, Any]]]:
        """Yield arm, number and drawn values of the tuning trials, the arms in turn."""
        tuning = self.options.tuning
        for number in range(tuning.trials if tuning else 0):
            for arm in self.tuned_arms:
                yield arm, number, draw_values(arm, number, seed=tuning.seed if tuning else 0)

    def final_trials(self) -> Iterator[tuple[Arm, int]]:
        """Yield arm and seed of the compared trials: paired by seed, and in reverse order for every other seed.

        A slow change of the machine then falls on all arms alike.
        """
        for position, seed in enumerate(self.seeds):
            yield from ((arm, seed) for arm in (self.arms if position % 2 == 0 else self.arms[::-1]))

    def to_toml(self) -> str:
        """Study as TOML text that depends on no other file, but for plug-ins."""
        content = config_module.to_dict(self.options)
        return tomli_w.dumps({**content, "arms": {arm.name: arm.to_dict() for arm in self.arms}})


def draw_values(arm: Arm, number: int, *, seed: int) -> dict[str, Any]:
    """Draw the values of a tuning trial, independent of the other arms and trials."""
    return {
        each.field: each.draw(rng.derive_seed(seed, f"study/{arm.name}/{each.field}", number) / 2**63)
        for each in arm.search
    }


def make_trial(
    study: Study, arm: Arm, *, stage: Stage, seed: int, nimg: int, values: Mapping[str, Any] | None = None
) -> Trial:
    """Make a trial: the arm's recipe with the study's seed, length and evaluations.

    Args:
        study: the study.
        arm: one of its arms.
        stage: tuning or final.
        seed: seed of the training; for a tuning trial, its number.
        nimg: length in images.
        values: values of the search.
    """
    interval = max(1, round(nimg * evaluation_share(study.options.points)))
    training_seed = TUNING_SEED + seed if stage == "tuning" else seed
    owned = {
        "training.seed": training_seed,
        "training.total_nimg": nimg,
        "training.threads": study.options.threads,
        "run.tick_nimg": interval,
        "run.evaluate": True,
        "run.evaluate_nimg": interval,
        "run.stop_on_plateau": False,
    }
    base = config_module.to_dict(arm.config)
    for length in ("epochs", "budget"):
        base.get("training", {}).pop(length, None)
    config = config_module.from_dict(merge(base, {**(values or {}), **owned}), source=f"arms.{arm.name}")
    name = f"{arm.name}-{'tune' if stage == 'tuning' else 'seed'}{seed}"
    return Trial(
        name=name, arm=arm.name, stage=stage, seed=seed, config=config, plugin=arm.plugin, values=dict(values or {})
    )


def evaluation_share(points: Sequence[float]) -> float:
    """Share of the budget between two evaluations: the greatest one that meets every point."""
    fractions = [Fraction(str(point)).limit_denominator(1000) for point in points]
    denominator = math.lcm(*(each.denominator for each in fractions))
    return math.gcd(*(int(each * denominator) for each in fractions)) / denominator


def read_study(path: Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        ConfigError: the file cannot be read or is not a study; the message names the place in it.
    """
    try:
        text = decode_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigError(f"the study {path} cannot be read: {reason}") from error
    return from_toml(text, source=str(path), folder=path.parent)


def from_toml(text: str, *, source: str, folder: Path) -> Study:
    """Parse TOML text.

    Args:
        text: the study.
        source: name of the text for error messages.
        folder: that paths in the text are relative to.

    Raises:
        ConfigError: the text is not a study; the message names the place in it.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from error
    try:
        return _build(values, folder)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def make_study(options: Options, arms: Sequence[Arm]) -> Study:
    """Make a study of checked arms.

    Raises:
        ConfigError: too few arms, equal arms, an unknown baseline, or a search space without tuning.
    """
    require(len(arms) >= 1, 'the study has no arms; add a table such as [arms.quick] with preset = "quick"')
    require(len(arms) <= MAX_ARMS, f"the study has {pluralize(len(arms), 'arm')}; at most {MAX_ARMS} are possible")
    names = [arm.name for arm in arms]
    require(
        options.baseline is None or options.baseline in names,
        f"baseline is {shown(options.baseline)}; it must be one of the arms: {', '.join(names)}",
    )
    for position, arm in enumerate(arms):
        for other in arms[:position]:
            require(
                not _are_equal(arm, other),
                f"arms.{other.name} and arms.{arm.name} are equal; change one of them, or remove it",
            )
        require(
            not arm.search or options.tuning is not None,
            f"arms.{arm.name}.search needs tuning trials; add a table [tuning] with trials = 8",
        )
    require(
        options.tuning is None or any(arm.search for arm in arms),
        "tuning needs a search space; add a table [search], or one in an arm",
    )
    return Study(options=options, arms=tuple(arms))


def preset_config(name: str, *, plugin: str | None = None) -> Config:
    """Config of a preset; one that a plug-in defines is read by a process of its own, which runs the plug-in's code.

    Raises:
        ConfigError: there is no such preset, or the plug-in fails.
    """
    if plugin is None or name in presets.PRESETS:
        return presets.get(name)
    command = [sys.executable, "-m", "mnist_gan", "train", name, "--plugin", plugin, "--print-config"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["it gave no reason"]
        raise ConfigError(lines[-1].removeprefix("mnist-gan: "))
    return config_module.from_toml(result.stdout, source=f"the preset {name} of {plugin}")


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with changed fields.

    Args:
        base: nested tables.
        changes: values by dotted name.
    """
    result = copy.deepcopy(dict(base))
    for name, value in changes.items():
        *groups, last = name.split(".")
        table = result
        for group in groups:
            table = table.setdefault(group, {})
        table[last] = value
    return result


def same_direction(value: float, options: Options) -> float:
    """The figure's value such that lower is better."""
    return -value if options.direction == "higher" else value


def figure_title(figure: str) -> str:
    """Title of a figure with its full name."""
    info = figure_info(figure)
    return figure if info is None or figure_kind(figure) == figure else f"{info.title} ({figure})"


def _are_equal(one: Arm, other: Arm) -> bool:
    contents = [arm.to_dict() for arm in (one, other)]
    for content in contents:
        content["config"].pop("preset", None)
    return contents[0] == contents[1]


def _build(values: dict[str, Any], folder: Path) -> Study:
    scalars = {name: value for name, value in values.items() if name not in {"arms", "changes", "search"}}
    known = {*Options.__dataclass_fields__, "arms", "changes", "search"}
    unknown = next((name for name in scalars if name not in known), None)
    require(unknown is None, f"unknown field {shown(unknown)}; the fields here are {', '.join(sorted(known))}")
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in scalars.items()}
    options = build_section(Options, plain, name="the study")
    tables = values.get("arms", {})
    require(isinstance(tables, Mapping), "arms must be tables, such as [arms.quick]")
    common = _changes(values.get("changes", {}), place="changes")
    search = _read_search(values.get("search", {}), place="search")
    return make_study(options, [_read_arm(name, each, common, search, folder) for name, each in tables.items()])


def _read_arm(name: str, table: Any, common: Mapping[str, Any], search: Mapping[str, Range], folder: Path) -> Arm:
    place, fields = f"arms.{name}", ("preset", "config", "plugin", "changes", "search")
    require(
        NAME_PATTERN.fullmatch(name) is not None and len(name) <= MAX_ARM_NAME,
        f"arms.{shown(name)} cannot name an arm; use up to {MAX_ARM_NAME} letters, digits, '.', '_' and '-'",
    )
    require(isinstance(table, Mapping), f"{place} is {shown(table)}; it must be a table, such as [{place}]")
    unknown = next((each for each in table if each not in fields), None)
    require(unknown is None, f"unknown field {place}.{unknown}; the fields here are {', '.join(fields)}")
    require(
        ("preset" in table) != ("config" in table),
        f'{place} needs either a preset or a config, such as preset = "quick"',
    )
    plugin = str(_path(table["plugin"], folder, place=f"{place}.plugin")) if "plugin" in table else None
    changes = {**common, **_changes(table.get("changes", {}), place=f"{place}.changes")}
    own = _read_search(table.get("search", {}), place=f"{place}.search")
    ranges = tuple({**search, **own}.values())
    try:
        base = _base(table, plugin, folder)
        quiet = {} if isinstance(table.get("config"), Mapping) else QUIET
        config = config_module.from_dict(merge(base, {**quiet, **changes}), source="changes" if changes else "config")
        arm = Arm(name=name, config=config, plugin=plugin, search=ranges)
        for each in ranges:
            for value in each.ends:
                arm.tuned({each.field: value})
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(place) else f"{place}: {text}") from error
    return arm


def _base(table: Mapping[str, Any], plugin: str | None, folder: Path) -> dict[str, Any]:
    if "preset" in table:
        return config_module.to_dict(preset_config(str(table["preset"]), plugin=plugin))
    if isinstance(table["config"], Mapping):
        return dict(table["config"])
    path = _path(table["config"], folder, place="config")
    return tomllib.loads(
        config_module.to_toml(config_module.from_toml(decode_text(path.read_bytes()), source=str(path)))
    )


def _path(value: Any, folder: Path, *, place: str) -> Path:
    require(isinstance(value, str), f"{place} is {shown(value)}; it must be the name of a file")
    path = folder.absolute() / user_path(value)
    require(path.is_file(), f"{place} is {value}, and there is no such file in {folder.absolute()}")
    return path


def _changes(table: Any, *, place: str) -> dict[str, Any]:
    require(isinstance(table, Mapping), f"{place} is {shown(table)}; it must be a table of fields")
    changes = flatten(table)
    owned = next((name for name in changes if name in OWNED), None)
    require(owned is None, f"{place} sets {owned}, which is the same for all trials and set by the study; remove it")
    return changes


def _read_search(table: Any, *, place: str) -> dict[str, Range]:
    require(isinstance(table, Mapping), f"{place} is {shown(table)}; it must be a table of ranges")
    return {name: _read_range(name, each, place=place) for name, each in _leaves(table)}


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ranges by dotted field name: tables with `low` or `choices`."""
    for name, value in table.items():
        if isinstance(value, Mapping) and not value.keys() & {"low", "high", "choices", "scale"}:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read_range(name: str, table: Any, *, place: str) -> Range:
    where = f"{place}.{name}"
    example = '{ low = 1e-4, high = 1e-2, scale = "log" } or { choices = [0, 1, 10] }'
    require(isinstance(table, Mapping), f"{where} is {shown(table)}; write a range, such as {example}")
    require(
        table.keys() in ({"low", "high"}, {"low", "high", "scale"}, {"choices"}),
        f"{where} has the fields {', '.join(table)}; write a range, such as {example}",
    )
    require(name in config_module.all_settings(), f"{where}: there is no setting {name}")
    require(name not in OWNED, f"{where} is the same for all trials and set by the study; remove it")
    if "choices" in table:
        choices = table["choices"]
        require(isinstance(choices, list) and len(choices) > 0, f"{where}.choices must be a list of values")
        return Range(field=name, choices=tuple(choices))
    low, high, scale = table["low"], table["high"], table.get("scale", "linear")
    numbers = all(type(each) in {int, float} and math.isfinite(each) for each in (low, high))
    require(numbers and low < high, f"{where}: low must be a number below high")
    require(scale in {"linear", "log"}, f"{where}.scale is {shown(scale)}; it must be linear or log")
    require(scale == "linear" or low > 0, f"{where}: a log scale needs a low above 0")
    return Range(field=name, low=float(low), high=float(high), log=scale == "log")

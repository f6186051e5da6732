"""The form of a new training: recipes, the settings that the page may change, and the config that results."""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass
from typing import Any, Final

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.runs.comparison import flatten
from mnist_gan.settings import Setting
from mnist_gan.studio import api
from mnist_gan.studio.params import number, whole_number

EXCLUDED_CHOICES: Final = {"data.name": {"idx", "points"}}
"""Choices that need a setting which the page may not change."""
WIDTHS: Final[dict[str, dict[str, tuple[int, ...]]]] = {
    "generator": {"mlp": (128, 256, 512, 1024), "dcgan": (64, 32, 16), "resnet": (64, 32, 16)},
    "discriminator": {"mlp": (512, 256), "dcgan": (16, 32, 64), "resnet": (16, 32, 64)},
}
"""Widths of a network whose family is changed: those of the recipes."""

RANGES: Final = {"-1 to 1": (-1.0, 1.0), "0 to 1": (0.0, 1.0), "0 to 255": (0.0, 255.0)}
"""Choices for a setting that is a pair of numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A setting that the page may change. Its bounds allow values that break a training, but not the machine."""

    name: str
    """Dotted name in the config."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    """True if its values span orders of magnitude."""
    advanced: bool = False
    """True to show it under "More settings"."""
    live: bool = False
    """True if a running training accepts a change."""
    own: tuple[str, ...] = ()
    """Choices of a plug-in."""

    @property
    def setting(self) -> Setting:
        """Title, unit, type and help text."""
        return config_module.all_settings()[self.name]

    @property
    def choices(self) -> tuple[str, ...]:
        """Values of a choice; empty for other fields."""
        if typing.get_origin(self.setting.hint) is tuple:
            return tuple(RANGES)
        excluded = EXCLUDED_CHOICES.get(self.name, set())
        built_in = tuple(choice for choice in self.setting.choices if choice not in excluded)
        return (*built_in, *self.own)

    @property
    def kind(self) -> api.FieldKind:
        """Kind of input."""
        if self.choices:
            return "choice"
        types = {self.setting.hint, *typing.get_args(self.setting.hint)}
        return "switch" if bool in types else "integer" if int in types else "number"

    def read(self, value: Any) -> Any:
        """Check a value from the page, and return it as the config holds it.

        Raises:
            ConfigError: a value of another type or out of bounds.
        """
        title = self.setting.title
        match self.kind:
            case "choice" if value not in self.choices:
                raise ConfigError(f"{title} must be one of {', '.join(self.choices)}.")
            case "switch" if not isinstance(value, bool):
                raise ConfigError(f"{title} must be true or false.")
            case "integer":
                return whole_number(value, title, low=int(self.low), high=int(self.high))
            case "number":
                return number(value, title, low=self.low, high=self.high)
        return RANGES.get(value, value)

    def show(self, value: Any) -> Any:
        """Value of the config as the page has it; None for a range that is not offered."""
        if isinstance(value, list | tuple):
            return next((name for name, pair in RANGES.items() if pair == tuple(value)), None)
        return value

    def to_dict(self) -> api.FormField:
        """Description for the page."""
        return {
            "name": self.name,
            "title": self.setting.title,
            "kind": self.kind,
            "choices": list(self.choices),
            "unit": self.setting.unit,
            "explanation": self.setting.help,
            "advanced": self.advanced,
        }


FIELDS: Final = (
    Field(name="objective.loss"),
    Field(name="optimizer.g_lr", low=1e-6, high=1.0, log=True, live=True),
    Field(name="optimizer.d_lr", low=1e-6, high=1.0, log=True, live=True),
    Field(name="objective.r1_gamma", high=1000.0),
    Field(name="training.d_steps", low=1, high=16),
    Field(name="training.batch_size", low=2, high=1024, advanced=True),
    Field(name="training.total_nimg", low=100, high=20_000_000, advanced=True),
    Field(name="training.seed", high=2**53 - 1, advanced=True),
    Field(name="training.conditional", advanced=True),
    Field(name="objective.classifier_weight", high=100.0, advanced=True),
    Field(name="objective.classifier_decay", advanced=True),
    Field(name="objective.r2_gamma", high=1000.0, advanced=True),
    Field(name="objective.gp_lambda", high=1000.0, advanced=True),
    Field(name="objective.penalty_interval", low=1, high=64, advanced=True),
    Field(name="objective.penalty_decay", advanced=True),
    Field(name="objective.weight_clip", high=10.0, advanced=True),
    Field(name="objective.label_smoothing", high=0.49, advanced=True),
    Field(name="optimizer.beta1", high=0.99, advanced=True),
    Field(name="optimizer.decay", advanced=True),
    Field(name="training.ema_halflife_nimg", high=1_000_000.0, advanced=True),
    Field(name="generator.family", advanced=True),
    Field(name="generator.norm", advanced=True),
    Field(name="generator.z_dim", low=1, high=512, advanced=True),
    Field(name="discriminator.family", advanced=True),
    Field(name="discriminator.norm", advanced=True),
    Field(name="data.name", advanced=True),
    Field(name="data.real_range", advanced=True),
)
BY_NAME: Final = {field.name: field for field in FIELDS}


KINDS: Final = {
    "objective.loss": "loss",
    "generator.family": "generator",
    "discriminator.family": "discriminator",
    "data.name": "data set",
}
"""Kind of a plug-in's parts that a field takes."""


@functools.cache
def describe(plugin: Plugin = NO_PLUGIN) -> api.Recipes:
    """Recipes and fields as JSON values, with the presets and parts of a plug-in."""
    recipes = {**presets.PRESETS, **plugin.presets}
    return {
        "default": presets.DEFAULT,
        "presets": [_describe_recipe(recipe) for recipe in recipes.values() if recipe.name != "points"],
        "fields": [field.to_dict() for field in _fields(plugin).values()],
    }


def _fields(plugin: Plugin) -> dict[str, Field]:
    """Fields by name, with the parts of a plug-in among their choices."""
    own = {name: plugin.names(kind) for name, kind in KINDS.items()}
    return {field.name: dataclasses.replace(field, own=own.get(field.name, ())) for field in FIELDS}


def _describe_recipe(recipe: presets.Recipe) -> api.Recipe:
    lesson, values = recipe.lesson, flatten(config_module.to_dict(recipe.make()))
    if "training.budget" in values:
        del values["training.total_nimg"]  # measured when the training starts
    return {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "minutes": recipe.minutes,
        "values": {field.name: field.show(values.get(field.name)) for field in FIELDS},
        "lesson": None if lesson is None else _describe_lesson(recipe.name, lesson),
    }


def _describe_lesson(name: str, lesson: presets.Lesson) -> api.Lesson:
    changes = {field: BY_NAME[field].show(value) for field, value in lesson.changes.items()}
    return {"look_at": lesson.look_at, "cure": lesson.cure, "start": {"preset": name, "changes": changes}}


def run_stem(config: Config) -> str:
    """First part of a run's name: its preset, with `-cured` for a failure that has the values of its cure."""
    failure, values = presets.FAILURES.get(config.preset), flatten(config_module.to_dict(config))
    if failure is None or failure.lesson is None:
        return config.preset
    cure = {name: list(value) if isinstance(value, tuple) else value for name, value in failure.lesson.changes.items()}
    return f"{config.preset}-cured" if cure.items() <= values.items() else config.preset


def chosen_config(preset: Any, changes: Any, *, plugin: Plugin = NO_PLUGIN) -> Config:
    """Build the config that a page asks for: a recipe with some fields changed.

    Args:
        preset: name of the recipe.
        changes: values by field.
        plugin: its presets and parts can be chosen, too.

    Raises:
        ConfigError: unknown recipe or field, a value out of bounds, or values that do not work together.
    """
    if not isinstance(preset, str) or preset not in {**presets.PRESETS, **plugin.presets}:
        raise ConfigError("There is no such preset; GET /api/presets lists them.")
    return changed_config(presets.get(preset, recipes=plugin.presets), changes, plugin=plugin)


def changed_config(config: Config, changes: Any, *, plugin: Plugin = NO_PLUGIN) -> Config:
    """Return a config with some fields of the page changed.

    Raises:
        ConfigError: unknown field, a value out of bounds, or values that do not work together.
    """
    if not isinstance(changes, dict):
        raise ConfigError("changes must be an object of fields and values.")
    fields, sections = _fields(plugin), dict[str, dict[str, Any]]()
    for name, value in changes.items():
        field = fields.get(name)
        if field is None:
            raise ConfigError(f"{name[:60]!r} is not a field that the page may change.")
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = field.read(value)
    return dataclasses.replace(config, **{name: _changed(config, name, values) for name, values in sections.items()})


def _changed(config: Config, section: str, values: dict[str, Any]) -> Any:
    """Return a section of the config with new values. A new family resets the fields that the page does not show."""
    part = getattr(config, section)
    family = values.get("family")
    if family is not None and family != part.family:
        shown = [field.name.partition(".")[2] for field in FIELDS if field.name.startswith(f"{section}.")]
        kept = {key: getattr(part, key) for key in shown}
        return type(part)(**{"channels": WIDTHS[section].get(family, part.channels), **kept, **values})
    if "total_nimg" in values:
        values = {"epochs": None, "budget": None, **values}
    return dataclasses.replace(part, **values)

"""Plug-ins: losses, regularizers, networks, data sets and presets of a user's own, from one Python file or as objects.

A config names a part of a plug-in as `plugin.part`. The registrations live in a `Plugin` value that is passed to the
functions which need it; nothing is registered for the whole process. A file runs only when the user names it.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import difflib
import hashlib
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from mnist_gan import config as config_module
from mnist_gan.config import Config, DataConfig, ObjectiveConfig, with_fields
from mnist_gan.data import Dataset, DataSource, as_dataset, limit_training, load_dataset
from mnist_gan.errors import MnistGanError, PluginError
from mnist_gan.models import (
    Discriminator,
    DiscriminatorNetwork,
    Generator,
    GeneratorNetwork,
    ImageShape,
    build_discriminator,
    build_generator,
)
from mnist_gan.objectives import Objective, Regularizer, build_objective
from mnist_gan.paths import user_path
from mnist_gan.presets import PRESETS, Recipe
from mnist_gan.registry import MAX_NAME, PART, PYTHON, is_plugin_name, look_up, name_of, plugin_of, suggest
from mnist_gan.settings import MAX_SHOWN
from mnist_gan.text import pluralize

B = TypeVar("B", bound=Callable[..., Any])
PluginLike: TypeAlias = "Plugin | str | os.PathLike[str] | None"
"""A plug-in, the path of its file, or None."""

FILE_NAME: Final = re.compile(r"[\w.+ -]{1,200}")
KINDS: Final = {
    "objective.loss": "loss",
    "objective.regularizer": "regularizer",
    "generator.family": "generator",
    "discriminator.family": "discriminator",
    "data.name": "data set",
}
"""Kind of part that each config field names."""
BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "loss": typing.get_args(config_module.LossName),
    "regularizer": ("r1", "r2"),
    "generator": typing.get_args(config_module.Family),
    "discriminator": typing.get_args(config_module.Family),
    "data set": typing.get_args(config_module.DataName),
    "preset": tuple(PRESETS),
}
"""Names that a part of a plug-in may not have, by kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginRecord:
    """Identity of a plug-in's file, as a run or a model stores it."""

    name: str
    """Name of the plug-in."""
    file: str
    """Name of its file, without the folder."""
    sha256: str

    def __post_init__(self) -> None:
        if not (
            PART.fullmatch(self.name) and FILE_NAME.fullmatch(self.file) and re.fullmatch("[0-9a-f]{64}", self.sha256)
        ):
            raise ValueError("its record of a plug-in is damaged")

    @classmethod
    def read(cls, value: Any) -> PluginRecord | None:
        """Read a stored record; None if there is none.

        Raises:
            ValueError: it is damaged.
        """
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise ValueError("its record of a plug-in is damaged")
        return cls(**{name: value.get(name, "") for name in ("name", "file", "sha256")})


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginFile:
    """A plug-in's file."""

    path: Path
    """As the user named it."""
    content: bytes
    record: PluginRecord


class Plugin:
    """The parts of a plug-in. In its file: `plugin = Plugin("ideas")`, then decorators that register parts by name.

    A part `margin` of the plug-in `ideas` has the full name `ideas.margin`, by which a config names it.

    Args:
        name: letters, digits, '_' and '-', beginning with a letter.

    Raises:
        PluginError: the name is invalid.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not PART.fullmatch(name) or name == PYTHON:
            raise PluginError(
                f"{name!r} cannot name a plug-in; use letters, digits, '_' and '-', beginning with a letter"
                + (f" ({PYTHON} is for objects that a program passes)" if name == PYTHON else "")
            )
        self.name = name
        self.file: PluginFile | None = None
        """The file that it was loaded from; None for one made in a program."""
        self.presets: dict[str, Recipe] = {}
        """Presets by full name."""
        self._parts: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS.values()}

    def loss(self, name: str) -> Callable[[B], B]:
        """Register a function `(config: ObjectiveConfig) -> Objective`.

        Raises:
            PluginError: the name is taken or invalid; so for the other decorators.
        """
        return self._register("loss", name)

    def regularizer(self, name: str) -> Callable[[B], B]:
        """Register a `Regularizer`: a function `(D, real_images, fake_images, labels, *, mix)` of one value each."""
        return self._register("regularizer", name)

    def generator(self, name: str) -> Callable[[B], B]:
        """Register a class or function `(config: GeneratorConfig, shape: ImageShape) -> GeneratorNetwork`."""
        return self._register("generator", name)

    def discriminator(self, name: str) -> Callable[[B], B]:
        """Register a class or function `(config: DiscriminatorConfig, shape: ImageShape) -> DiscriminatorNetwork`."""
        return self._register("discriminator", name)

    def dataset(self, name: str) -> Callable[[B], B]:
        """Register a function `(config: DataConfig) -> DataSource`."""
        return self._register("data set", name)

    def preset(self, name: str, *, title: str = "", minutes: float | None = None) -> Callable[[B], B]:
        """Register a function `() -> Config`; the first line of its docstring is the summary.

        Args:
            name: of the preset.
            title: for pages; empty takes the name.
            minutes: approximate training time on two CPU cores; None if unknown.
        """
        full = self._new_name("preset", name, self.presets)

        def register(make: B) -> B:
            summary = (make.__doc__ or "").strip().partition("\n")[0]
            recipe = Recipe(
                name=full, make=lambda: _named(make(), full), title=title or name, summary=summary, minutes=minutes
            )
            self.presets[full] = recipe
            return make

        return register

    def _register(self, kind: str, name: str) -> Callable[[B], B]:
        parts = self._parts[kind]
        full = self._new_name(kind, name, parts)

        def register(part: Any) -> Any:
            if not callable(part):
                raise PluginError(f"the {kind} {full} is {type(part).__name__}; it must be a function or a class")
            parts[full] = part
            return part

        return register

    def _new_name(self, kind: str, name: str, taken: Mapping[str, Any]) -> str:
        if not isinstance(name, str) or not PART.fullmatch(name) or len(name) > MAX_NAME // 2:
            raise PluginError(
                f"{name!r} cannot name a {kind}; use letters, digits, '_' and '-', beginning with a letter"
            )
        full = f"{self.name}.{name}"
        if full in taken:
            raise PluginError(f"the name {name} is taken by another {kind} of this plug-in; choose another name")
        if name in BUILT_IN[kind]:
            raise PluginError(f"the name {name} is taken by a built-in {kind}; choose another name")
        return full

    def names(self, kind: str) -> tuple[str, ...]:
        """Full names of the parts of a kind: loss, regularizer, generator, discriminator, data set or preset."""
        return tuple(self.presets if kind == "preset" else self._parts[kind])

    def record_for(self, config: Config) -> PluginRecord | None:
        """Identity of the file, if the config names a part of it."""
        if self.file is None or all(plugin_of(name) != self.name for name in config.plugin_parts.values()):
            return None
        return self.file.record

    def check(self, config: Config) -> None:
        """Check that every part which the config names is there.

        Raises:
            PluginError: one is missing; the message names the field and the remedy.
        """
        for each, name in config.plugin_parts.items():
            kind, parts = KINDS[each], self._parts[KINDS[each]]
            if name in parts or self.file is None or plugin_of(name) == PYTHON:
                look_up(parts, name, field=each)
            elif plugin_of(name) != self.name:
                raise PluginError(
                    f"{each} is {name}, and {self.file.path} is the plug-in {self.name}; name the file of "
                    f"{plugin_of(name)} with --plugin FILE"
                )
            else:
                own = [full for full in parts if plugin_of(full) == self.name]
                advice = (
                    suggest(name, own) if own else f"register it there with @plugin.{kind.replace('data ', 'data')}"
                )
                raise PluginError(f"{each} is {name}, and {self.file.path} has no such {kind}; {advice}")

    def check_objective(self, config: Config) -> None:
        """Check that the loss and the regularizer of a plug-in file are there; a program's own objects may be missing.

        Raises:
            PluginError: one is missing.
        """
        names = [name for each, name in config.plugin_parts.items() if each.startswith("objective.")]
        if any(plugin_of(name) != PYTHON for name in names):
            self.build_objective(config.objective)

    def build_networks(self, config: Config, shape: ImageShape, *, seed: int) -> tuple[Generator, Discriminator]:
        """Build both networks of a config, as `build_generator` and `build_discriminator` do."""
        return (
            build_generator(config.generator, shape, seed=seed, builders=self._parts["generator"]),
            build_discriminator(config.discriminator, shape, seed=seed, builders=self._parts["discriminator"]),
        )

    def build_objective(self, config: ObjectiveConfig) -> Objective:
        """Build the objective of a config, as `objectives.build_objective` does."""
        return build_objective(config, losses=self._parts["loss"], regularizers=self._parts["regularizer"])

    def load_dataset(self, config: DataConfig) -> Dataset:
        """Load the data set of a config, as `data.load_dataset` does."""
        if not is_plugin_name(config.name):
            return load_dataset(config)
        source = look_up(self._parts["data set"], config.name, field="data.name")(config)
        return limit_training(as_dataset(source, name=config.name), config.limit)

    @contextlib.contextmanager
    def located(self) -> Iterator[None]:
        """Turn an error of the plug-in's own code into a `PluginError` that names file and line."""
        try:
            yield
        except MnistGanError:
            raise
        except Exception as error:
            place = None if self.file is None else _place_in(self.file.path, error)
            if place is None:
                raise
            raise PluginError(f"{place}: {_describe(error)}") from error


NO_PLUGIN: Final = Plugin("none")
"""A plug-in without parts: the default where one may be passed."""


def load_plugin(path: str | os.PathLike[str]) -> Plugin:
    """Run a plug-in's file and return its `Plugin`. The code runs with the rights of the caller.

    The file is one self-contained module: a run records its content, and not that of modules that it imports.

    Raises:
        PluginError: the file is missing, has an error, or makes no `Plugin`; the message names file and line.
    """
    file = user_path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PluginError(f"the plug-in {file} cannot be read: {error.strerror or error}; check its name") from error
    digest = hashlib.sha256(content).hexdigest()
    module = types.ModuleType(f"_mnist_gan_plugin_{digest[:16]}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # where dataclasses and pickling look for the names of a class
    try:
        exec(compile(content, str(file), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        place = _place_in(file, error) or str(file)
        raise PluginError(f"{place}: {_describe(error)}") from error
    found = list({id(value): value for value in vars(module).values() if isinstance(value, Plugin)}.values())
    if len(found) != 1:
        raise PluginError(
            f'{file} makes {pluralize(len(found), "Plugin")}; write one, `plugin = Plugin("{_suggested(file)}")`, and '
            "register losses, networks, data sets or presets with its decorators"
        )
    (plugin,) = found
    plugin.file = PluginFile(
        path=file, content=content, record=PluginRecord(name=plugin.name, file=_plain(file.name), sha256=digest)
    )
    return plugin


def open_plugin(plugin: PluginLike) -> Plugin:
    """Return a plug-in as it is, or load it from its file; None gives one without parts.

    Raises:
        PluginError: as `load_plugin`.
    """
    if plugin is None:
        return NO_PLUGIN
    return plugin if isinstance(plugin, Plugin) else load_plugin(plugin)


@dataclass(frozen=True, kw_only=True, slots=True)
class Objects:
    """Objects that a program passes in place of a config's networks, objective, regularizer and data set."""

    generator: GeneratorNetwork | None = None
    discriminator: DiscriminatorNetwork | None = None
    objective: Objective | None = None
    regularizer: Regularizer | None = None
    dataset: DataSource | Dataset | None = None

    def parts(self) -> dict[str, tuple[str, Any]]:
        """For each config field: the full name that it gets, and the part behind it. Networks are copied when used."""
        found: dict[str, tuple[str, Any]] = {}
        if self.generator is not None:
            found["generator.family"] = _object_name(self.generator), _copies(self.generator)
        if self.discriminator is not None:
            found["discriminator.family"] = _object_name(self.discriminator), _copies(self.discriminator)
        if self.objective is not None:
            named = getattr(self.objective, "discriminator_loss", self.objective)
            found["objective.loss"] = _object_name(named), lambda _: self.objective
        if self.regularizer is not None:
            found["objective.regularizer"] = _object_name(self.regularizer), self.regularizer
        if self.dataset is not None:
            found["data.name"] = _object_name(self.dataset), lambda _: self.dataset
        return found


def pass_objects(config: Config, plugin: PluginLike, objects: Objects) -> tuple[Config, Plugin]:
    """Return the config that names the objects by their qualified names, and a plug-in that has them.

    Raises:
        PluginError: as `load_plugin`.
    """
    values: dict[str, Any] = {each: name for each, (name, _) in objects.parts().items()}
    if "data.name" in values:
        values["data.dir"] = None
    return with_fields(config, values), with_objects(plugin, objects)


def with_objects(plugin: PluginLike, objects: Objects) -> Plugin:
    """Return a plug-in that also has objects of a program, under the names that `pass_objects` gives them.

    Raises:
        PluginError: as `load_plugin`.
    """
    base, parts = open_plugin(plugin), objects.parts()
    if not parts:
        return base
    merged = Plugin(base.name)
    merged.file, merged.presets = base.file, base.presets
    merged._parts = {kind: dict(known) for kind, known in base._parts.items()}
    for each, (name, part) in parts.items():
        merged._parts[KINDS[each]][name] = part
    return merged


def check_recorded(plugin: Plugin, recorded: PluginRecord | None, *, owner: Path, copy_at: Path) -> None:
    """Check that a plug-in is the one that a run or a model was made with.

    Args:
        plugin: named by the user; without a file if the user named none.
        recorded: identity in the run or model; None if it was made without a plug-in.
        owner: path of the run or model.
        copy_at: the copy of the file that it keeps, which is compared and never run.

    Raises:
        PluginError: no file is named, or another one; the message names the difference.
    """
    if recorded is None:
        return
    if plugin.file is None:
        raise PluginError(
            f"{owner} was made with the plug-in {recorded.file}, and its code runs only if you name the file: "
            f"--plugin {recorded.file}, or plugin=... in Python (a copy is {copy_at})"
        )
    if plugin.file.record.sha256 != recorded.sha256:
        difference = _difference(copy_at, plugin.file.content, recorded)
        raise PluginError(
            f"{plugin.file.path} is not the plug-in that {owner} was made with: {difference}; restore it, or name "
            f"the copy: --plugin {copy_at}"
        )


def _difference(copy_at: Path, content: bytes, recorded: PluginRecord) -> str:
    """First difference between the copy of a plug-in and another content, as a clause."""
    try:
        stored = copy_at.read_bytes()
    except OSError:
        return "its sha256 differs, and the copy cannot be read"
    if hashlib.sha256(stored).hexdigest() != recorded.sha256:
        return "its sha256 differs, and so does that of the copy, which was edited, too"
    old, new = (text.decode(errors="replace").splitlines() for text in (stored, content))
    changes = [
        each for each in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if each[0] != "equal"
    ]
    if not changes:
        return "its line ends differ"
    _, first, last, new_first, new_last = changes[0]
    count = sum(max(b - a, d - c) for _, a, b, c, d in changes)
    was = _line(old, first) if last > first else "absent"
    now = _line(new, new_first) if new_last > new_first else "absent"
    return f"line {new_first + 1} was {was} and is {now} ({pluralize(count, 'line')} changed)"


def _line(lines: list[str], index: int) -> str:
    text = lines[index].strip()
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...")


def _named(made: Any, full: str) -> Config:
    if not isinstance(made, Config):
        raise PluginError(f"the preset {full} made {type(made).__name__}; it must return a Config")
    return dataclasses.replace(made, preset=full)


def _place_in(file: Path, error: BaseException) -> str | None:
    """File and line of the innermost frame of an error inside a file; None if no frame is."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file}, line {error.lineno or 1}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{file}, line {lines[-1]}" if lines else None


def _describe(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, PluginError):
        return str(error)
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _object_name(part: Any) -> str:
    """Full name of an object: `python.` and its qualified name, in the characters of a name."""
    named = part.name if isinstance(part, Dataset) else name_of(part)
    words = [re.sub(r"[^A-Za-z0-9_-]", "", word) for word in named.split(".")]
    clean = [word if re.match("[A-Za-z_]", word) else f"_{word}" for word in words if word]
    return ".".join([PYTHON, *clean])[:MAX_NAME].rstrip(".")


def _copies(network: Any) -> Callable[..., Any]:
    return lambda config, shape: copy.deepcopy(network)


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+ -]", "_", name)[:200]


def _suggested(file: Path) -> str:
    """A name for the plug-in of a file."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", file.stem)
    return name if PART.fullmatch(name) else f"plugin_{name}"

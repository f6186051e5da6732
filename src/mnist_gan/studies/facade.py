"""Run a study, read its progress and its results, write its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.paths import user_path
from mnist_gan.studies.backends import Backend
from mnist_gan.studies.calibration import measure_speeds, recipe_key
from mnist_gan.studies.coordinator import Coordinator, Progress, read_progress
from mnist_gan.studies.folder import FAILED, StudyDirectory, check_name, last_attempts
from mnist_gan.studies.plan import (
    FIGURE,
    QUIET,
    Arm,
    Budget,
    Options,
    Study,
    from_toml,
    make_study,
    make_trial,
    merge,
    preset_config,
    read_study,
)
from mnist_gan.studies.report import render_report, to_json
from mnist_gan.studies.results import Results, read_results
from mnist_gan.studies.statistics import import_scipy

STUDIES_DIR: Final = Path("studies")
"""Default folder of studies."""
WATCHED: Final[Mapping[str, Any]] = {"run.previews": 20}
"""Settings of the trials of a duel, so that the studio shows two of them after equal numbers of images."""
SHIPPED: Final = ("losses",)
"""Studies that come with the package."""


def open_study(name: str, *, studies_dir: Path = STUDIES_DIR) -> tuple[Study, str]:
    """Read a study and return it with its name.

    Args:
        name: a TOML file, the folder of a study or its name in `studies_dir`, or a study of the package.
        studies_dir: folder of studies.

    Raises:
        ConfigError: there is no such study, or its file is wrong.
    """
    path = user_path(name)
    if path.is_file():
        return read_study(path), check_name(path.stem)
    for folder in (path, studies_dir / name):
        if (folder / "study.toml").is_file():
            return StudyDirectory(folder).read(), folder.resolve().name
    if name in SHIPPED:
        text = resources.files("mnist_gan.studies").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return from_toml(text, source=f"{name}.toml of the package", folder=Path()), name
    raise ConfigError(
        f"there is no study {name}, neither as a file nor in {studies_dir}; name a TOML file, or one of the package: "
        f"{', '.join(SHIPPED)}"
    )


def find_study(name: str, *, studies_dir: Path = STUDIES_DIR) -> StudyDirectory:
    """Find the folder of a study that has begun, by path, by name or by its TOML file.

    Raises:
        ArtifactError: there is none.
    """
    path = user_path(name)
    for folder in (path, studies_dir / name, studies_dir / path.stem):
        if (folder / "study.toml").is_file():
            return StudyDirectory(folder)
    raise ArtifactError(
        f"there is no study {name}, neither as a folder nor in {studies_dir}; begin one with `mnist-gan study run`"
    )


def place_study(source: str, name: str, *, studies_dir: Path) -> StudyDirectory:
    """Folder of a study to run: the named folder itself if it is one, else `studies_dir/name`.

    Raises:
        ConfigError: the name is invalid.
    """
    if source and (user_path(source) / "study.toml").is_file():
        return StudyDirectory(user_path(source))
    return StudyDirectory(studies_dir / check_name(name))


def duel(
    one: str,
    other: str,
    *,
    seeds: int,
    images: int | None = None,
    seconds: float | None = None,
    figure: str = FIGURE,
    target: float | None = None,
    plugin: str | None = None,
) -> Study:
    """Make a study of two presets or config files; the first is the baseline.

    Args:
        one: preset or config file.
        other: preset or config file.
        seeds: trials of each.
        images: length of a trial. None is that of `one`, unless `seconds` is given.
        seconds: seconds of training of a trial.
        figure: figure to compare.
        target: its value for the time to a target.
        plugin: file of a plug-in.

    Raises:
        ConfigError: there is no such preset or file, both are equal, or a value is wrong.
    """
    configs = [_duel_config(recipe, plugin) for recipe in (one, other)]
    names = [_arm_name(recipe) for recipe in (one, other)]
    names[1] += "-2" * (names[0] == names[1])
    arms = [Arm(name=name, config=config, plugin=plugin) for name, config in zip(names, configs, strict=True)]
    if images is None and seconds is None:
        images = _own_length(one, configs[0])
    budget = Budget(images=images, seconds=seconds)
    return make_study(Options(seeds=seeds, budget=budget, figure=figure, target=target), arms)


def run_study(
    study: Study,
    directory: StudyDirectory,
    backend: Backend,
    *,
    stop: Callable[[], bool] = lambda: False,
    show: Callable[[str, int, int], None] = lambda *_: None,
) -> bool:
    """Run the trials of a study that are not done and write its results; return True if all have ended.

    Raises:
        ConfigError: the folder holds another study, or a trial cannot start.
        RunBusyError: another process runs the study.
    """
    import_scipy()  # before hours of training
    with directory.locked():
        directory.begin(study)
        try:
            return Coordinator(study, directory, backend, stop=stop, show=show).run()
        finally:
            write_results(study, directory)


def write_results(study: Study, directory: StudyDirectory) -> Results | None:
    """Compute the results and write results.json and report.html; None before any trial of the comparison ended."""
    results = read_results(study, directory)
    if results is not None:
        progress = read_progress(study, directory)
        storage.write_json(directory.results, to_json(results, progress))
        storage.write_text(directory.report, render_report(results, progress, name=directory.name))
    return results


def predict(
    study: Study, directory: StudyDirectory, backend: Backend, *, show: Callable[[str, int, int], None]
) -> tuple[Progress, float]:
    """Measure the speed of each arm for some seconds, and predict the seconds that the whole study takes.

    Evaluations and saving are not counted. Nothing is written.
    """
    trials = {
        recipe_key(trial): trial
        for arm in study.arms
        for trial in [make_trial(study, arm, stage="final", seed=0, nimg=1)]
    }
    speeds = measure_speeds(trials, slots=backend.slots(), show=show, rounds=1)
    progress = read_progress(study, directory)
    lengths = {
        arm: study.options.budget.seconds or (study.options.budget.images or 0) / speeds[key]
        for key, arm in ((key, trial.arm) for key, trial in trials.items())
    }
    tuning = study.options.tuning
    counts = {
        arm.name: study.options.seeds + (tuning.trials * tuning.share if tuning and arm.search else 0)
        for arm in study.arms
    }
    return progress, sum(counts[arm] * lengths[arm] for arm in counts) / backend.slots()


def _own_length(recipe: str, config: config_module.Config) -> int:
    settings = config.training
    if settings.total_nimg is None or settings.epochs is not None or settings.budget is not None:
        raise ConfigError(f"{recipe} has no length in images; give that of a trial with --images or --seconds")
    return settings.total_nimg


def failures(directory: StudyDirectory) -> dict[str, str]:
    """State and message of every trial that failed last."""
    attempts = last_attempts(directory.attempts())
    states = {name: directory.state(name, attempts) for name in attempts}
    return {name: f"{state}: {message}" for name, (state, message) in states.items() if state in FAILED}


def _arm_name(recipe: str) -> str:
    path = Path(recipe)
    name = path.parent.name if path.name == "config.toml" and path.parent.name else path.stem if path.suffix else recipe
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in name).strip("-")[
        :40
    ]


def _duel_config(recipe: str, plugin: str | None) -> config_module.Config:
    path = user_path(recipe)
    if path.suffix == ".toml" or path.is_file():
        try:
            config = config_module.from_toml(path.read_text(encoding="utf-8"), source=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"
            ) from error
    else:
        config = preset_config(recipe, plugin=plugin)
    return config_module.from_dict(merge(config_module.to_dict(config), {**QUIET, **WATCHED}), source=recipe)

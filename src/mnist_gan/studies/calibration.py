"""Speed of the recipes of a study on this machine, for a budget in seconds and for the expected time."""

from __future__ import annotations

import concurrent.futures
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.errors import ConfigError
from mnist_gan.studies.plan import OWNED, Trial, merge

ROUNDS: Final = 3
"""Measurements of each recipe, in turn with the others; their median counts."""
SPEED: Final = re.compile(r"([\d,]+) images/s")


def recipe_key(trial: Trial) -> str:
    """Digest of a trial's recipe: trials of equal recipes have one speed."""
    values = merge(config_module.to_dict(trial.config), dict.fromkeys(OWNED, 0) | {"preset": ""})
    return storage.sha256_bytes(repr((values, trial.plugin)).encode())[:16]


def measure_speeds(
    trials: Mapping[str, Trial],
    *,
    slots: int,
    show: Callable[[str, int, int], None] = lambda *_: None,
    rounds: int = ROUNDS,
    measure: Callable[[Trial], float] | None = None,
) -> dict[str, float]:
    """Measure images per second of training, with as many processes at once as the study has trials.

    Args:
        trials: one trial of each recipe, by key.
        slots: processes at once.
        show: receives the recipe, the count done and the total.
        rounds: measurements of each recipe.
        measure: returns the speed of a trial; by default, that of a dry run.

    Raises:
        ConfigError: a recipe cannot be trained; the message names its arm.
    """
    turns = [key for _ in range(rounds) for key in trials]
    speeds: dict[str, list[float]] = {key: [] for key in trials}
    with concurrent.futures.ThreadPoolExecutor(slots) as pool:
        for done, (key, speed) in enumerate(
            zip(turns, pool.map(lambda key: (measure or dry_run_speed)(trials[key]), turns), strict=True), start=1
        ):
            speeds[key].append(speed)
            show(f"measuring the speed of {trials[key].arm}", done, len(turns))
    return {key: statistics.median(values) for key, values in speeds.items()}


def dry_run_speed(trial: Trial) -> float:
    """Images per second of a training of some seconds in a process of its own.

    Raises:
        ConfigError: the recipe cannot be trained.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(config_module.to_toml(trial.config), encoding="utf-8")
        plugin = ["--plugin", trial.plugin] if trial.plugin else []
        command = [sys.executable, "-m", "mnist_gan", "train", "--config", str(config), "--dry-run", *plugin]
        result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    found = SPEED.search(result.stdout)
    if result.returncode != 0 or found is None:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise ConfigError(f"arms.{trial.arm} cannot be trained: {lines[-1].removeprefix('mnist-gan: ')}")
    return max(1.0, float(found[1].replace(",", "")))

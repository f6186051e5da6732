"""`mnist-gan bench`: measures the training speed of presets, and the time of each part of a step."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import logging
import math
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mnist_gan import presets
from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.config import Config
    from mnist_gan.experiment.bench import Benchmark

MAX_SECONDS: Final = 3600.0
HEADERS: Final = ("preset", "images/s", "format", "threads", "MFLOP/image", "of peak", "memory")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Measure the training speed of presets on this machine: images per second, time of each part of a step, memory.

    Writes no files. The peak is measured with a large matrix product in the same number format. Keep the machine idle:
    other work lowers the figures.
    """

    presets: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[PRESET ...]", help_behavior_hint="(default: all)"),
    ] = ()
    """Presets to measure. None: those of the plug-in, or all built-in ones except those that fail on purpose."""
    seconds: float = 5.0
    """Seconds of training per preset; timing the parts of a step takes about as long again."""
    threads: int | None = None
    """Processor threads. None: as many as a training uses."""
    plugin: Annotated[Path | None, tyro.conf.arg(help="File of a plug-in with presets; its code runs.")] = None
    json: Switch = False
    """Print JSON instead of tables."""


@options.command("bench", BenchOptions)
def main(chosen: BenchOptions) -> int:
    """Run the command and return its exit code."""
    if not (math.isfinite(chosen.seconds) and 0 < chosen.seconds <= MAX_SECONDS):
        raise ConfigError(f"--seconds is {chosen.seconds:g}; it must be more than 0 and at most {MAX_SECONDS:g}")
    recipes = {} if chosen.plugin is None else _plugin_presets(chosen.plugin)
    names = (
        list(dict.fromkeys(chosen.presets)) or [*recipes] or [n for n in presets.PRESETS if n not in presets.FAILURES]
    )
    configs = {name: _with_threads(presets.get(name, recipes=recipes), chosen.threads) for name in names}

    from mnist_gan.cli import tables
    from mnist_gan.cli.waiting import show_steps
    from mnist_gan.experiment.bench import PARTS

    results: dict[str, Benchmark] = {}
    with show_steps():
        for name, config in configs.items():
            logger.info("measuring %s", name)
            results[name] = measure(config, seconds=chosen.seconds, plugin=chosen.plugin)
    if chosen.json:
        tables.print_json({name: to_json(result) for name, result in results.items()})
        return EXIT_OK
    tables.print_table(HEADERS, [row(name, result) for name, result in results.items()])
    print("\ntime of each part of a step, in percent; D and G include their forward and backward passes")
    tables.print_table(("preset", *PARTS), [part_row(name, result, PARTS) for name, result in results.items()])
    return EXIT_OK


def measure(config: Config, *, seconds: float, plugin: Path | None = None) -> Benchmark:
    """Measure a config in a new process, so that the peak memory is its own.

    Raises:
        MnistGanError: the config cannot be trained on this machine.
    """
    from mnist_gan.experiment.bench import benchmark

    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(benchmark, config, seconds=seconds, plugin=plugin).result()


def row(name: str, result: Benchmark) -> list[str]:
    """Return a row under `HEADERS`."""
    training = result.config.training
    memory = "" if result.peak_memory is None else f"{result.peak_memory / 1e6:,.0f} MB"
    return [
        name,
        f"{result.img_per_sec:,.0f}",
        str(training.precision),
        str(training.threads),
        f"{result.step_flops / result.step_nimg / 1e6:,.0f}",
        f"{result.share_of_peak:.1%}",
        memory,
    ]


def part_row(name: str, result: Benchmark, parts: Sequence[str]) -> list[str]:
    """Return the share of each part in the time of a step; a dash for a part that the preset does not have."""
    whole = sum(result.parts.values())
    shares = [result.parts.get(part, 0.0) / whole for part in parts]
    return [name, *(f"{share:.0%}" if share else "–" for share in shares)]


def to_json(result: Benchmark) -> dict[str, Any]:
    """Return all measurements as plain values."""
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "config"}
    training = result.config.training
    machine = {"device": training.device, "precision": training.precision, "threads": training.threads}
    return machine | values | {"step_nimg": result.step_nimg, "share_of_peak": result.share_of_peak}


def _plugin_presets(file: Path) -> dict[str, presets.Recipe]:
    from mnist_gan.plugins import load_plugin  # imports torch

    return load_plugin(file).presets


def _with_threads(config: Config, threads: int | None) -> Config:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, threads=threads))

"""`mnist-gan bench`: how fast this machine trains each preset, and where the time goes."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import math
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mnist_gan import presets
from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.config import Config
    from mnist_gan.experiment.bench import Bench

VERB: Final = "bench"
SECONDS_HELP: Final = "How long each preset trains, in seconds; its parts are timed for about as long again."
PRESETS_HELP: Final = "Which presets. None: all that can be trained well, without the failure gallery."
MAX_SECONDS: Final = 3600.0
HEADERS: Final = ("preset", "images/s", "format", "threads", "MFLOP/image", "of peak", "memory")


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Time the training of presets on this machine: images a second, where the time of a step goes, memory.

    Nothing is written. The peak is that of a large matrix product in the same number format, timed beside it. A busy
    machine gives lower figures: let nothing else run.
    """

    presets: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET ...]", help=PRESETS_HELP)
    ] = ()
    seconds: Annotated[float, tyro.conf.arg(help=SECONDS_HELP)] = 5.0
    threads: int | None = None
    """Processor threads. None: as many as a training takes."""
    json: Switch = False
    """Print JSON in place of tables."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(BenchOptions, arguments, verb=VERB, positional="presets", most=None)
    if chosen is None:
        return EXIT_OK
    if not (math.isfinite(chosen.seconds) and 0 < chosen.seconds <= MAX_SECONDS):
        raise ConfigError(f"--seconds is {chosen.seconds:g}; it must be more than 0, and {MAX_SECONDS:g} at the most")
    names = list(dict.fromkeys(chosen.presets)) or [name for name in presets.PRESETS if name not in presets.FAILURES]
    configs = {name: _with_threads(presets.get(name), chosen.threads) for name in names}

    from mnist_gan.cli import tables
    from mnist_gan.cli.waiting import Waiting

    with Waiting() as waiting:
        found: dict[str, Bench] = {}
        for name, config in configs.items():
            waiting.show_message(f"timing {name}")
            found[name] = measure(config, seconds=chosen.seconds)
    if chosen.json:
        tables.print_json({name: to_json(measured) for name, measured in found.items()})
        return EXIT_OK
    tables.print_table(HEADERS, [row(name, measured) for name, measured in found.items()])
    print("\nwhere the time of a step goes, in percent; D and G with their forward and backward passes")
    from mnist_gan.experiment.bench import PARTS

    tables.print_table(("preset", *PARTS), [part_row(name, measured, PARTS) for name, measured in found.items()])
    return EXIT_OK


def measure(config: Config, *, seconds: float) -> Bench:
    """Time one recipe in a process of its own, so that its memory is its own.

    Raises:
        MnistGanError: it cannot be trained here.
    """
    from mnist_gan.experiment.bench import bench

    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(bench, config, seconds=seconds).result()


def row(name: str, measured: Bench) -> list[str]:
    """A row under `HEADERS`."""
    training = measured.config.training
    memory = "" if measured.peak_memory is None else f"{measured.peak_memory / 1e6:,.0f} MB"
    return [
        name,
        f"{measured.img_per_sec:,.0f}",
        str(training.precision),
        str(training.threads),
        f"{measured.step_flops / measured.step_nimg / 1e6:,.0f}",
        f"{measured.share_of_peak:.1%}",
        memory,
    ]


def part_row(name: str, measured: Bench, parts: Sequence[str]) -> list[str]:
    """The share of each part in the sum of all; empty where a recipe has no such part."""
    whole = sum(measured.parts.values())
    shares = [measured.parts.get(part, 0.0) / whole for part in parts]
    return [name, *(f"{share:.0%}" if share else "–" for share in shares)]


def to_json(measured: Bench) -> dict[str, Any]:
    """All that was measured, as plain values."""
    values = {
        field.name: getattr(measured, field.name) for field in dataclasses.fields(measured) if field.name != "config"
    }
    training = measured.config.training
    machine = {"device": training.device, "precision": training.precision, "threads": training.threads}
    return machine | values | {"step_nimg": measured.step_nimg, "share_of_peak": measured.share_of_peak}


def _with_threads(config: Config, threads: int | None) -> Config:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, threads=threads))

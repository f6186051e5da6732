"""Throughput of a recipe on this machine, and the time of each part of a training step.

The parts are timed with the functions of the training, on a live state. The forward and backward passes of D and G are
differences: of a step with two discriminator updates and a step with one. The cost of an evaluation is spread over the
images between two evaluations.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from mnist_gan import training
from mnist_gan.config import Config
from mnist_gan.evaluation import reference_of
from mnist_gan.experiment.model import averaged_generator, evaluate_generator
from mnist_gan.experiment.setup import Setup, resolved, set_up, step_flops
from mnist_gan.models import update_average
from mnist_gan.plugins import PluginLike, open_plugin

ROUNDS = 5
"""Number of times that each part is timed, in turn with the others; the medians count."""
MATRIX = 2048
"""Rows and columns of the matrices whose product measures the machine's peak."""
PARTS = ("data", "generate", "D step", "penalty", "G step", "optimizers", "averaging", "evaluation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """Measurements of one recipe."""

    config: Config
    img_per_sec: float
    """Training speed, without evaluations and saving."""
    parts: dict[str, float]
    """Seconds of each of `PARTS` per batch. `D step` and `G step` are forward and backward passes without the other
    parts; `evaluation` is its share of one batch."""
    evaluation_seconds: float | None
    """Duration of one evaluation; None if it was not timed."""
    step_flops: float
    """Floating-point operations of one training step."""
    peak_flops_per_sec: float
    """Operations per second of a matrix product in the recipe's number format."""
    peak_memory: int | None
    """Peak memory of the process in bytes, on CUDA of the device; None if unknown."""

    @property
    def step_nimg(self) -> int:
        """Images per training step."""
        return self.config.training.batch_size * self.config.training.d_steps

    @property
    def share_of_peak(self) -> float:
        """Operations per second of a training step, as a share of the machine's peak."""
        return self.step_flops * self.img_per_sec / self.step_nimg / self.peak_flops_per_sec


def benchmark(config: Config, *, seconds: float = 5.0, evaluation: bool = True, plugin: PluginLike = None) -> Benchmark:
    """Measure training speed, the parts of a step, and the machine's peak.

    Args:
        config: the recipe.
        seconds: duration of the training, and again of the timing of its parts.
        evaluation: also time one evaluation, which takes some seconds.
        plugin: has the parts that the config names, or the path of its file.

    Raises:
        DataError, ConfigError: the recipe cannot be trained on this machine.
    """
    with set_up(config, plugin=open_plugin(plugin)) as setup:
        if setup.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(setup.device)
        speed = setup.measure_speed(seconds=seconds)
        parts = time_parts(setup, seconds=seconds)
        evaluation_seconds = None
        if evaluation and setup.config.run.evaluate:
            evaluation_seconds = time_evaluation(setup)
            share = setup.config.training.batch_size / resolved(setup.config.run.evaluate_nimg)
            parts["evaluation"] = evaluation_seconds * share
        return Benchmark(
            config=setup.config,
            img_per_sec=speed,
            parts=parts,
            evaluation_seconds=evaluation_seconds,
            step_flops=step_flops(setup.config, setup.shape, plugin=setup.plugin),
            peak_flops_per_sec=measure_peak(setup.device, precision=setup.config.training.precision),
            peak_memory=peak_memory(setup.device),
        )


def time_parts(setup: Setup, *, seconds: float) -> dict[str, float]:
    """Measure the seconds of each part of a step per batch."""
    config, state, device = setup.config, setup.state, setup.device
    objective = setup.plugin.build_objective(config.objective)
    stream = setup.stream()
    real_images, labels = stream.batch(0)
    penalized = training.sample_inputs(config, real_images=real_images, labels=labels, position=0)  # if ever
    plain = dataclasses.replace(penalized, penalized=False, mix=None)

    def step(*inputs: training.StepInputs) -> None:
        training.train_step(state, config, objective, inputs=inputs)

    def optimize() -> None:
        state.d_optimizer.step()
        state.g_optimizer.step()

    tasks: dict[str, Callable[[], object]] = {
        "data": lambda: stream.batch(0),
        "generate": lambda: training.generate(state.G, config, plain),
        "step": lambda: step(plain),
        "two D updates": lambda: step(plain, plain),
        "optimizers": optimize,
        "averaging": lambda: update_average(state.G_ema, state.G, beta=0.999),
    }
    if config.objective.penalizes:
        tasks["penalized step"] = lambda: step(penalized)
    seconds_of = _time_in_turn(tasks, seconds=seconds, device=device)
    half = seconds_of["optimizers"] / 2
    d_step = seconds_of["two D updates"] - seconds_of["step"] - seconds_of["generate"] - half
    penalty = seconds_of.get("penalized step", seconds_of["step"]) - seconds_of["step"]
    parts = {
        "data": seconds_of["data"],
        "generate": seconds_of["generate"],
        "D step": d_step,
        "penalty": penalty / config.objective.penalty_interval,
        "G step": seconds_of["step"] - seconds_of["generate"] - d_step - seconds_of["optimizers"],
        "optimizers": seconds_of["optimizers"],
        "averaging": seconds_of["averaging"],
    }
    return {name: max(0.0, value) for name, value in parts.items()}


def time_evaluation(setup: Setup) -> float:
    """Measure the seconds of one evaluation during training, without preparing the reference."""
    reference = reference_of(setup.dataset)
    started = time.perf_counter()
    evaluate_generator(averaged_generator(setup.state, setup.config), reference)
    return time.perf_counter() - started


def measure_peak(device: torch.device, *, precision: str, size: int = MATRIX, rounds: int = ROUNDS) -> float:
    """Measure the operations per second of a matrix product: an upper bound for networks."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds_of = _time_in_turn({"product": lambda: a @ b}, seconds=1.0, device=device, rounds=rounds)
    return float(2 * size**3 / seconds_of["product"])


def peak_memory(device: torch.device) -> int | None:
    """Return the peak memory of this process, or of the CUDA device, in bytes; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
        import sys
    except ImportError:  # Windows has no such module
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kilobytes elsewhere


def _time_in_turn(
    tasks: dict[str, Callable[[], object]], *, seconds: float, device: torch.device, rounds: int = ROUNDS
) -> dict[str, float]:
    """Measure the median seconds per call of each task, over `rounds` rounds that take about `seconds` in all."""
    once = {name: _time(task, count=1, device=device) for name, task in tasks.items()}  # warms up, too
    once = {name: _time(task, count=1, device=device) for name, task in tasks.items()}
    share = seconds / rounds / len(tasks)
    counts = {name: max(1, round(share / max(once[name], 1e-6))) for name in tasks}
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(_time(task, count=counts[name], device=device))
    return {name: statistics.median(measured) for name, measured in times.items()}


def _time(task: Callable[[], object], *, count: int, device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    for _ in range(count):
        task()
    _wait(device)
    return (time.perf_counter() - started) / count


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

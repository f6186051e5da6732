"""The training loop, a generator of ticks."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mnist_gan import rng
from mnist_gan.config import Config
from mnist_gan.errors import DivergenceError
from mnist_gan.models import update_average
from mnist_gan.objectives import Objective
from mnist_gan.parallel import torch_threads
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.schedules import ema_beta
from mnist_gan.training.cuda_graph import CapturedStep
from mnist_gan.training.inputs import StepInputs, Stream, next_inputs
from mnist_gan.training.ranks import Leader, LeadingStep
from mnist_gan.training.shards import ShardedStep
from mnist_gan.training.state import TrainState
from mnist_gan.training.statistics import Statistics
from mnist_gan.training.step import Step, train_step

Reason = Literal["start", "interval", "stopped", "finished"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A report of the training loop. `state` is live: copy what must outlast the next step."""

    reason: Reason
    """start: before the first step; interval: `tick_nimg` images or an epoch are complete; stopped: the stop callable
    returned True; finished: `total_nimg` is reached."""
    cur_nimg: int
    """Images seen so far."""
    last_nimg: int
    """`cur_nimg` at the tick before."""
    total_nimg: int
    """Length of the training in images."""
    step: int
    """Generator updates so far."""
    epoch: float
    """Passes over the training images so far."""
    stats: dict[str, float]
    """Means over the steps since the last tick, and the learning rates; empty for start and stopped."""
    seconds: float
    """Time spent in steps since the last tick."""
    nimg: int
    """Images seen in `seconds`."""
    state: TrainState

    def crossed(self, interval_nimg: int) -> bool:
        """True if a multiple of `interval_nimg` images was reached since the last tick."""
        return _crosses(self.last_nimg, self.cur_nimg, interval_nimg)


def train(
    config: Config,
    state: TrainState,
    stream: Stream,
    *,
    epoch_nimg: int,
    tick_nimg: int,
    total_nimg: int,
    stop: Callable[[], bool] = lambda: False,
    current_config: Callable[[], Config] | None = None,
    leader: Leader | None = None,
    plugin: Plugin = NO_PLUGIN,
) -> Iterator[Tick]:
    """Train `state` in place until `cur_nimg` reaches `total_nimg`; yield a tick at the start and at every interval.

    Args:
        config: the recipe, resolved.
        state: initial, or restored from a checkpoint; training continues at its clock.
        stream: real images in the range of the generator.
        epoch_nimg: images in one pass over the training set; the end of each pass is a tick.
        tick_nimg: images between two ticks.
        total_nimg: length of the training in images.
        stop: polled before every step; if it returns True, the loop yields a last tick and ends.
        current_config: returns the config of the next step, which may differ from `config` in its learning rates only.
        leader: lets other ranks take every step, too; None trains in this process alone.
        plugin: has the parts that the config names.

    Raises:
        DivergenceError: a loss or score was not finite; the message names the step.
        RankError: another rank was lost.
    """
    objective = plugin.build_objective(config.objective)
    step = _build_step(config, leader)
    seconds, nimg = 0.0, 0

    def tick(reason: Reason, stats: dict[str, float]) -> Tick:
        last_nimg = state.last_tick_nimg
        if stats:
            state.last_tick_nimg = state.cur_nimg
        return Tick(
            reason=reason,
            cur_nimg=state.cur_nimg,
            last_nimg=last_nimg,
            total_nimg=total_nimg,
            step=state.step,
            epoch=state.cur_nimg / epoch_nimg,
            stats=stats,
            seconds=seconds,
            nimg=nimg,
            state=state,
        )

    if state.step == 0:
        yield tick("start", {})
    while state.cur_nimg < total_nimg:
        if stop():
            yield tick("stopped", {})
            return
        started, before = time.perf_counter(), state.cur_nimg
        current = config if current_config is None else current_config()
        with _alone_on_a_core(step):
            advance(state, current, objective, next_inputs(state, current, stream), step=step, total_nimg=total_nimg)
        finished = state.cur_nimg >= total_nimg
        due = finished or any(_crosses(before, state.cur_nimg, interval) for interval in (tick_nimg, epoch_nimg))
        # reading waits for the device, so the time is taken after it
        stats = _read_statistics(state, current, total_nimg=total_nimg) if due else {}
        seconds, nimg = seconds + time.perf_counter() - started, nimg + state.cur_nimg - before
        if due:
            yield tick("finished" if finished else "interval", stats)
            seconds, nimg = 0.0, 0


def _build_step(config: Config, leader: Leader | None) -> Step:
    settings = config.training
    if settings.capture:
        return CapturedStep(train_step)
    shards = settings.shards or 1
    if leader is not None:
        return LeadingStep(ShardedStep(train_step, shards=shards, group=leader.group), leader)
    return ShardedStep(train_step, shards=shards) if shards > 1 else train_step


def _alone_on_a_core(step: Step) -> contextlib.AbstractContextManager[None]:
    """One thread of torch around a step in shards. A second one waits for work in a loop, on the core of a shard."""
    return torch_threads(1) if isinstance(step, ShardedStep | LeadingStep) else contextlib.nullcontext()


def advance(
    state: TrainState,
    config: Config,
    objective: Objective,
    inputs: Sequence[StepInputs],
    *,
    step: Step = train_step,
    total_nimg: int,
) -> Statistics:
    """Take one step and update the sums, the clock and the weight average.

    Raises:
        DivergenceError: on the CPU, where looking costs nothing: a loss or score was not finite.
    """
    state.set_learning_rates(config, total_nimg=total_nimg)
    with layers_seeded(state, config):
        statistics = step(state, config, objective, inputs=inputs)
    state.sums.add(statistics)
    nimg = sum(len(batch.real_images) for batch in inputs)
    state.cur_nimg += nimg
    state.step += 1
    average_weights(state, config, nimg=nimg)
    if state.device.type == "cpu":  # elsewhere reading means waiting, so the next tick checks
        _check_finite(state, state.sums.totals.tolist())
    return statistics


def average_weights(state: TrainState, config: Config, *, nimg: int) -> None:
    """Move the average of G's weights towards G after a step on `nimg` images."""
    settings = config.training
    beta = ema_beta(
        batch_nimg=nimg,
        cur_nimg=state.cur_nimg,
        halflife_nimg=settings.ema_halflife_nimg,
        rampup=settings.ema_rampup,
    )
    update_average(state.G_ema, state.G, beta=beta)


def layers_seeded(state: TrainState, config: Config) -> contextlib.AbstractContextManager[None]:
    """Seed torch's generators for a step with a plug-in, whose layers may draw from them, as dropout does."""
    if not config.plugin_parts:
        return contextlib.nullcontext()
    return rng.seeded(config.training.seed, "train/layers", state.step, device=state.device)


def _read_statistics(state: TrainState, config: Config, *, total_nimg: int) -> dict[str, float]:
    """Means since the last tick, and the learning rates; clears the sums."""
    sums, steps = state.sums.read()
    _check_finite(state, sums.values())
    state.sums.clear()
    means = {name: value / steps for name, value in sums.items()}
    factor = state.lr_factor(config, total_nimg=total_nimg)
    return means | {"Progress/g_lr": config.optimizer.g_lr * factor, "Progress/d_lr": config.optimizer.d_lr * factor}


def _check_finite(state: TrainState, values: Iterable[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise DivergenceError(
            f"the training diverged at step {state.step} ({state.cur_nimg:,} images): a loss or score is not finite; "
            "lower the learning rates or add a penalty, for example --objective.r1-gamma 1"
        )


def _crosses(before: int, after: int, interval: int) -> bool:
    return after // interval > before // interval

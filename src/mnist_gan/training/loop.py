"""The training loop, as a generator of ticks: it writes nothing, evaluates nothing and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan.config import Config
from mnist_gan.errors import DivergenceError
from mnist_gan.objectives import build_objective
from mnist_gan.schedules import learning_rate_factor
from mnist_gan.training.capture import CapturedUpdate
from mnist_gan.training.state import TrainState
from mnist_gan.training.step import statistic_names, train_step, update_networks

Reason = Literal["start", "interval", "stopped", "finished"]


@runtime_checkable
class Stream(Protocol):
    """An endless sequence of labelled real images, addressed by the number of images already taken."""

    def batch(self, cur_nimg: int) -> tuple[Float[Tensor, "n c h w"], Int64[Tensor, "n"]]:
        """The batch that begins at image `cur_nimg` of the sequence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A moment at which the training can be looked at. The state is live: copy what must outlast the next step."""

    reason: Reason
    """start: before the first step; interval: `tick_nimg` more images were seen, or an epoch ended; stopped: the stop
    callable asked; finished."""
    cur_nimg: int
    last_nimg: int
    """Where the clock stood at the tick before."""
    total_nimg: int
    step: int
    epoch: float
    """Passes over the training images so far."""
    stats: dict[str, float]
    """Means since the last tick; empty at the start and when stopped between two ticks."""
    seconds: float
    """Time spent in training steps since the last tick, in seconds."""
    nimg: int
    """Images seen in those seconds."""
    state: TrainState

    def crossed(self, interval_nimg: int) -> bool:
        """Whether a whole multiple of `interval_nimg` images was reached since the tick before."""
        return self.cur_nimg // interval_nimg > self.last_nimg // interval_nimg


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
) -> Iterator[Tick]:
    """Train `state` in place until its clock reaches `total_nimg`, yielding at every tick.

    Args:
        config: the whole recipe; its precision must be resolved.
        state: fresh, or restored from a checkpoint: the loop goes on where its clock stands.
        stream: real images in the generator's range.
        epoch_nimg: images in one pass over the training set.
        tick_nimg: images between two ticks; the end of an epoch is one too.
        total_nimg: length of the whole training, in images.
        stop: polled before every step; when it says so, the loop yields a last tick and ends.
        current_config: returns the config of the next step, which may differ from `config` in its learning rates only.

    Raises:
        DivergenceError: a loss or score was not finite; the message names the step.
    """
    objective = build_objective(config.objective)
    names = statistic_names(config, objective)
    batch_size = config.training.batch_size
    update = CapturedUpdate() if config.training.capture else update_networks
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
        batches = [stream.batch(before + index * batch_size) for index in range(config.training.d_steps)]
        train_step(state, current, objective, batches=batches, total_nimg=total_nimg, update=update)
        _guard(state)
        finished = state.cur_nimg >= total_nimg
        crossed = any(state.cur_nimg // interval > before // interval for interval in (tick_nimg, epoch_nimg))
        # reading the sums waits for the device, so the clock is read after it
        stats = _read_statistics(state, current, names, total_nimg=total_nimg) if crossed or finished else {}
        seconds, nimg = seconds + time.perf_counter() - started, nimg + state.cur_nimg - before
        if crossed or finished:
            yield tick("finished" if finished else "interval", stats)
            seconds, nimg = 0.0, 0


def _guard(state: TrainState) -> None:
    """Stop at the first step whose sums are not finite; on a GPU, where looking means waiting, at the next tick."""
    if state.sums.device.type == "cpu" and not math.isfinite(float(state.sums.sum())):
        raise _diverged(state)


def _read_statistics(state: TrainState, config: Config, names: tuple[str, ...], *, total_nimg: int) -> dict[str, float]:
    """Means over the steps since the last tick, and the learning rates; starts the sums anew."""
    *sums, steps = state.sums.tolist()  # waits for the device
    if not all(math.isfinite(value) for value in sums):
        raise _diverged(state)
    state.sums.zero_()
    means = {name: value / steps for name, value in zip(names, sums, strict=True)}
    factor = learning_rate_factor(config.optimizer, cur_nimg=state.cur_nimg, total_nimg=total_nimg) * state.lr_scale
    return means | {"Progress/g_lr": config.optimizer.g_lr * factor, "Progress/d_lr": config.optimizer.d_lr * factor}


def _diverged(state: TrainState) -> DivergenceError:
    return DivergenceError(
        f"the training diverged: a loss or score is not finite at step {state.step} ({state.cur_nimg:,} images); "
        "lower the learning rates, or turn on a penalty such as --objective.r1-gamma 1"
    )

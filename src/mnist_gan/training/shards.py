"""Shards: equal parts of a batch, each computed on a thread of its own, with averaged gradients.

Layers of small networks are too short to be split over threads one by one: the threads meet at every layer, and a
thread that shares its core with another program delays all of them. Shards meet at the optimizers only. While one waits
there, the operating system can move the other to its core.

A training depends on the number of shards and not on the number of cores or their load.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import torch
from torch import Tensor, nn

from mnist_gan.config import Config
from mnist_gan.models import Discriminator, Generator
from mnist_gan.objectives import Objective
from mnist_gan.training.inputs import StepInputs
from mnist_gan.training.state import TrainState
from mnist_gan.training.statistics import Statistics
from mnist_gan.training.step import Step


class ShardedStep:
    """Wraps a step for one state: runs it on each shard in parallel and averages gradients and statistics.

    BatchNorm normalizes within a shard. Its running statistics are those of the first shard. Scores that compare real
    with generated images compare them within a shard.
    """

    def __init__(self, step: Step, *, shards: int) -> None:
        self._step, self._shards = step, shards
        self._threads = ThreadPoolExecutor(shards, "shard", initializer=_use_one_thread)
        self._replicas: list[Replica] = []
        self._meetings: list[threading.Barrier] = []

    def __call__(
        self, state: TrainState, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]
    ) -> Statistics:
        """Run the step on every shard; raises the first error of a shard."""
        if not self._replicas:
            self._replicate(state)
        for replica in self._replicas[1:]:
            _copy_buffers(state, replica)
        threads = torch.get_num_threads()
        futures = []
        for index, replica in enumerate(self._replicas):
            parts = [_shard(batch, index, self._shards) for batch in inputs]
            futures.append(self._threads.submit(self._run, replica, config, objective, parts))
        wait(futures)  # also when interrupted shards fail
        torch.set_num_threads(threads)  # starting a thread sets the number for all that start later
        return _mean(_results(futures))

    def _run(self, replica: Replica, config: Config, objective: Objective, inputs: list[StepInputs]) -> Statistics:
        try:
            return self._step(replica, config, objective, inputs=inputs)
        except BaseException:
            for meeting in self._meetings:
                meeting.abort()  # releases the other shards
            raise

    def _replicate(self, state: TrainState) -> None:
        """Create the shards' states. All share the weights of `state`; the first shares its buffers, too."""
        networks = [(state.G, state.D)] + [(_replica(state.G), _replica(state.D)) for _ in range(self._shards - 1)]
        g_optimizers = self._share(state.g_optimizer, [G for G, _ in networks])
        d_optimizers = self._share(state.d_optimizer, [D for _, D in networks])
        self._replicas = [
            Replica(G=G, D=D, g_optimizer=g_optimizer, d_optimizer=d_optimizer)
            for (G, D), g_optimizer, d_optimizer in zip(networks, g_optimizers, d_optimizers, strict=True)
        ]

    def _share(self, optimizer: torch.optim.Adam, networks: Sequence[nn.Module]) -> list[SharedOptimizer]:
        weights = [list(network.parameters()) for network in networks]

        def update() -> None:
            _average_gradients(weights)
            optimizer.step()

        meeting = threading.Barrier(self._shards, action=update)
        self._meetings.append(meeting)
        return [SharedOptimizer(own, meeting) for own in weights]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """Networks and optimizers of one shard."""

    G: Generator
    D: Discriminator
    g_optimizer: SharedOptimizer
    d_optimizer: SharedOptimizer


class SharedOptimizer:
    """One shard's view of an optimizer: a step waits for all shards, then updates the shared weights once."""

    def __init__(self, weights: Sequence[nn.Parameter], meeting: threading.Barrier) -> None:
        self._weights, self._meeting = weights, meeting

    def zero_grad(self) -> None:
        """Clear the gradients of this shard."""
        for weight in self._weights:
            weight.grad = None

    def step(self) -> None:
        """Wait for the gradients of all shards and for the update."""
        self._meeting.wait()


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _replica(network: nn.Module) -> Any:
    """A copy with own buffers and gradients, and shared weights."""
    replica = copy.deepcopy(network)
    for own, shared in zip(replica.parameters(), network.parameters(), strict=True):
        own.data = shared.data
        own.grad = None
    return replica


@torch.no_grad()
def _copy_buffers(state: TrainState, replica: Replica) -> None:
    """Start a shard from the buffers that a checkpoint holds."""
    for shared, own in ((state.G, replica.G), (state.D, replica.D)):
        for buffer, value in zip(own.buffers(), shared.buffers(), strict=True):
            buffer.copy_(value)


def _shard(batch: StepInputs, index: int, shards: int) -> StepInputs:
    """Part `index` of `shards` equal parts."""

    def part(tensor: Tensor | None) -> Any:
        return None if tensor is None else tensor.chunk(shards)[index]

    return dataclasses.replace(
        batch, real_images=part(batch.real_images), labels=part(batch.labels), z=part(batch.z), mix=part(batch.mix)
    )


@torch.no_grad()
def _average_gradients(weights: Sequence[Sequence[nn.Parameter]]) -> None:
    """Replace the first shard's gradients by the mean over the shards, summed in their order."""
    gradients = [[weight.grad for weight in own if weight.grad is not None] for own in weights]
    mean, *others = gradients
    for other in others:
        torch._foreach_add_(mean, other)
    torch._foreach_div_(mean, float(len(gradients)))


def _results(futures: Sequence[Future[Statistics]]) -> list[Statistics]:
    """Statistics of all shards; the error that broke a meeting, not that of a shard which waited there."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]


def _mean(statistics: Sequence[Statistics]) -> Statistics:
    return {name: torch.stack([one[name] for one in statistics]).mean() for name in statistics[0]}

"""Shards: equal parts of a batch, each computed on a thread or by a rank of its own, with averaged gradients.

Layers of small networks are too short to be split over threads one by one: the threads meet at every layer, and a
thread that shares its core with another program delays all of them. Shards meet at the optimizers only. While one waits
there, the operating system can move the other to its core.

A training depends on the number of shards, and not on the number of cores, their load, or the number of ranks.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnist_gan.config import Config
from mnist_gan.models import Discriminator, Generator
from mnist_gan.objectives import Objective
from mnist_gan.training.adam import Adam
from mnist_gan.training.batch_norm import Meeting, share_batch_norm_
from mnist_gan.training.distributed import ALONE, Group
from mnist_gan.training.inputs import StepInputs
from mnist_gan.training.state import TrainState
from mnist_gan.training.statistics import Statistics
from mnist_gan.training.step import Step

ALIGNMENT: Final = 64
"""Elements of a weight that are never divided: Adam computes them in whole vector registers, so that each has the same
bits in any division."""


class ShardedStep:
    """Wraps a step for one state: runs it on each shard in parallel and averages gradients and statistics.

    BatchNorm normalizes by the whole batch on the CPU. It normalizes within a shard on other devices, whose gradients
    one thread computes, and in a discriminator with a penalty on its gradient. A relativistic loss pairs image i with
    image i of the batch, which are in the same shard.

    Args:
        step: the step of one shard.
        shards: number of equal parts of a batch.
        group: the ranks that share them; this process computes its part of the shards.
    """

    def __init__(self, step: Step, *, shards: int, group: Group = ALONE) -> None:
        self._step, self._shards, self._group = step, shards, group
        self._own = group.part(shards)
        self._threads = ThreadPoolExecutor(len(self._own), "shard", initializer=torch.set_num_threads, initargs=(1,))
        self._replicas: list[Replica] = []
        self._updates: list[SharedUpdate] = []
        self._meeting = Meeting(len(self._own), group)

    def __call__(
        self, state: TrainState, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]
    ) -> Statistics:
        """Run the step on every shard; raises the first error of a shard."""
        if not self._replicas:
            self._replicate(state, config)
        for replica in self._replicas[1:]:
            _copy_buffers(state, replica)
        threads = torch.get_num_threads()
        futures = []
        for shard, replica in zip(self._own, self._replicas, strict=True):
            parts = [_shard(batch, shard, self._shards) for batch in inputs]
            futures.append(self._threads.submit(self._run, replica, config, objective, parts))
        wait(futures)  # also when interrupted shards fail
        torch.set_num_threads(threads)  # starting a thread sets the number for all that start later
        return self._mean(_results(futures))

    def _run(self, replica: Replica, config: Config, objective: Objective, inputs: list[StepInputs]) -> Statistics:
        try:
            return self._step(replica, config, objective, inputs=inputs)
        except BaseException:
            self._meeting.abort()  # releases the other shards
            for update in self._updates:
                update.abort()
            raise

    def _replicate(self, state: TrainState, config: Config) -> None:
        """Create the shards' states. All share the weights of `state`; the first shares its buffers, too."""
        networks = [(_replica(state.G), _replica(state.D)) for _ in self._own]
        _share_buffers(state, *networks[0])
        if state.device.type == "cpu":
            for member, (G, D) in enumerate(networks):
                share_batch_norm_(G, self._meeting, member=member)
                if not config.objective.penalizes:
                    share_batch_norm_(D, self._meeting, member=member)
        self._updates = [
            SharedUpdate(optimizer, shards=self._shards, group=self._group)
            for optimizer in (state.g_optimizer, state.d_optimizer)
        ]
        g_update, d_update = self._updates
        self._replicas = [
            Replica(
                G=G,
                D=D,
                g_optimizer=SharedOptimizer(list(G.parameters()), g_update, member=member),
                d_optimizer=SharedOptimizer(list(D.parameters()), d_update, member=member),
            )
            for member, (G, D) in enumerate(networks)
        ]

    def _mean(self, own: Sequence[Statistics]) -> Statistics:
        """Statistics of the whole batch."""
        names = list(own[0])
        rows = torch.stack([torch.stack([one[name] for name in names]) for one in own])  # [own shards, names]
        return dict(zip(names, self._group.all_gather(rows).mean(dim=0), strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """Networks and optimizers of one shard."""

    G: Generator
    D: Discriminator
    g_optimizer: SharedOptimizer
    d_optimizer: SharedOptimizer


class SharedOptimizer:
    """One shard's view of an optimizer: a step waits for all shards, whose mean gradient updates the shared weights."""

    def __init__(self, weights: Sequence[nn.Parameter], update: SharedUpdate, *, member: int) -> None:
        self._weights, self._update, self._member = weights, update, member

    def zero_grad(self) -> None:
        """Clear the gradients of this shard."""
        for weight in self._weights:
            weight.grad = None

    def step(self) -> None:
        """Contribute the gradients of this shard, and update a part of the weights."""
        self._update.step(self._member, [weight.grad for weight in self._weights])


class SharedUpdate:
    """One Adam step by the mean gradient of all shards. Each shard of this process updates a part of the weights."""

    def __init__(self, optimizer: Adam, *, shards: int, group: Group) -> None:
        weights = optimizer.weights
        self._group, members = group, len(group.part(shards))
        self._steps = [optimizer.state[weight]["step"] for weight in weights]
        sizes = [weight.numel() for weight in weights]
        self._own = weights[0].new_zeros(members, sum(sizes)).detach()  # gradients, [own shards, elements]
        self._all: Float[Tensor, "shards elements"] = self._own
        self._views = [row.split(sizes) for row in self._own]
        self._parts = [AdamPart(optimizer, begin=a, end=b) for a, b in divide(sizes, members)]
        self._ready = threading.Barrier(members, action=self._gather)
        self._done = threading.Barrier(members)

    def step(self, member: int, gradients: Sequence[Tensor | None]) -> None:
        """Contribute the gradients of one shard; returns when all weights are updated."""
        with torch.no_grad():
            views = self._views[member]
            torch._foreach_copy_(list(views), [_flat(view, grad) for view, grad in zip(views, gradients, strict=True)])
            self._ready.wait()
            self._parts[member].update(self._all)
        self._done.wait()

    def abort(self) -> None:
        """Release the shards that wait."""
        self._ready.abort()
        self._done.abort()

    def _gather(self) -> None:
        with torch.no_grad():
            self._all = self._group.all_gather(self._own)
            torch._foreach_add_(self._steps, 1.0)


class AdamPart:
    """Adam of the elements `begin` to `end` of an optimizer's weights, which count on from one weight to the next.

    The update is that of the optimizer itself. Its state stays in `optimizer.state`, apart from the step counters,
    which the caller raises once.
    """

    def __init__(self, optimizer: Adam, *, begin: int, end: int) -> None:
        self._optimizer, self._range = optimizer, slice(begin, end)
        self._weights: list[Tensor] = []
        self._moments: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._steps: list[Tensor] = []
        sizes, offset = [], 0
        for weight in optimizer.weights:
            piece = slice(max(0, begin - offset), max(0, end - offset))
            offset += weight.numel()
            if (flat := memory(weight.detach())[piece]).numel():
                state = optimizer.state[weight]
                self._weights.append(flat)
                for moment, name in zip(self._moments, ("exp_avg", "exp_avg_sq"), strict=True):
                    moment.append(memory(state[name])[piece])
                self._steps.append(state["step"])
                sizes.append(len(flat))
        self._mean = optimizer.weights[0].new_zeros(end - begin).detach()
        self._means = list(torch.split(self._mean, sizes))

    def update(self, gradients: Float[Tensor, "shards elements"]) -> None:
        """Take one step by the mean of the gradients, summed in the order of the shards."""
        if not self._weights:
            return
        first, *others = gradients[:, self._range]
        self._mean.copy_(first)
        for other in others:
            self._mean += other
        self._mean /= len(gradients)
        self._optimizer.update(self._weights, self._means, *self._moments, self._steps)


def divide(sizes: Sequence[int], parts: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each of about equal parts of the elements of all weights.

    A part ends at a multiple of `ALIGNMENT` within a weight, or between two weights.
    """
    total, begin = sum(sizes), 0
    for part in range(1, parts + 1):
        end, offset = total * part // parts, 0
        for size in sizes:
            if offset < end < offset + size:
                end = offset + (end - offset) // ALIGNMENT * ALIGNMENT
            offset += size
        yield begin, end
        begin = end


def memory(tensor: Tensor) -> Float[Tensor, "elements"]:
    """The elements of a dense tensor in the order of its memory, as a view."""
    return tensor.as_strided((tensor.numel(),), (1,))


def _flat(view: Tensor, gradient: Tensor | None) -> Tensor:
    """Elements of a gradient; autograd lays it out like its weight. A weight without influence has none."""
    return torch.zeros_like(view) if gradient is None else memory(gradient)


def _replica(network: nn.Module) -> Any:
    """A copy with own buffers and gradients, and shared weights."""
    replica = copy.deepcopy(network)
    for own, shared in zip(replica.parameters(), network.parameters(), strict=True):
        own.data = shared.data
        own.grad = None
    return replica


def _share_buffers(state: TrainState, G: Generator, D: Discriminator) -> None:
    """Let the networks of a shard change the buffers of the state, such as running statistics."""
    for network, replica in ((state.G, G), (state.D, D)):
        for shared, own in zip(network.modules(), replica.modules(), strict=True):
            own._buffers.update(shared._buffers)


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


def _results(futures: Sequence[Future[Statistics]]) -> list[Statistics]:
    """Statistics of all shards; the error that broke a meeting, not that of a shard which waited there."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]

"""A step as one CUDA graph: recorded once, then replayed by one call instead of launched kernel by kernel.

At a batch of 64 small networks keep a GPU busy for less time than Python takes to name the kernels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from mnist_gan.config import Config
from mnist_gan.objectives import Objective
from mnist_gan.training.state import TrainState
from mnist_gan.training.step import Turn, update_networks

WARM_UP = 3
"""Steps of each kind that are taken as they are before one is recorded: libraries set themselves up in them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A graph, and the buffers from which it reads what differs from step to step."""

    graph: torch.cuda.CUDAGraph
    buffers: list[Turn]

    def replay(self, turns: list[Turn]) -> None:
        """Take the recorded step with what `turns` hold."""
        for buffer, turn in zip(self.buffers, turns, strict=True):
            for fixed, given in zip(_tensors(buffer), _tensors(turn), strict=True):
                fixed.copy_(given)
        self.graph.replay()


class CapturedUpdate:
    """Does what `update_networks` does, for one state and one objective, on a CUDA device.

    There is one graph for each kind of step, since lazy penalties are due in some only. A graph reads and writes at
    fixed addresses, so that the state must be changed in place, as optimizers and `TrainState.restore` do.
    """

    def __init__(self) -> None:
        self._recordings: dict[tuple[bool, ...], Recording] = {}
        self._taken: Counter[tuple[bool, ...]] = Counter()
        self._aside = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch leaves it untyped

    def __call__(self, state: TrainState, config: Config, objective: Objective, turns: list[Turn]) -> None:
        """Warm up, record or replay, whichever it is time for."""
        kind = tuple(turn.penalized for turn in turns)
        if kind not in self._recordings and self._taken[kind] < WARM_UP:
            self._taken[kind] += 1
            self._warm_up(state, config, objective, turns)
            return
        if kind not in self._recordings:
            self._recordings[kind] = _record(state, config, objective, turns)
        self._recordings[kind].replay(turns)

    def _warm_up(self, state: TrainState, config: Config, objective: Objective, turns: list[Turn]) -> None:
        """A step beside the main stream, as recording will be."""
        main = torch.cuda.current_stream()
        self._aside.wait_stream(main)
        with torch.cuda.stream(self._aside):
            update_networks(state, config, objective, turns)
        main.wait_stream(self._aside)


def _record(state: TrainState, config: Config, objective: Objective, turns: list[Turn]) -> Recording:
    """Name every kernel of a step without running one; `turns` give the shapes."""
    buffers = [_copied(turn) for turn in turns]
    graph = torch.cuda.CUDAGraph()
    for optimizer in (state.d_optimizer, state.g_optimizer):
        optimizer.zero_grad()  # the graph's gradients are to lie in its own memory
    with torch.cuda.graph(graph):
        update_networks(state, config, objective, buffers)
    return Recording(graph=graph, buffers=buffers)


def _copied(turn: Turn) -> Turn:
    return Turn(
        real_images=turn.real_images.clone(),
        labels=None if turn.labels is None else turn.labels.clone(),
        z=turn.z.clone(),
        mix=None if turn.mix is None else turn.mix.clone(),
        penalized=turn.penalized,
    )


def _tensors(turn: Turn) -> list[Tensor]:
    return [tensor for tensor in (turn.real_images, turn.labels, turn.z, turn.mix) if tensor is not None]

"""CUDA graphs: a training step captured once, then replayed by one launch.

Small networks at a batch of 64 occupy a GPU for less time than Python takes to launch the kernels one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import torch
from torch import Tensor

from mnist_gan.config import Config
from mnist_gan.objectives import Objective
from mnist_gan.training.inputs import StepInputs
from mnist_gan.training.state import TrainState
from mnist_gan.training.statistics import Statistics
from mnist_gan.training.step import Step

WARM_UP_STEPS: Final = 3
"""Steps of each kind that run uncaptured first, in which libraries initialize themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A captured step with its static input and output tensors."""

    graph: torch.cuda.CUDAGraph
    inputs: list[StepInputs]
    statistics: Statistics

    def replay(self, inputs: Sequence[StepInputs]) -> Statistics:
        """Run the captured step on `inputs`. The next replay overwrites the statistics that it returns."""
        for static, given in zip(self.inputs, inputs, strict=True):
            for buffer, tensor in zip(_tensors(static).values(), _tensors(given).values(), strict=True):
                buffer.copy_(tensor)
        self.graph.replay()
        return self.statistics


class CapturedStep:
    """Wraps a step for one state, config and objective on a CUDA device.

    Captures one graph per kind of step, as lazy penalties apply to some steps only. Graphs use fixed addresses: the
    state must be changed in place, as optimizers and `TrainState.restore` do.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._graphs: dict[tuple[bool, ...], Graph] = {}
        self._warm_ups: Counter[tuple[bool, ...]] = Counter()
        self._side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch leaves it untyped

    def __call__(
        self, state: TrainState, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]
    ) -> Statistics:
        """Warm up, capture or replay."""
        kind = tuple(batch.penalized for batch in inputs)
        if self._warm_ups[kind] < WARM_UP_STEPS:
            self._warm_ups[kind] += 1
            return self._warm_up(state, config, objective, inputs)
        if kind not in self._graphs:
            self._graphs[kind] = self._capture(state, config, objective, inputs)
        return self._graphs[kind].replay(inputs)

    def _warm_up(
        self, state: TrainState, config: Config, objective: Objective, inputs: Sequence[StepInputs]
    ) -> Statistics:
        """Run the step on a side stream, as capturing does."""
        main = torch.cuda.current_stream()
        self._side_stream.wait_stream(main)
        with torch.cuda.stream(self._side_stream):
            statistics = self._step(state, config, objective, inputs=inputs)
        main.wait_stream(self._side_stream)
        return statistics

    def _capture(self, state: TrainState, config: Config, objective: Objective, inputs: Sequence[StepInputs]) -> Graph:
        """Record the kernels of a step without running them."""
        static = [_clone(batch) for batch in inputs]
        graph = torch.cuda.CUDAGraph()
        for optimizer in (state.d_optimizer, state.g_optimizer):
            optimizer.zero_grad()  # the graph must allocate its gradients in its own memory pool
        with torch.cuda.graph(graph):
            statistics = self._step(state, config, objective, inputs=static)
        return Graph(graph=graph, inputs=static, statistics=statistics)


def _clone(batch: StepInputs) -> StepInputs:
    return replace(batch, **{name: tensor.clone() for name, tensor in _tensors(batch).items()})  # type: ignore[arg-type]


def _tensors(batch: StepInputs) -> dict[str, Tensor]:
    named = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in named.items() if isinstance(value, Tensor)}

"""One training on several ranks: rank 0 leads, and the others follow its messages.

Rank 0 runs the loop. It alone averages weights, evaluates, writes, and obeys commands. Before each step it broadcasts
the clock and the learning rates. Every rank derives the batch from the clock, computes its shards, and takes the same
optimizer step by the gathered gradients. Whenever the state of rank 0 is not the one after the last step, as at the
start, when it resumes, or after a rollback, it first broadcasts the whole state.
"""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from mnist_gan.config import Config
from mnist_gan.errors import RankError
from mnist_gan.objectives import Objective
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.training.distributed import Group
from mnist_gan.training.inputs import StepInputs, Stream, next_inputs
from mnist_gan.training.shards import ShardedStep
from mnist_gan.training.state import TrainState
from mnist_gan.training.statistics import Statistics
from mnist_gan.training.step import Step, train_step

HEARTBEAT_SECONDS: Final = 60.0
"""Longest silence of rank 0, as during an evaluation or a pause; well below `distributed.TIMEOUT`."""


class Message(enum.IntEnum):
    """Kinds of messages from rank 0."""

    WAIT = 0
    """Nothing to do yet."""
    TEXT = 1
    """A text of so many bytes follows."""
    STATE = 2
    """The whole state follows."""
    STEP = 3
    """Take a step at this clock, with these learning rates."""
    END = 4
    """The training is over, finished (1) or not (0)."""


class Leader:
    """Rank 0 towards the others, as a `with` block that dismisses them at its end. Does nothing in a group of one."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.finished = False
        """Outcome of the training, for the other ranks."""
        self._lock = threading.RLock()
        self._position: tuple[int, int] | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Leader:
        """Begin to send heartbeats."""
        if self.group.size > 1:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Dismiss the other ranks, unless one was lost."""
        self._ended.set()
        with contextlib.suppress(RankError):
            self._send(Message.END, float(self.finished))

    def send_text(self, text: str) -> None:
        """Send a text, which `receive_text` returns."""
        content = text.encode()
        with self._lock:
            self._send(Message.TEXT, float(len(content)))
            self.group.broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8))

    @contextlib.contextmanager
    def step(self, state: TrainState) -> Iterator[None]:
        """Let the other ranks take the same step as the block."""
        with self._lock:
            if self._position != (state.rollbacks, state.step):
                self._send(Message.STATE)
                for tensor in _in_order(state.tensors()):
                    self.group.broadcast(tensor)
            self._send(Message.STEP, float(state.cur_nimg), float(state.step), *state.learning_rates())
            yield
            self._position = (state.rollbacks, state.step + 1)

    def _send(self, kind: Message, *values: float) -> None:
        with self._lock:
            self.group.broadcast(torch.tensor([float(kind), *values] + [0.0] * (4 - len(values)), dtype=torch.float64))

    def _beat(self) -> None:
        with contextlib.suppress(RankError):  # the next step raises it
            while not self._ended.wait(HEARTBEAT_SECONDS):
                with self._lock:
                    if not self._ended.is_set():
                        self._send(Message.WAIT)


class LeadingStep:
    """Wraps a sharded step of rank 0: the other ranks take it, too."""

    def __init__(self, step: Step, leader: Leader) -> None:
        self._step, self._leader = step, leader

    def __call__(
        self, state: TrainState, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]
    ) -> Statistics:
        """Take the step on all ranks."""
        with self._leader.step(state):
            return self._step(state, config, objective, inputs=inputs)


def receive_text(group: Group) -> str | None:
    """Wait for a text of rank 0; None if the training ends before.

    Raises:
        RankError: a rank was lost.
    """
    while True:
        kind, (length, *_) = _receive(group)
        if kind is Message.END:
            return None
        if kind is Message.TEXT:
            return bytes(group.broadcast(torch.zeros(int(length), dtype=torch.uint8)).tolist()).decode()


def follow(
    config: Config,
    state: TrainState,
    stream: Stream,
    *,
    group: Group,
    on_step: Callable[[], object] = lambda: None,
    plugin: Plugin = NO_PLUGIN,
) -> bool:
    """Compute this rank's shards of every step of rank 0; return True if the training was finished.

    Args:
        config: the resolved recipe of rank 0.
        state: of the same networks; its content is replaced by that of rank 0.
        stream: the real images of rank 0.
        group: the ranks.
        on_step: called before every step.
        plugin: has the parts that the config names.

    Raises:
        RankError: a rank was lost.
    """
    objective = plugin.build_objective(config.objective)
    step = ShardedStep(train_step, shards=config.training.shards or 1, group=group)
    while True:
        kind, values = _receive(group)
        match kind:
            case Message.STATE:
                tensors = state.tensors()
                for tensor in _in_order(tensors):
                    group.broadcast(tensor)
                state.restore(tensors, state.counters())
            case Message.STEP:
                on_step()
                state.cur_nimg, state.step = int(values[0]), int(values[1])
                state.use_learning_rates(g_lr=values[2], d_lr=values[3])
                step(state, config, objective, inputs=next_inputs(state, config, stream))
            case Message.END:
                return bool(values[0])


def _receive(group: Group) -> tuple[Message, list[float]]:
    kind, *values = group.broadcast(torch.zeros(5, dtype=torch.float64)).tolist()
    return Message(int(kind)), values


def _in_order(tensors: dict[str, Tensor]) -> list[Tensor]:
    return [tensors[name] for name in sorted(tensors)]

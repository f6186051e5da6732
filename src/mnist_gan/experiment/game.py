"""A training in single moves: D and G are updated separately, and settings of the game may change between two moves.

For small networks that a person plays with. It writes nothing and has no schedule of its own: whole steps have the bits
of `training.train`. A game is a function of its config, its data and its record.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor

from mnist_gan import rng, training
from mnist_gan.config import Config, with_fields
from mnist_gan.data import Dataset, ImageStream
from mnist_gan.errors import ConfigError, DivergenceError
from mnist_gan.experiment.setup import shape_of
from mnist_gan.objectives import build_objective
from mnist_gan.schedules import learning_rate_factor
from mnist_gan.torch_defaults import default_torch_state
from mnist_gan.training import StatisticSums, StepInputs, TrainState, sample_inputs, statistic_names

MoveKind: TypeAlias = Literal["step", "D", "G", "change"]
CHANGEABLE: Final = (
    "objective.loss",
    "objective.r1_gamma",
    "objective.r2_gamma",
    "objective.gp_lambda",
    "objective.penalty_interval",
    "objective.label_smoothing",
    "objective.weight_clip",
    "optimizer.g_lr",
    "optimizer.d_lr",
    "training.d_steps",
)
"""Settings that may change in the middle of a game; any other belongs to the networks or the data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A part of the record of a game: moves of one kind in a row, or a change of settings."""

    kind: MoveKind
    """step: d_steps updates of D, then one of G; D, G: a single update; change: other settings from here on."""
    count: int = 1
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """New values by dotted name, of a change."""


class Game:
    """Two networks that play on one data set.

    Args:
        config: the recipe, on the CPU. Its length only matters to a learning-rate decay.
        dataset: real images or points.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        settings = config.training
        self.config, self.dataset = config, dataset
        self.shape = shape_of(config, dataset)
        self.stream = ImageStream(
            dataset.images,
            dataset.labels,
            batch_size=settings.batch_size,
            seed=settings.seed,
            device="cpu",
            real_range=config.data.real_range,
        )
        self.record: list[Move] = []
        self.d_moves, self.g_moves = 0, 0
        """Updates of each network so far."""
        self.statistics: dict[str, float] = {}
        """Newest value of each statistic."""
        self._pending: tuple[StepInputs, Tensor] | None = None
        with default_torch_state():
            self.state: TrainState = training.create_state(config, self.shape, device=torch.device("cpu"))
            self._objective = build_objective(config.objective)

    @default_torch_state()
    def step(self) -> None:
        """Take a whole step: `training.d_steps` updates of D, then one of G.

        Raises:
            DivergenceError: a loss or score was not finite.
        """
        d_steps = self.config.training.d_steps
        inputs = [self._inputs(self.d_moves + i, ahead=i) for i in range(d_steps)]
        self._note(
            training.advance(self.state, self.config, self._objective, inputs, total_nimg=self._total_nimg), "step"
        )
        self.d_moves, self.g_moves, self._pending = self.d_moves + d_steps, self.g_moves + 1, None

    @default_torch_state()
    def move_discriminator(self) -> None:
        """Update D once, on a new batch. The next move of G learns from the generated images of that batch.

        Raises:
            DivergenceError: a loss or score was not finite.
        """
        self._set_learning_rates(at=self.state.cur_nimg)
        batch = self._inputs(self.d_moves)
        fake_images = training.generate(self.state.G, self.config, batch)
        self._note(
            training.discriminator_step(self.state, self.config, self._objective, batch=batch, fake_images=fake_images),
            "D",
        )
        self.state.cur_nimg += len(batch.real_images)
        self.d_moves, self._pending = self.d_moves + 1, (batch, fake_images)

    @default_torch_state()
    def move_generator(self) -> None:
        """Update G once, on the images of D's last move, or on new ones if G has learned from these.

        Raises:
            DivergenceError: the loss was not finite.
        """
        began = self.state.cur_nimg - (0 if self._pending is None else len(self._pending[1]))
        self._set_learning_rates(at=began)  # those of D's move, as in a whole step
        batch, fake_images = self._pending or self._fresh_batch()
        self._note(
            training.generator_step(self.state, self.config, self._objective, batch=batch, fake_images=fake_images),
            "G",
        )
        self.state.step += 1
        training.average_weights(self.state, self.config, nimg=len(batch.real_images))
        self.g_moves, self._pending = self.g_moves + 1, None

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change settings of the game from the next move on. They are recorded.

        Raises:
            ConfigError: a setting that needs a new game, or a value that it cannot have.
        """
        self.config = changed_config(self.config, changes)
        self._objective = build_objective(self.config.objective)
        self.state.sums = StatisticSums(statistic_names(self.config), device=self.state.device)
        self.statistics = {}
        self.record.append(Move(kind="change", changes=dict(changes)))

    def replay(self, record: Iterable[Move]) -> None:
        """Make the moves of a record."""
        moves = {"step": self.step, "D": self.move_discriminator, "G": self.move_generator}
        for move in record:
            if move.kind == "change":
                self.change(move.changes)
                continue
            for _ in range(move.count):
                moves[move.kind]()

    @property
    def _total_nimg(self) -> int:
        return self.config.training.total_nimg or self.config.training.batch_size

    def _set_learning_rates(self, *, at: int) -> None:
        """Set both learning rates for a step that began at a clock of `at` images."""
        settings = self.config.optimizer
        factor = learning_rate_factor(settings, cur_nimg=at, total_nimg=self._total_nimg)
        self.state.use_learning_rates(g_lr=settings.g_lr * factor, d_lr=settings.d_lr * factor)

    def _inputs(self, position: int, *, ahead: int = 0) -> StepInputs:
        """Inputs of D's update number `position`, whose batch is `ahead` batches after the clock."""
        start = self.state.cur_nimg + ahead * self.config.training.batch_size
        real_images, labels = self.stream.batch(start)
        return sample_inputs(self.config, real_images=real_images, labels=labels, position=position)

    def _fresh_batch(self) -> tuple[StepInputs, Tensor]:
        """Generated images for a move of G that follows no move of D; D has not seen the real ones yet."""
        batch = self._inputs(self.d_moves)
        source = rng.generator(self.config.training.seed, "game/z", self.g_moves)
        batch = dataclasses.replace(batch, z=torch.randn(batch.z.shape, generator=source))
        return batch, training.generate(self.state.G, self.config, batch)

    def _note(self, statistics: training.Statistics, kind: MoveKind) -> None:
        """Keep the statistics of a move, and record it."""
        values = {name: float(value) for name, value in statistics.items()}
        if not all(map(math.isfinite, values.values())):
            raise DivergenceError(
                "The game diverged: a loss or score is not finite. Lower the learning rates, and reset."
            )
        self.statistics |= values
        last = self.record[-1] if self.record else None
        if last is not None and last.kind == kind:
            self.record[-1] = dataclasses.replace(last, count=last.count + 1)
        else:
            self.record.append(Move(kind=kind))


def changed_config(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with other values of settings that may change in the middle of a game.

    Raises:
        ConfigError: a setting that needs a new game, or values that do not work together.
    """
    for name in changes:
        if name not in CHANGEABLE:
            raise ConfigError(f"{name!r:.60} cannot change in the middle of a game; start a new one")
    return with_fields(config, changes)

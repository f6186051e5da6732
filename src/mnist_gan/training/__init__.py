"""The algorithm: state, one step, averaging, schedules and the loop. It imports neither evaluation nor sampling."""

from mnist_gan.training.loop import Reason, Stream, Tick, train
from mnist_gan.training.state import TrainState, create_state
from mnist_gan.training.step import (
    Turn,
    discriminator_step,
    draw_turn,
    generate,
    generator_step,
    statistic_names,
    train_step,
)

__all__ = [
    "Reason",
    "Stream",
    "Tick",
    "TrainState",
    "Turn",
    "create_state",
    "discriminator_step",
    "draw_turn",
    "generate",
    "generator_step",
    "statistic_names",
    "train",
    "train_step",
]

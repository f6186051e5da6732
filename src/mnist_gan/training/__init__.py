"""Training: state, step and loop. The loop writes nothing, evaluates nothing and prints nothing."""

from mnist_gan.training.distributed import Group, joined
from mnist_gan.training.inputs import StepInputs, Stream, next_inputs, sample_inputs
from mnist_gan.training.loop import Reason, Tick, advance, average_weights, train
from mnist_gan.training.ranks import Leader, follow, receive_text
from mnist_gan.training.state import TrainState, create_state
from mnist_gan.training.statistics import Statistics, StatisticSums, statistic_names
from mnist_gan.training.step import discriminator_step, generate, generator_step, train_step
from mnist_gan.training.trial import Player, try_half_step

__all__ = [
    "Group",
    "Leader",
    "Player",
    "Reason",
    "StatisticSums",
    "Statistics",
    "StepInputs",
    "Stream",
    "Tick",
    "TrainState",
    "advance",
    "average_weights",
    "create_state",
    "discriminator_step",
    "follow",
    "generate",
    "generator_step",
    "joined",
    "next_inputs",
    "receive_text",
    "sample_inputs",
    "statistic_names",
    "train",
    "train_step",
    "try_half_step",
]

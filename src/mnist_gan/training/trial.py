"""One network's half of the next step, on a copy of the state."""

from __future__ import annotations

import copy
from typing import Literal, TypeAlias

from mnist_gan.config import Config
from mnist_gan.objectives import Objective
from mnist_gan.training.inputs import Stream, next_inputs
from mnist_gan.training.loop import average_weights, layers_seeded
from mnist_gan.training.state import TrainState
from mnist_gan.training.step import discriminator_step, generate, generator_step

Player: TypeAlias = Literal["D", "G"]


def try_half_step(
    state: TrainState, config: Config, objective: Objective, stream: Stream, *, player: Player, total_nimg: int
) -> TrainState:
    """Update D or G once on a copy of the state, with the batch and the learning rates of the next step.

    The update of D has the bits of the next step's first; that of G learns from D as it is. `state` is not changed.
    Shards and captured steps are left aside.
    """
    trial = copy.deepcopy(state)
    trial.set_learning_rates(config, total_nimg=total_nimg)
    batch = next_inputs(trial, config, stream)[0]
    with layers_seeded(trial, config):
        fake_images = generate(trial.G, config, batch)
        half_step = discriminator_step if player == "D" else generator_step
        half_step(trial, config, objective, batch=batch, fake_images=fake_images)
    if player == "G":
        trial.cur_nimg += len(batch.real_images)
        average_weights(trial, config, nimg=len(batch.real_images))
    return trial

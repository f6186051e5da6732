from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from tests.support.toys import toy_config

from mnist_gan import training
from mnist_gan.config import Config
from mnist_gan.data import Dataset, ImageStream, load_dataset
from mnist_gan.errors import ConfigError, DivergenceError
from mnist_gan.experiment.game import Game, Move, changed_config


def config_with(**sections: dict[str, Any]) -> Config:
    config = toy_config()
    parts = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in sections.items()}
    config = dataclasses.replace(config, **parts)
    return dataclasses.replace(config, training=dataclasses.replace(config.training, precision="float32"))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(toy_config().data)


def tensors(game: Game) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in game.state.tensors().items() if name != "sums"}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_whole_steps_have_the_bits_of_a_training(dataset: Dataset, loss: str, d_steps: int) -> None:
    config = config_with(objective={"loss": loss, "r1_gamma": 0.1, "gp_lambda": 1.0}, training={"d_steps": d_steps})
    game = Game(config, dataset)
    for _ in range(6):
        game.step()
    state = training.create_state(config, game.shape, device=torch.device("cpu"))
    stream = ImageStream(dataset.images, dataset.labels, batch_size=16, seed=0, device="cpu")
    ticks = training.train(
        config, state, stream, epoch_nimg=10**6, tick_nimg=10**6, total_nimg=320, stop=lambda: state.step == 6
    )
    list(ticks)
    assert_equal(tensors(game), {name: tensor for name, tensor in state.tensors().items() if name != "sums"})
    assert (game.state.cur_nimg, game.d_moves, game.g_moves) == (6 * d_steps * 16, 6 * d_steps, 6)


def test_a_move_of_d_and_one_of_g_are_a_whole_step(dataset: Dataset) -> None:
    whole, single = (Game(config_with(objective={"r1_gamma": 0.1}), dataset) for _ in range(2))
    for _ in range(3):
        whole.step()
        single.move_discriminator()
        single.move_generator()
    assert_equal(tensors(whole), tensors(single))
    assert whole.statistics == single.statistics


def test_a_move_changes_one_network(dataset: Dataset) -> None:
    game = Game(config_with(), dataset)
    before = tensors(game)
    game.move_discriminator()
    after = tensors(game)
    assert {name.split("/")[0] for name in before if not torch.equal(before[name], after[name])} == {
        "D",
        "d_optimizer",
    }
    game.move_generator()
    game.move_generator()  # on new z, as D has not moved
    last = tensors(game)
    changed = {name.split("/")[0] for name in after if not torch.equal(after[name], last[name])}
    assert changed == {"G", "g_optimizer", "G_ema"}
    assert (game.d_moves, game.g_moves, game.state.cur_nimg) == (1, 2, 16)


def test_a_game_may_begin_with_a_move_of_g(dataset: Dataset) -> None:
    game = Game(config_with(objective={"loss": "relativistic"}), dataset)
    game.move_generator()
    assert math.isfinite(game.statistics["Loss/G/loss"])
    assert game.state.cur_nimg == 0


def test_record_replays_a_game_with_changes_bit_for_bit(dataset: Dataset) -> None:
    game = Game(config_with(), dataset)
    game.step()
    game.step()
    game.move_discriminator()
    game.change({"objective.loss": "wasserstein", "objective.gp_lambda": 10.0, "training.d_steps": 2})
    game.move_generator()
    game.step()
    assert [(move.kind, move.count) for move in game.record] == [
        ("step", 2),
        ("D", 1),
        ("change", 1),
        ("G", 1),
        ("step", 1),
    ]
    again = Game(config_with(), dataset)
    again.replay(game.record)
    assert_equal(tensors(game), tensors(again))
    assert again.record == game.record


def test_change_takes_effect_on_the_next_move_and_keeps_the_networks(dataset: Dataset) -> None:
    game = Game(config_with(optimizer={"warmup_nimg": 0}), dataset)
    game.step()
    before = tensors(game)
    game.change({"optimizer.g_lr": 0.5, "optimizer.d_lr": 0.25})
    assert_equal(before, tensors(game))
    game.step()
    assert game.state.learning_rates() == pytest.approx((0.5, 0.25), rel=0.1)  # the cosine has begun
    assert game.record[1] == Move(kind="change", changes={"optimizer.g_lr": 0.5, "optimizer.d_lr": 0.25})


def test_change_refuses_what_belongs_to_the_networks(dataset: Dataset) -> None:
    game = Game(config_with(), dataset)
    with pytest.raises(ConfigError, match=r"'generator.z_dim' cannot change in the middle of a game; start a new one"):
        game.change({"generator.z_dim": 3})
    with pytest.raises(ConfigError, match="label smoothing needs a loss"):
        changed_config(game.config, {"objective.loss": "hinge", "objective.label_smoothing": 0.1})
    assert game.record == []


def test_game_ends_with_the_move_that_diverges(dataset: Dataset) -> None:
    game = Game(config_with(), dataset)
    with torch.no_grad():
        game.state.D.head.psi.weight.fill_(math.nan)
    for move in (game.step, game.move_discriminator, game.move_generator):
        with pytest.raises(DivergenceError, match="diverged"):
            move()

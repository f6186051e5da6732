import dataclasses
import math

import pytest
import torch

from mnist_gan.errors import DivergenceError
from mnist_gan.models import update_average
from mnist_gan.training import Tick, train


def ticks(config, state, stream, *, steps=6, tick_nimg=40, epoch_nimg=1000, **named):
    return list(
        train(config, state, stream, epoch_nimg=epoch_nimg, tick_nimg=tick_nimg, total_nimg=20 * steps, **named)
    )


def tick_at(cur_nimg, *, last_nimg, state):
    return Tick(
        reason="interval",
        cur_nimg=cur_nimg,
        last_nimg=last_nimg,
        total_nimg=1000,
        step=1,
        epoch=0.0,
        stats={},
        seconds=0.0,
        nimg=0,
        state=state,
    )


@pytest.mark.parametrize(
    ("last_nimg", "cur_nimg", "crossed"),
    [(0, 99, False), (0, 100, True), (99, 100, True), (100, 199, False), (150, 250, True), (50, 350, True)],
)
def test_tick_crossed_is_true_where_a_multiple_was_reached(last_nimg, cur_nimg, crossed, make_config, make_state):
    tick = tick_at(cur_nimg, last_nimg=last_nimg, state=make_state(make_config()))
    assert tick.crossed(100) is crossed


def test_train_yields_the_start_every_interval_and_the_end(make_config, make_state, stream):
    config = make_config()
    found = ticks(config, make_state(config), stream, steps=5)
    assert [(tick.reason, tick.cur_nimg, tick.last_nimg) for tick in found] == [
        ("start", 0, 0),
        ("interval", 40, 0),
        ("interval", 80, 40),
        ("finished", 100, 80),
    ]
    assert [tick.nimg for tick in found] == [0, 40, 40, 20]
    assert found[-1].step == 5


def test_train_yields_a_tick_at_the_end_of_an_epoch(make_config, make_state, stream):
    config = make_config()
    found = ticks(config, make_state(config), stream, steps=3, tick_nimg=1000, epoch_nimg=40)
    assert [(tick.cur_nimg, tick.epoch) for tick in found] == [(0, 0.0), (40, 1.0), (60, 1.5)]


def test_train_counts_every_discriminator_batch(make_config, make_state, stream):
    config = make_config(training={"d_steps": 3})
    assert [tick.cur_nimg for tick in ticks(config, make_state(config), stream, tick_nimg=60)] == [0, 60, 120]


def test_train_reports_means_over_the_steps_since_the_last_tick(make_config, make_state, stream):
    config = make_config()
    single = [tick.stats for tick in ticks(config, make_state(config), stream, tick_nimg=20)[1:]]
    (_, pair, *_) = [tick.stats for tick in ticks(config, make_state(config), stream, tick_nimg=40)]
    for name in ("Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Score/fake_accuracy"):
        assert pair[name] == pytest.approx((single[0][name] + single[1][name]) / 2)


def test_train_reports_learning_rates(make_config, make_state, stream):
    config = make_config(optimizer={"g_lr": 0.01, "d_lr": 0.02, "decay": "linear"})
    tick = ticks(config, make_state(config), stream)[1]  # after 40 of 120 images
    assert tick.stats["Progress/g_lr"] == pytest.approx(0.01 * 2 / 3)
    assert tick.stats["Progress/d_lr"] == pytest.approx(0.02 * 2 / 3)


def test_train_stops_before_the_next_step(make_config, make_state, stream):
    config, state = make_config(), make_state(make_config())
    found = ticks(config, state, stream, stop=lambda: state.step == 3)
    assert [(tick.reason, tick.cur_nimg, bool(tick.stats)) for tick in found[-2:]] == [
        ("interval", 40, True),
        ("stopped", 60, False),
    ]


def test_train_stopped_and_continued_equals_an_uninterrupted_training(make_config, make_state, stream):
    config = make_config(objective={"r1_gamma": 1.0, "penalty_interval": 2})
    whole, parts = make_state(config), make_state(config)
    expected = ticks(config, whole, stream)
    ticks(config, parts, stream, stop=lambda: parts.step == 3)
    found = ticks(config, parts, stream)
    assert [tick.stats for tick in found] == [tick.stats for tick in expected[2:]]
    assert all(torch.equal(tensor, parts.tensors()[name]) for name, tensor in whole.tensors().items())


def test_train_takes_the_learning_rates_of_the_current_config(make_config, make_state, stream):
    config = make_config(optimizer={"g_lr": 0.01})
    state = make_state(config)
    slow = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, g_lr=0.001))
    found = ticks(config, state, stream, current_config=lambda: slow if state.step >= 2 else config)
    assert [tick.stats["Progress/g_lr"] for tick in found[1:]] == pytest.approx([0.01, 0.001, 0.001])


@pytest.mark.parametrize("halflife_nimg", [0.0, 1000.0])
def test_train_averages_the_generator_with_the_half_life_of_the_config(halflife_nimg, make_config, make_state, stream):
    config = make_config(training={"ema_halflife_nimg": halflife_nimg, "ema_rampup": 1.0})
    state, expected = make_state(config), make_state(config).G_ema
    for tick in train(config, state, stream, epoch_nimg=1000, tick_nimg=20, total_nimg=80):
        if tick.reason != "start":
            beta = 0.5 ** (20 / min(halflife_nimg, tick.cur_nimg)) if halflife_nimg else 0.0
            update_average(expected, state.G, beta=beta)
    pairs = zip(state.G_ema.parameters(), expected.parameters(), strict=True)
    assert all(torch.equal(average, weight) for average, weight in pairs)


def test_train_stops_at_the_step_whose_loss_is_not_finite(make_config, make_state, stream):
    config, state = make_config(), make_state(make_config())
    running = train(config, state, stream, epoch_nimg=1000, tick_nimg=40, total_nimg=1000)
    assert [next(running).step, next(running).step] == [0, 2]
    with torch.no_grad():
        next(state.G.parameters()).fill_(math.nan)
    with pytest.raises(
        DivergenceError, match=r"diverged at step 3 \(60 images\): a loss or score is not finite; lower"
    ):
        next(running)


def test_train_writes_and_prints_nothing(make_config, make_state, stream, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    ticks(make_config(), make_state(make_config()), stream)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")

import dataclasses

import pytest
import torch

from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective
from mnist_gan.training import create_state, next_inputs, train_step

every_norm = pytest.mark.parametrize("norm", ["none", "batch", "spectral"])


def trained(config, state, stream, *, steps=2):
    for _ in range(steps):
        inputs = next_inputs(state, config, stream)
        state.sums.add(train_step(state, config, build_objective(config.objective), inputs=inputs))
        state.step, state.cur_nimg = state.step + 1, state.cur_nimg + 20
    return state


def test_create_state_starts_with_the_average_equal_to_the_generator(make_config, make_state):
    state = make_state(make_config())
    pairs = zip(state.G_ema.parameters(), state.G.parameters(), strict=True)
    assert all(torch.equal(average, weight) and not average.requires_grad for average, weight in pairs)
    assert not state.G_ema.training


def test_create_state_depends_on_the_seed_only(make_config, make_state):
    one, same, other = (make_state(make_config(training={"seed": seed})).tensors() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["G/trunk.0.weight"], other["G/trunk.0.weight"])


@every_norm
def test_restore_reproduces_every_tensor_and_counter_bit_for_bit(norm, make_config, make_state, stream):
    config = make_config(discriminator={"norm": norm}, training={"ema_halflife_nimg": 100.0})
    state = trained(config, make_state(config), stream)
    state.lr_scale, state.rollbacks, state.last_tick_nimg = 0.5, 1, 20
    other = make_state(dataclasses.replace(config, training=dataclasses.replace(config.training, seed=9)))
    other.restore(state.tensors(), state.counters())
    assert other.counters() == state.counters()
    assert all(torch.equal(tensor, other.tensors()[name]) for name, tensor in state.tensors().items())


@every_norm
def test_restored_state_continues_as_the_original(norm, make_config, make_state, stream):
    config = make_config(discriminator={"norm": norm})
    state = trained(config, make_state(config), stream)
    other = make_state(config)
    other.restore(state.tensors(), state.counters())
    expected, found = trained(config, state, stream).tensors(), trained(config, other, stream).tensors()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_tensors_of_a_new_state_have_the_names_of_a_trained_one(make_config, make_state, stream):
    config = make_config()
    before = make_state(config).tensors()
    assert trained(config, make_state(config), stream).tensors().keys() == before.keys()


def test_restore_refuses_a_missing_an_unexpected_and_a_misshapen_tensor(make_config, make_state):
    state = make_state(make_config())
    tensors, counters = state.tensors(), state.counters()
    with pytest.raises(ValueError, match="tensor sums is missing"):
        state.restore({name: tensor for name, tensor in tensors.items() if name != "sums"}, counters)
    with pytest.raises(ValueError, match="tensor G/more is unexpected"):
        state.restore(tensors | {"G/more": torch.zeros(1)}, counters)
    with pytest.raises(ValueError, match=r"tensor sums is torch.float64 \(2,\)"):
        state.restore(tensors | {"sums": torch.zeros(2, dtype=torch.float64)}, counters)
    with pytest.raises(ValueError, match=r"tensor sums is torch.float32"):
        state.restore(tensors | {"sums": tensors["sums"].float()}, counters)


def test_lr_factor_is_the_schedule_times_the_scale_of_rollbacks(make_config, make_state):
    config = make_config(optimizer={"decay": "linear"})
    state = make_state(config)
    state.cur_nimg, state.lr_scale = 250, 0.5
    assert state.lr_factor(config, total_nimg=1000) == pytest.approx(0.75 * 0.5)


def test_set_learning_rates_reaches_both_optimizers(make_config, make_state):
    config = make_config(optimizer={"g_lr": 0.1, "d_lr": 0.4, "decay": "linear"})
    state = make_state(config)
    state.cur_nimg = 500
    state.set_learning_rates(config, total_nimg=1000)
    rates = [optimizer.lr for optimizer in (state.g_optimizer, state.d_optimizer)]
    assert rates == pytest.approx([0.05, 0.2])


def test_create_state_lays_convolutions_out_channels_last(make_config):
    config = make_config(generator={"family": "dcgan", "channels": (4, 4)}, discriminator={"family": "dcgan"})
    shape = ImageShape(channels=3, resolution=8, num_classes=10)
    state = create_state(config, shape, device=torch.device("cpu"))
    weights = [p for network in (state.G, state.D) for p in network.parameters() if p.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)

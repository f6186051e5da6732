import pytest
import torch

from mnist_gan import rng
from mnist_gan.training import next_inputs, sample_inputs


def sample(config, stream, *, position=0):
    images, labels = stream.batch(0)
    return sample_inputs(config, real_images=images, labels=labels, position=position)


def test_sample_inputs_derives_z_from_the_seed_and_the_position(make_config, stream):
    inputs = sample(make_config(training={"seed": 5}), stream, position=3)
    expected = torch.randn(20, 4, generator=rng.generator(5, "train/z", 3))
    assert torch.equal(inputs.z, expected)


def test_sample_inputs_drops_labels_for_unconditional_networks(make_config, stream):
    assert sample(make_config(training={"conditional": False}), stream).labels is None
    assert torch.equal(sample(make_config(), stream).labels, stream.batch(0)[1])


def test_sample_inputs_applies_lazy_penalties_at_every_interval(make_config, stream):
    config = make_config(objective={"r1_gamma": 1.0, "penalty_interval": 3})
    assert [sample(config, stream, position=i).penalized for i in range(7)] == [True, False, False] * 2 + [True]
    assert not sample(make_config(), stream).penalized


def test_sample_inputs_draws_mix_only_where_the_gradient_penalty_applies(make_config, stream):
    config = make_config(objective={"gp_lambda": 10.0, "penalty_interval": 2})
    mix = sample(config, stream, position=2).mix
    assert mix is not None
    assert 0 <= mix.min() < mix.max() <= 1
    assert sample(config, stream, position=1).mix is None
    assert sample(make_config(objective={"r1_gamma": 1.0}), stream).mix is None


def test_sample_inputs_carry_the_factor_of_penalties_that_decay(make_config, stream):
    config = make_config(
        objective={"r1_gamma": 1.0, "penalty_interval": 2, "penalty_decay": "linear"},
        training={"batch_size": 20, "total_nimg": 100},
    )
    factors = [sample(config, stream, position=i).penalty_factor for i in range(7)]
    assert factors[1] is factors[3] is factors[5] is None  # updates without a penalty
    assert [float(factors[i]) for i in (0, 2, 4, 6)] == pytest.approx([1.0, 0.6, 0.2, 0.0])
    assert sample(make_config(objective={"r1_gamma": 1.0}), stream).penalty_factor is None


def test_sample_inputs_carry_the_factor_of_a_classifier_that_decays(make_config, stream):
    config = make_config(
        objective={"classifier_weight": 0.1, "classifier_decay": "linear"},
        training={"batch_size": 20, "total_nimg": 100},
    )
    factors = [sample(config, stream, position=i).classifier_factor for i in range(7)]
    assert [float(factor) for factor in factors] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0])
    assert sample(make_config(objective={"classifier_weight": 0.1}), stream).classifier_factor is None
    without = make_config(objective={"classifier_decay": "linear"})
    assert sample(without, stream).classifier_factor is None


def test_next_inputs_take_one_batch_per_discriminator_update_from_the_clock_on(make_config, make_state, stream):
    config = make_config(training={"d_steps": 2})
    state = make_state(config)
    state.step, state.cur_nimg = 3, 120
    inputs = next_inputs(state, config, stream)
    for i, batch in enumerate(inputs):
        assert torch.equal(batch.real_images, stream.batch(120 + 20 * i)[0])
        assert torch.equal(batch.z, torch.randn(20, 4, generator=rng.generator(0, "train/z", 6 + i)))
    assert len(inputs) == 2

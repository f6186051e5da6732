"""Rehearsal of a plug-in: mistakes are found before a run is made."""

import dataclasses

import pytest
import torch
from tests.support.plugins import write_plugin

from mnist_gan import experiment, load_plugin
from mnist_gan.errors import PluginError
from mnist_gan.experiment.setup import set_up

LOSS = """
@plugin.loss("odd")
def odd(config):
    def d_loss(real, fake):
        return {d}
    return Objective(discriminator_loss=d_loss, generator_loss=lambda fake, real: {g})
"""


def changed(config, section, **fields):
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **fields)})


def refusal(config, tmp_path, *parts):
    file = write_plugin(tmp_path, *parts)
    with pytest.raises(PluginError) as refused:
        experiment.run(config, plugin=file, name="run", runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs" / "run").exists()
    message = str(refused.value)
    assert message.startswith(f"{file}, line "), message
    return message.removeprefix(f"{file}, ")


@pytest.mark.parametrize(
    ("d", "g", "message"),
    [
        ("(real * float('nan'))", "fake", "line 13: ideas.odd returned numbers that are not finite"),
        ("real.mean()", "fake", "line 13: ideas.odd returned the shape () for a batch of 4; it must return one value"),
        ("0.0", "fake", "line 13: ideas.odd returned the type float"),
        ("fake", "fake[:2]", "line 15: ideas.odd returned the shape (2,)"),
        ("real @ torch.zeros(3)", "fake", "line 14: RuntimeError: "),
    ],
)
def test_rehearse_finds_losses_that_do_not_work(config, tmp_path, d, g, message):
    named = changed(config, "objective", loss="ideas.odd")
    assert refusal(named, tmp_path, LOSS.format(d=d, g=g)).startswith(message)


def test_rehearse_finds_a_generator_of_the_wrong_shape(config, tmp_path):
    named = changed(config, "generator", family="ideas.flat")
    part = """
@plugin.generator("flat")
class Flat(nn.Linear):
    def __init__(self, config, shape):
        super().__init__(config.z_dim, 784)

    def forward(self, z, labels):
        return super().forward(z)
"""
    message = refusal(named, tmp_path, part)
    assert message.startswith("line 16: the generator ideas.flat returned the shape (1, 784); it must return floats")


def test_rehearse_finds_a_regularizer_that_is_not_finite(config, tmp_path):
    named = changed(config, "objective", regularizer="ideas.odd")
    part = """
@plugin.regularizer("odd")
def odd(D, real_images, fake_images, labels, *, mix):
    return D(real_images, labels) / 0
"""
    assert refusal(named, tmp_path, part).startswith("line 11: ideas.odd returned numbers that are not finite")


def test_rehearse_leaves_the_state_as_it_was(config, tmp_path):
    plugin = load_plugin(write_plugin(tmp_path))
    named = changed(changed(config, "generator", family="ideas.dropped"), "discriminator", family="ideas.dropped")
    with set_up(named, plugin=plugin) as setup:
        running = dict(setup.state.G.named_buffers())["network.first.1.running_mean"]
        assert torch.count_nonzero(running) == 0
        assert setup.state.G.training

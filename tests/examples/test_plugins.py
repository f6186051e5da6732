"""The plug-ins in examples/ train, resume bit for bit and are under 60 lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.support.resuming import read_footprint, stop_after
from tests.support.tiny import tiny_config

from mnist_gan import GAN, Config, experiment, load_plugin

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = ("new_loss.py", "new_generator.py", "own_data.py")
every_example = pytest.mark.parametrize("name", FILES)


def small(config: Config, idx_dir: Path) -> Config:
    """The same parts, small and short."""
    tiny = tiny_config(idx_dir, training={"total_nimg": 80, "batch_size": 20})
    data = config.data if config.data.name != "auto" else tiny.data
    generator = config.generator if "." in config.generator.family else tiny.generator
    return dataclasses.replace(
        tiny,
        data=dataclasses.replace(data, limit=100),
        generator=dataclasses.replace(generator, channels=(8,), z_dim=4),
        objective=dataclasses.replace(config.objective, penalty_interval=2),
    )


@every_example
def test_plugin_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 60


@every_example
def test_plugin_example_resumes_bit_for_bit_and_its_model_draws(name: str, idx_dir: Path, tmp_path: Path) -> None:
    plugin = load_plugin(EXAMPLES / name)
    (recipe,) = plugin.presets.values()
    config = small(recipe.make(), idx_dir)
    assert config.plugin_parts
    whole = experiment.run(config, plugin=plugin, name="whole", runs_dir=tmp_path)
    stopped = experiment.run(config, plugin=plugin, name="stopped", runs_dir=tmp_path, stop=stop_after(2))
    assert not stopped.finished
    experiment.resume(stopped.directory.root, plugin=EXAMPLES / name)
    assert read_footprint(stopped.directory.root) == read_footprint(whole.directory.root)
    images = GAN.load(whole.directory.root, plugin=plugin).sample(3, seed=1)
    assert images.shape == (3, 1, 28, 28)
    assert whole.directory.plugin.read_bytes() == (EXAMPLES / name).read_bytes()

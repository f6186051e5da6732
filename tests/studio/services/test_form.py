"""The form of a new training: its recipes, its fields, and the config that results."""

from __future__ import annotations

import pytest
from tests.support.plugins import write_plugin

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.errors import ConfigError
from mnist_gan.plugins import load_plugin
from mnist_gan.studio.services.form import BY_NAME, FIELDS, WIDTHS, chosen_config, describe, run_stem


def test_describe_lists_every_recipe_with_values_that_fields_accept():
    found = describe()
    assert [each["name"] for each in found["presets"]] == [name for name in presets.PRESETS if name != "points"]
    assert {each["name"] for each in found["presets"] if each["lesson"]} == set(presets.FAILURES)
    for preset in found["presets"]:
        assert set(preset["values"]) == set(BY_NAME)
        assert preset["summary"].endswith(".")
        for name, value in preset["values"].items():
            if value is not None:
                BY_NAME[name].read(value)
        same = chosen_config(
            preset["name"], {key: value for key, value in preset["values"].items() if value is not None}
        )
        assert same == presets.get(preset["name"])


def test_describe_gives_every_failure_a_cure_with_another_config():
    for preset in describe()["presets"]:
        if lesson := preset["lesson"]:
            assert lesson["look_at"]
            assert lesson["cure"]
            cured = chosen_config(lesson["start"]["preset"], lesson["start"]["changes"])
            assert cured != presets.get(preset["name"])


def test_form_offers_the_presets_and_parts_of_a_plug_in(tmp_path):
    plugin = load_plugin(write_plugin(tmp_path))
    found = describe(plugin)
    choices = {field["name"]: field["choices"] for field in found["fields"]}
    assert "ideas.margin" in choices["objective.loss"]
    assert "ideas.dropped" in choices["generator.family"]
    assert "ideas.margin" not in {choice for field in describe()["fields"] for choice in field["choices"]}
    changes = {"objective.loss": "ideas.margin", "generator.family": "ideas.dropped"}
    config = chosen_config("quick", changes, plugin=plugin)
    assert (config.objective.loss, config.generator.family) == ("ideas.margin", "ideas.dropped")
    with pytest.raises(ConfigError, match="Loss"):
        chosen_config("quick", {"objective.loss": "ideas.margin"})


def test_fields_are_settings_of_a_config():
    for field in FIELDS:
        assert field.name in config_module.all_settings()
        assert field.setting.title
        assert field.setting.help.endswith(".")


@pytest.mark.parametrize(
    ("preset", "changes", "said"),
    [
        ("none", {}, "preset"),
        (None, {}, "preset"),
        (["quick"], {}, "preset"),
        ("quick", [], "object"),
        ("quick", {"data.dir": "/etc"}, "data.dir"),
        ("quick", {"data.real_range": [0, 1]}, "Range of real images"),
        ("quick", {"data.real_range": "0 to 2"}, "Range of real images"),
        ("quick", {"generator.channels": [4096] * 9}, "generator.channels"),
        ("quick", {"run.checkpoints": 1}, "run.checkpoints"),
        ("quick", {"training.device": "cuda"}, "training.device"),
        ("quick", {"x" * 5000: 1}, "not a field"),
        ("quick", {"objective.loss": "none"}, "Loss"),
        ("quick", {"objective.loss": 3}, "Loss"),
        ("quick", {"optimizer.g_lr": 0}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": 1e9}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": float("nan")}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": "much"}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": True}, "Learning rate of G"),
        ("quick", {"training.batch_size": 10**6}, "Batch size"),
        ("quick", {"training.batch_size": 10**400}, "Batch size"),
        ("quick", {"training.batch_size": 8.5}, "Batch size"),
        ("quick", {"training.total_nimg": 10**12}, "Length"),
        ("quick", {"training.d_steps": 1000}, "Steps of D"),
        ("quick", {"training.conditional": 1}, "Labels"),
        ("quick", {"generator.z_dim": 10**9}, "Length of z"),
        ("quick", {"data.name": "idx"}, "Data set"),
    ],
)
def test_chosen_config_refuses_a_value_by_its_title(preset, changes, said):
    with pytest.raises(ConfigError, match=said):
        chosen_config(preset, changes)


def test_chosen_config_refuses_values_that_do_not_work_together():
    with pytest.raises(ConfigError, match=r"discriminator\.norm"):
        chosen_config("quick", {"discriminator.norm": "batch"})


def test_run_stem_tells_a_cured_failure_from_a_failing_one():
    assert run_stem(presets.get("quick")) == "quick"
    for preset in describe()["presets"]:
        if preset["lesson"]:
            assert run_stem(presets.get(preset["name"])) == preset["name"]
            assert run_stem(chosen_config(**preset["lesson"]["start"])) == f"{preset['name']}-cured"


def test_chosen_config_reads_the_range_of_real_images():
    assert chosen_config("quick", {"data.real_range": "0 to 255"}).data.real_range == (0.0, 255.0)
    values = {preset["name"]: preset["values"]["data.real_range"] for preset in describe()["presets"]}
    assert (values["quick"], values["wrong-range"]) == ("-1 to 1", "0 to 255")


def test_chosen_config_changes_dependent_fields():
    config = chosen_config("quick", {"generator.norm": "none", "generator.family": "resnet", "data.name": "digits"})
    assert (config.generator.family, config.generator.channels) == ("resnet", WIDTHS["generator"]["resnet"])
    assert chosen_config("quick", {"training.total_nimg": 1000}).training.epochs is None

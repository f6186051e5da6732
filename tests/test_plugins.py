"""Plug-ins: registration, files and their errors, objects passed by a program."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from tests.support.plugins import HEAD, LOSS, write_plugin
from torch import nn

from mnist_gan import Config, load_plugin, presets
from mnist_gan.config import ObjectiveConfig, from_toml, to_toml
from mnist_gan.errors import ConfigError, PluginError
from mnist_gan.objectives import Objective
from mnist_gan.plugins import NO_PLUGIN, Objects, Plugin, PluginRecord, check_recorded, pass_objects
from mnist_gan.storage import sha256_bytes

MARGIN = Config(objective=ObjectiveConfig(loss="ideas.margin"))


def test_plugin_parts_have_full_names(tmp_path):
    plugin = load_plugin(write_plugin(tmp_path))
    assert plugin.names("loss") == ("ideas.margin",)
    assert plugin.names("generator") == plugin.names("discriminator") == ("ideas.dropped",)
    assert plugin.names("preset") == ("ideas.short",)
    recipe = plugin.presets["ideas.short"]
    assert (recipe.title, recipe.summary, recipe.minutes) == ("short", "A margin loss.", 0.1)
    assert recipe.make() == dataclasses.replace(MARGIN, preset="ideas.short")


def test_plugin_registrations_do_not_leak():
    """A config with a name of a plug-in is valid without it, and a plug-in changes no other."""
    assert from_toml(to_toml(MARGIN)) == MARGIN
    with pytest.raises(PluginError, match="of the plug-in ideas; name the plug-in's file with --plugin FILE"):
        NO_PLUGIN.build_objective(MARGIN.objective)
    with pytest.raises(ConfigError, match=r"must be one of minimax, .*, or the name of a plug-in's own"):
        ObjectiveConfig(loss="margin")


class Mean(nn.Module):
    def forward(self, images, labels):
        return images.flatten(1).mean(dim=1)


def test_plugin_builds_its_objective_with_a_weighted_regularizer(tmp_path):
    plugin = load_plugin(write_plugin(tmp_path))
    config = ObjectiveConfig(loss="ideas.margin", regularizer="ideas.drift", regularizer_weight=3.0)
    objective = plugin.build_objective(config)
    real, fake = torch.tensor([0.0, 2.0]), torch.tensor([0.0, -2.0])
    assert objective.discriminator_loss(real, fake).tolist() == [2.0, 0.0]
    assert objective.regularizer is not None
    images, mix = torch.ones(2, 1, 1, 1), torch.tensor([1.0, 2.0])
    assert objective.regularizer(Mean(), images, images, None, mix=mix).tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("def f(:\n", 10, "SyntaxError: invalid syntax"),
        ("import no_such_module\n", 10, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("\nraise ValueError('no\\nwonder')\n", 11, "ValueError: no wonder"),
        ("\nraise SystemExit\n", 11, "SystemExit"),
        (LOSS + LOSS, 21, "the name margin is taken by another loss of this plug-in; choose another name"),
        ("\nplugin.loss('hinge')\n", 11, "the name hinge is taken by a built-in loss; choose another name"),
        ("\nplugin.generator('dcgan')\n", 11, "the name dcgan is taken by a built-in generator; choose another name"),
        ("\nplugin.preset('quick')\n", 11, "the name quick is taken by a built-in preset; choose another name"),
        ("\nplugin.loss('a loss')\n", 11, "'a loss' cannot name a loss"),
        ("\nplugin.loss('mine')(7)\n", 11, "the loss ideas.mine is int; it must be a function or a class"),
        ("\nPlugin('python')\n", 11, "'python' cannot name a plug-in"),
    ],
)
def test_load_plugin_names_file_and_line_of_an_error(tmp_path, code, line, message):
    file = write_plugin(tmp_path, code)
    with pytest.raises(PluginError) as refused:
        load_plugin(file)
    assert str(refused.value).startswith(f"{file}, line {line}: {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("x = 1\n", "makes 0 Plugins"), (HEAD + "other = Plugin('o')", "makes 2 Plugins")],
)
def test_load_plugin_needs_a_file_with_one_plugin(tmp_path, content, message):
    file = tmp_path / "my ideas.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PluginError, match=message) as refused:
        load_plugin(file)
    assert str(file) in str(refused.value)


def test_plugin_preset_must_return_a_config(tmp_path):
    plugin = load_plugin(write_plugin(tmp_path, "\n@plugin.preset('x')\ndef x(): return 7\n"))
    with pytest.raises(PluginError, match=r"the preset ideas\.x made int; it must return a Config"):
        presets.get("ideas.x", recipes=plugin.presets)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            "ideas.margn",
            r"objective\.loss is ideas\.margn, and .*ideas\.py has no such loss; did you mean ideas\.margin\?",
        ),
        ("other.loss", r"ideas\.py is the plug-in ideas; name the file of other with --plugin FILE"),
        ("python.a.b", "an object that a Python program passed; pass it again from Python, with objective="),
    ],
)
def test_plugin_check_names_the_field_and_the_remedy(tmp_path, loss, message):
    plugin = load_plugin(write_plugin(tmp_path))
    with pytest.raises(PluginError, match=message):
        plugin.check(Config(objective=ObjectiveConfig(loss=loss)))


def test_plugin_is_recorded_only_for_a_config_that_names_a_part_of_it(tmp_path):
    file = write_plugin(tmp_path)
    plugin = load_plugin(file)
    record = PluginRecord(name="ideas", file="ideas.py", sha256=sha256_bytes(file.read_bytes()))
    assert plugin.record_for(MARGIN) == record
    assert plugin.record_for(Config()) is None
    assert PluginRecord.read(dataclasses.asdict(record)) == record
    assert PluginRecord.read(None) is None
    for damaged in ({"name": "ideas"}, 7, {"name": "ideas", "file": "\x1b[2J.py", "sha256": "0" * 64}):
        with pytest.raises(ValueError, match="damaged"):
            PluginRecord.read(damaged)


def test_check_recorded_names_the_first_difference(tmp_path):
    file, copy_at = write_plugin(tmp_path), tmp_path / "plugin.py"
    record = load_plugin(file).record_for(MARGIN)
    copy_at.write_bytes(file.read_bytes())

    def check(content=None, plugin=None):
        if content is not None:
            file.write_text(content)
        check_recorded(plugin or load_plugin(file), record, owner=tmp_path / "run", copy_at=copy_at)

    text = file.read_text()
    check()
    with pytest.raises(PluginError, match=r"run was made with the plug-in ideas\.py, .* --plugin ideas\.py"):
        check(plugin=NO_PLUGIN)
    with pytest.raises(
        PluginError, match=r"line 15 was .*relu\(1 - real\).* and is .*relu\(2 - real\).*\(1 line changed\)"
    ):
        check(text.replace("relu(1 - real)", "relu(2 - real)"))
    with pytest.raises(PluginError, match=r"line 10 was absent and is '# new' \(2 lines changed\)"):
        check(text.replace(HEAD, f"{HEAD}# new\n# lines\n"))
    copy_at.write_text(text.replace("1 -", "3 -"))
    with pytest.raises(PluginError, match="so does that of the copy, which was edited, too"):
        check(text + "\n")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)


def margin_loss(real, fake):
    return fake - real


def test_pass_objects_names_them_in_the_config_and_copies_networks():
    network, images = Tiny(), torch.zeros(14, 1, 4, 4, dtype=torch.uint8)
    objects = Objects(
        generator=network,
        objective=Objective(discriminator_loss=margin_loss, generator_loss=lambda fake, real: -fake),
        dataset=SimpleNamespace(images=images),
    )
    config, plugin = pass_objects(Config(), None, objects)
    assert config.plugin_parts == {
        "generator.family": f"python.{__name__}.Tiny",
        "objective.loss": f"python.{__name__}.margin_loss",
        "data.name": "python.types.SimpleNamespace",
    }
    assert from_toml(to_toml(config)) == config
    assert len(plugin.load_dataset(config.data).images) == 12
    copied = plugin._parts["generator"][config.generator.family](config.generator, None)
    assert copied is not network
    assert torch.equal(copied.layer.weight, network.layer.weight)
    assert NO_PLUGIN.names("generator") == ()


def test_pass_objects_keeps_the_parts_of_a_file(tmp_path):
    config, plugin = pass_objects(MARGIN, write_plugin(tmp_path), Objects(generator=Tiny()))
    assert plugin.names("generator") == ("ideas.dropped", f"python.{__name__}.Tiny")
    assert plugin.record_for(config) is not None


def test_plugin_located_names_the_line_of_its_own_errors_only(tmp_path):
    plugin = load_plugin(write_plugin(tmp_path, "\n@plugin.dataset('x')\ndef x(config):\n    return 1 / 0\n"))
    with pytest.raises(PluginError, match=r"ideas\.py, line 13: ZeroDivisionError: division by zero"), plugin.located():
        plugin.load_dataset(dataclasses.replace(Config().data, name="ideas.x"))
    with pytest.raises(ZeroDivisionError), plugin.located():
        1 / 0  # noqa: B018 - the error is the test


def test_plugin_of_a_name_that_cannot_be_one():
    with pytest.raises(PluginError, match="'my ideas' cannot name a plug-in"):
        Plugin("my ideas")

import dataclasses
import enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    RunConfig,
    TrainingConfig,
    all_settings,
    from_dict,
    from_toml,
    to_dict,
    to_toml,
)
from mnist_gan.errors import ConfigError

SECTIONS = {each.name: each.default_factory for each in dataclasses.fields(Config) if each.name != "preset"}


class Norm(enum.StrEnum):
    BATCH = "batch"


def make(name: str, value: Any) -> Any:
    """The value of a field of a config that is made in Python."""
    section, _, field = name.partition(".")
    return getattr(SECTIONS[section](**{field: value}), field)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "value", "converted"),
    [
        ("run.tick_nimg", 1e2, 100),
        ("training.seed", 1.0, 1),
        ("training.seed", np.int64(3), 3),
        ("training.total_nimg", np.float64(1e3), 1000),
        ("training.batch_size", torch.tensor(16), 16),
        ("training.conditional", np.True_, True),
        ("training.epochs", 2, 2.0),
        ("training.epochs", None, None),
        ("optimizer.g_lr", np.float32(0.5), 0.5),
        ("generator.channels", [8, 4.0], (8, 4)),
        ("generator.channels", np.array([8, 4]), (8, 4)),
        ("generator.norm", Norm.BATCH, "batch"),
        ("data.real_range", [0, 1], (0.0, 1.0)),
        ("data.dir", Path("a/b"), str(Path("a/b"))),
    ],
)
def test_config_converts_values_that_are_exact(name, value, converted):
    made = make(name, value)
    assert made == converted
    assert type(made) is type(converted)
    if isinstance(made, tuple):
        assert [type(item) for item in made] == [type(item) for item in converted]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("training.seed", 1.5, "training.seed is 1.5; it must be a whole number from 0 to 9,223,372,036,854,775,807"),
        ("training.seed", True, "training.seed is True; it must be a whole number"),
        ("training.seed", "1", "training.seed is '1'; it must be a whole number"),
        ("training.seed", -1, "training.seed is -1; it must be a whole number"),
        ("training.seed", float("inf"), "training.seed is inf; it must be a whole number"),
        ("training.total_nimg", 0, "it must be a whole number from 1 to 1,000,000,000,000, or None"),
        ("training.conditional", 1, "training.conditional is 1; it must be true or false"),
        ("training.conditional", "no", "training.conditional is 'no'; it must be true or false"),
        ("training.precision", "fp16", "training.precision is 'fp16'; it must be one of auto, float32, bfloat16"),
        ("training.device", None, "training.device is None; it must be one of auto, cpu, cuda, mps"),
        ("training.epochs", float("nan"), "it must be a finite number, more than 0 and at most 1,000,000, or None"),
        ("generator.norm", "layer", "generator.norm is 'layer'; it must be one of none, batch"),
        ("generator.family", "dcagn", "generator.family is 'dcagn'; it must be one of mlp, dcgan, resnet"),
        ("generator.channels", [], "it must be a list of 1 to 32 whole numbers from 1 to 65,536"),
        ("generator.channels", [8, 0.5], "generator.channels is [8, 0.5]; it must be a list of 1 to 32 whole numbers"),
        ("generator.channels", 8, "generator.channels is 8; it must be a list of 1 to 32 whole numbers"),
        ("generator.channels", "88", "generator.channels is '88'; it must be a list of 1 to 32 whole numbers"),
        ("objective.loss", "hnige", "objective.loss is 'hnige'; it must be one of minimax, non_saturating"),
        ("objective.label_smoothing", 0.5, "it must be a finite number, at least 0 and less than 0.5"),
        ("optimizer.g_lr", 0, "optimizer.g_lr is 0; it must be a finite number, more than 0"),
        ("optimizer.decay", "cosin", "optimizer.decay is 'cosin'; it must be one of constant, linear, cosine"),
        ("data.name", "fashion", "data.name is 'fashion'; it must be one of auto, mnist, digits"),
        ("data.dir", b"a", "data.dir is b'a'; it must be text or a path, or None"),
        ("data.dir", "a\0", "data.dir has a zero byte"),
        ("data.real_range", (1.0,), "it must be a list of 2 finite numbers from -1,000,000 to 1,000,000"),
        ("data.real_range", (1.0, 1.0), "data.real_range is (1.0, 1.0); the second number must be greater"),
    ],
)
def test_config_refuses_other_values_with_field_value_and_remedy(name, value, sentence):
    with pytest.raises(ConfigError) as error:
        make(name, value)
    assert sentence in str(error.value)
    section, _, field = name.partition(".")
    with pytest.raises(ConfigError) as error:  # by the other ways in
        dataclasses.replace(SECTIONS[section](), **{field: value})  # type: ignore[operator]
    assert sentence in str(error.value)
    if value is not None:
        with pytest.raises(ConfigError) as error:
            from_dict({section: {field: value}}, source="a.toml")
        assert str(error.value).startswith("a.toml: ")
        assert sentence in str(error.value)


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**64])
def test_config_refuses_integers_that_toml_cannot_hold(number):
    with pytest.raises(ConfigError, match=r"optimizer\.g_lr is -?\d+(\.\.\.)?; it must be"):
        from_dict({"optimizer": {"g_lr": number}})


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("generator", "z_dim", 10**9),
        ("generator", "channels", [10**9]),
        ("discriminator", "channels", [8] * 33),
        ("training", "batch_size", 10**9),
        ("training", "threads", 10**9),
        ("training", "epochs", 1e300),
        ("training", "ema_rampup", float("inf")),
        ("data", "real_range", [float("-inf"), float("inf")]),
    ],
)
def test_config_bounds_what_a_stranger_can_ask_for(table, field, value):
    with pytest.raises(ConfigError, match=field):
        from_dict({table: {field: value}})


@pytest.mark.parametrize(
    ("combination", "remedy"),
    [
        (lambda: DataConfig(name="idx"), "add --data.dir FOLDER"),
        (lambda: GeneratorConfig(family="resnet"), "set --generator.norm none, or --generator.family dcgan"),
        (lambda: GeneratorConfig(family="mlp", image_stride=2), "set --generator.image-stride 1"),
        (lambda: GeneratorConfig(channels=(8,)), "generator.channels is (8,); dcgan needs at least two widths"),
        (lambda: DiscriminatorConfig(family="resnet", norm="batch"), "set --discriminator.norm none or spectral"),
        (lambda: DiscriminatorConfig(family="mlp", image_stride=2), "set --discriminator.image-stride 1"),
        (lambda: GeneratorConfig(family="mlp", dense_width=8), "set --generator.dense-width 0"),
        (
            lambda: DiscriminatorConfig(family="resnet", image_stride=2, dense_width=8),
            "set --discriminator.image-stride 1 --discriminator.dense-width 0",
        ),
        (lambda: DiscriminatorConfig(dense_channels=8), "set --discriminator.dense-width or --discriminator.dense-ch"),
        (lambda: ObjectiveConfig(loss="hinge", label_smoothing=0.1), "set --objective.label-smoothing 0"),
        (lambda: TrainingConfig(total_nimg=None), "set --training.total-nimg, --training.epochs or --training.budget"),
        (lambda: RunConfig(evaluate=False, stop_on_plateau=True), "set --run.evaluate"),
        (
            lambda: Config(discriminator=DiscriminatorConfig(norm="batch"), objective=ObjectiveConfig(r1_gamma=1.0)),
            "set --discriminator.norm none or spectral, or turn the penalties off",
        ),
    ],
)
def test_config_refuses_combinations_that_cannot_work_with_the_remedy(combination, remedy):
    with pytest.raises(ConfigError) as error:
        combination()
    assert remedy in str(error.value)


def test_config_refuses_a_section_of_another_type():
    with pytest.raises(ConfigError, match=r"data is \{'name': 'mnist'\}; it must be an instance of DataConfig"):
        Config(data={"name": "mnist"})  # type: ignore[arg-type]


def test_config_replaced_field_is_converted_and_survives_toml():
    base = presets.quick()
    config = dataclasses.replace(base, run=dataclasses.replace(base.run, tick_nimg=1e2))  # type: ignore[arg-type]
    assert from_toml(to_toml(config)) == config


def test_to_dict_leaves_out_none_and_turns_tuples_into_lists():
    values = to_dict(Config())
    assert values["generator"]["channels"] == [64, 32, 16]
    assert "dir" not in values["data"]


def test_from_toml_keeps_defaults_of_fields_that_are_not_named():
    expected = dataclasses.replace(Config(), training=TrainingConfig(seed=7))
    assert from_toml("[training]\nseed = 7\n") == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no toml", "a.toml is not valid TOML"),
        (f"[training]\ntotal_nimg = {'9' * 5000}\n", "a.toml is not valid TOML"),
        ("[trainign]\n", "a.toml: unknown field trainign; the fields here are data, discriminator, generator"),
        ("[training]\nsede = 1\n", "a.toml: unknown field training.sede; the fields here are batch_size, budget"),
        ("training = 3\n", "a.toml: training is 3; it must be a table of fields"),
        (f'"{"x" * 5000}" = 1\n', "..."),
    ],
)
def test_from_toml_names_the_source_and_the_place(text, sentence):
    with pytest.raises(ConfigError) as error:
        from_toml(text, source="a.toml")
    assert sentence in str(error.value)
    assert len(str(error.value)) < 300


def test_settings_describe_every_field_in_sentences():
    fields = {
        f"{section}.{each.name}"
        for section, cls in SECTIONS.items()
        for each in dataclasses.fields(cls)  # type: ignore[arg-type]
    }
    assert set(all_settings()) == fields
    for each in all_settings().values():
        assert each.title
        assert each.help.endswith(".")
    assert len({each.title for each in all_settings().values()}) == len(fields)


def test_settings_accept_the_value_of_every_preset():
    for name in presets.PRESETS:
        config = presets.get(name)
        for dotted, each in all_settings().items():
            section, _, field = dotted.partition(".")
            value = getattr(getattr(config, section), field)
            assert each.read(value) == value


def test_loss_labels_name_every_loss():
    assert tuple(config_module.LOSS_LABELS) == all_settings()["objective.loss"].choices

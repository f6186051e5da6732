import dataclasses
import shlex

import pytest

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.cli import main
from mnist_gan.cli.commands.train import read_options, to_config
from mnist_gan.config import Config


def chosen(*arguments: str) -> Config:
    return to_config(read_options(arguments))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_alone_is_that_preset(name):
    assert chosen(name) == presets.get(name)


def test_quick_is_the_default():
    assert chosen() == presets.quick()


def test_every_value_of_every_type_lands_in_its_field():
    words = shlex.split(
        "--training.batch-size 32 --training.no-conditional --generator.channels 8 4 --data.real-range -0.5 1 "
        "--data.limit 100 --optimizer.g-lr=1e-3 --objective.loss hinge --data.dir /some/where --run.tick-nimg None"
    )
    base = presets.quick()
    assert chosen("quick", *words) == dataclasses.replace(
        base,
        training=dataclasses.replace(base.training, batch_size=32, conditional=False),
        generator=dataclasses.replace(base.generator, channels=(8, 4)),
        data=dataclasses.replace(base.data, real_range=(-0.5, 1.0), limit=100, dir="/some/where"),
        optimizer=dataclasses.replace(base.optimizer, g_lr=1e-3),
        objective=dataclasses.replace(base.objective, loss="hinge"),
    )


@pytest.mark.parametrize(
    ("choice", "tensorboard", "wandb"), [("tensorboard", True, False), ("wandb", True, True), ("none", False, False)]
)
def test_log_chooses_who_follows(choice, tensorboard, wandb):
    run = chosen("--log", choice).run
    assert (run.tensorboard, run.wandb) == (tensorboard, wandb)
    assert chosen("--run.wandb").run.wandb


def test_epochs_and_seed_have_short_names():
    config = chosen("--epochs", "2.5", "--seed", "7")
    assert (config.training.epochs, config.training.seed) == (2.5, 7)
    assert config == chosen("--training.epochs", "2.5", "--training.seed", "7")


def test_a_length_in_images_takes_the_place_of_one_in_epochs(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[training]\nepochs = 5.0\n")
    config = chosen("--config", str(file), "--training.total-nimg", "700")
    assert (config.training.total_nimg, config.training.epochs) == (700, None)


def test_a_printed_config_read_back_is_the_same_config(capsys, tmp_path):
    words = ["wgan-gp", "--seed", "3", "--generator.channels", "16", "8", "--data.limit", "500"]
    assert main(["train", *words, "--print-config"]) == 0
    printed = capsys.readouterr().out
    file = tmp_path / "config.toml"
    file.write_text(printed)
    assert chosen("--config", str(file)) == chosen(*words) == config_module.from_toml(printed)
    assert main(["train", "--config", str(file), "--print-config"]) == 0
    assert capsys.readouterr().out == printed


def test_an_option_changes_what_the_config_file_says(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(config_module.to_toml(presets.r3gan()))
    config = chosen("--config", str(file), "--seed", "9")
    expected = dataclasses.replace(presets.r3gan(), training=dataclasses.replace(presets.r3gan().training, seed=9))
    assert config == expected


def test_a_mistyped_preset_is_told_what_it_may_have_meant(capsys):
    assert "there is no preset 'quikc'; did you mean quick?" in refusal(capsys, "quikc")


def test_a_combination_that_cannot_work_says_what_to_set(capsys):
    message = refusal(capsys, "quick", "--discriminator.norm", "batch")
    assert "set --discriminator.norm none or spectral" in message


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--training.batch-size", "1"], "training.batch_size is 1; it must be a whole number from 2 to 1,048,576"),
        (
            ["--epochs", "-3"],
            "training.epochs is -3.0; it must be a finite number, more than 0 and at most 1,000,000, or None",
        ),
        (["--epochs", "nan"], "training.epochs is nan"),
        (["--epohcs", "3"], "there is no option --epohcs; did you mean --epochs?"),
        (["quick", "standard"], "'standard' is one word too many; train takes one preset"),
        (["--config", "/nowhere/config.toml"], "--config /nowhere/config.toml cannot be read: No such file"),
        (["--config"], "--config needs a path or None"),
        (["--preset", "quick"], "there is no option --preset"),
        (["--settings.preset", "quick"], "there is no option --settings.preset"),
    ],
)
def test_what_is_wrong_is_one_sentence(capsys, words, sentence):
    assert sentence in refusal(capsys, *words)


def test_a_preset_and_a_config_file_are_one_too_many(capsys, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("")
    assert f"both the preset quick and --config {file} are given" in refusal(capsys, "quick", "--config", str(file))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[training]\nepochs = 'x'\n", "training.epochs is 'x'; it must be a finite number"),
        (b"[trainign]\n", "unknown field trainign"),
        (b"no toml", "is not valid TOML"),
        (b"\xff\xfe\x00", "cannot be read: it is not text"),
    ],
)
def test_a_damaged_config_file_is_named(capsys, tmp_path, content, sentence):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    message = refusal(capsys, "--config", str(file))
    assert sentence in message
    assert str(file) in message


def test_the_switches_for_faults_and_plateaus_are_settings_of_the_run():
    run = chosen("--rollback", "--stop-on-plateau", "--run.evaluate").run
    assert (run.rollbacks, run.stop_on_plateau, run.evaluate) == (3, True, True)
    assert chosen("--rollback", "--run.rollbacks", "1").run.rollbacks == 1

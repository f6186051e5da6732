import dataclasses
import re
import shlex

import pytest
from PIL import Image
from tests.support.program import metric_rows, newest_weights

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.cli import main
from mnist_gan.cli.commands.train import read_options, to_config
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError


def chosen(*arguments: str) -> Config:
    return to_config(read_options(arguments))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("name", presets.PRESETS)
def test_train_options_of_a_preset_are_the_preset(name):
    assert chosen(name) == presets.get(name)


def test_train_options_default_to_quick():
    assert chosen() == presets.quick()


def test_train_options_set_fields_of_every_type():
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
def test_train_log_selects_the_loggers(choice, tensorboard, wandb):
    run = chosen("--log", choice).run
    assert (run.tensorboard, run.wandb) == (tensorboard, wandb)
    assert chosen("--run.wandb").run.wandb


def test_train_epochs_and_seed_are_short_for_fields():
    config = chosen("--epochs", "2.5", "--seed", "7")
    assert (config.training.epochs, config.training.seed) == (2.5, 7)
    assert config == chosen("--training.epochs", "2.5", "--training.seed", "7")


def test_train_total_nimg_replaces_epochs(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[training]\nepochs = 5.0\n")
    config = chosen("--config", str(file), "--training.total-nimg", "700")
    assert (config.training.total_nimg, config.training.epochs) == (700, None)


def test_train_budget_is_short_for_its_field_and_replaces_other_lengths(tmp_path):
    assert chosen("--budget", "5min") == chosen("--training.budget", "5min")
    assert chosen("flash").training.budget == "60s"
    training = chosen("flash", "--training.total-nimg", "700").training
    assert (training.total_nimg, training.budget) == (700, None)
    training = chosen("flash", "--epochs", "2").training
    assert (training.epochs, training.budget) == (2.0, None)
    file = tmp_path / "config.toml"
    file.write_text("[training]\nepochs = 5.0\n")
    training = chosen("--config", str(file), "--budget", "1h").training
    assert (training.epochs, training.budget) == (None, "1h")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", "5"], "training.budget is '5'; it must be a number and s, min or h"),
        (["--budget", "0s"], "training.budget is '0s'"),
        (["--budget", "1min", "--epochs", "2"], "both --epochs and --budget give the length"),
        (["--budget", "1min", "--training.total-nimg", "2"], "both --training.total-nimg and --budget"),
    ],
)
def test_train_refuses_a_wrong_budget(capsys, words, message):
    assert main(["train", *words, "--print-config"]) == 2
    assert message in capsys.readouterr().err


def test_train_print_config_round_trips(capsys, tmp_path):
    words = ["wgan-gp", "--seed", "3", "--generator.channels", "16", "8", "--data.limit", "500"]
    assert main(["train", *words, "--print-config"]) == 0
    printed = capsys.readouterr().out
    file = tmp_path / "config.toml"
    file.write_text(printed)
    assert chosen("--config", str(file)) == chosen(*words) == config_module.from_toml(printed)
    assert main(["train", "--config", str(file), "--print-config"]) == 0
    assert capsys.readouterr().out == printed


def test_train_options_override_the_config_file(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(config_module.to_toml(presets.r3gan()))
    config = chosen("--config", str(file), "--seed", "9")
    expected = dataclasses.replace(presets.r3gan(), training=dataclasses.replace(presets.r3gan().training, seed=9))
    assert config == expected


def test_train_suggests_a_preset_for_a_mistyped_one(capsys):
    assert "there is no preset 'quikc'; did you mean quick?" in refusal(capsys, "quikc")


def test_train_refuses_a_combination_and_names_the_fix(capsys):
    message = refusal(capsys, "quick", "--discriminator.norm", "batch")
    assert "set --discriminator.norm none or spectral" in message


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--training.batch-size", "1"], "training.batch_size is 1; it must be a whole number from 2 to 65,536"),
        (
            ["--epochs", "-3"],
            "training.epochs is -3.0; it must be a finite number, more than 0 and at most 1,000,000, or None",
        ),
        (["--epochs", "nan"], "training.epochs is nan"),
        (["--epohcs", "3"], "unknown option --epohcs; did you mean --epochs?"),
        (["quick", "standard"], "unexpected argument 'standard'; train takes one preset"),
        (["--config", "/nowhere/config.toml"], "--config /nowhere/config.toml cannot be read: No such file"),
        (["--config"], "--config needs a path or None"),
        (["--preset", "quick"], "unknown option --preset"),
        (["--settings.preset", "quick"], "unknown option --settings.preset"),
    ],
)
def test_train_reports_a_mistake_in_one_sentence(capsys, words, sentence):
    assert sentence in refusal(capsys, *words)


def test_train_refuses_a_preset_with_a_config_file(capsys, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("")
    assert f"both the preset quick and --config {file} are given" in refusal(capsys, "quick", "--config", str(file))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_train_reads_a_config_file_saved_by_powershell(tmp_path, encoding):
    text = config_module.to_toml(presets.get("hinge-sn")).replace("\n", "\r\n")
    (tmp_path / "config.toml").write_bytes(text.encode(encoding))
    assert to_config(read_options(["--config", str(tmp_path / "config.toml")])) == presets.get("hinge-sn")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[training]\nepochs = 'x'\n", "training.epochs is 'x'; it must be a finite number"),
        (b"[trainign]\n", "unknown field trainign"),
        (b"no toml", "is not valid TOML"),
        (b"\xff\xfe\x00", "cannot be read: it is not a text file"),
    ],
)
def test_train_names_a_damaged_config_file(capsys, tmp_path, content, sentence):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    message = refusal(capsys, "--config", str(file))
    assert sentence in message
    assert str(file) in message


def test_train_rollback_and_stop_on_plateau_set_fields_of_the_run():
    run = chosen("--rollback", "--stop-on-plateau", "--run.evaluate").run
    assert (run.rollbacks, run.stop_on_plateau, run.evaluate) == (3, True, True)
    assert chosen("--rollback", "--run.rollbacks", "1").run.rollbacks == 1


def test_train_prints_the_files_of_the_run_and_what_to_do_next(workdir, train_small, capsys):
    assert main([*train_small, "--epochs", "1", "--name", "first"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Done: runs/first (400 images seen;")
    assert "samples   runs/first/samples/epoch-0001.png" in captured.out
    assert "model     runs/first/model" in captured.out
    _, _, commands = captured.out.partition("What next:\n")
    assert len(commands.splitlines()) == 3
    assert "sample --run runs/first --out digits.png" in commands
    assert "the run is runs/first" in captured.err
    assert "epoch 1.0/1.0" in captured.err
    assert "D is right on real" in captured.err
    for named in ("samples/epoch-0000.png", "samples/epoch-0001.png", "model/manifest.json", "config.toml"):
        assert (workdir / "runs" / "first" / named).is_file()


def test_train_ends_with_an_animation_and_curves(trained_run):
    for name in ("training.gif", "training.webp"):
        with Image.open(trained_run / name) as animation:
            assert getattr(animation, "n_frames", 1) == 3
    with Image.open(trained_run / "curves.png") as picture:
        assert picture.width > 400


def test_train_names_commands_that_work(workdir, train_small, capsys):
    assert main([*train_small, "--training.conditional", "--epochs", "1", "--name", "first"]) == 0
    _, _, commands = capsys.readouterr().out.partition("What next:\n")
    named = commands.splitlines()[0].split("#")[0].split()
    assert main(named[named.index("sample") :]) == 0
    assert (workdir / "digits.png").is_file()


def test_train_does_not_overwrite_a_run(workdir, train_small, capsys):
    assert main([*train_small, "--epochs", "1", "--name", "first"]) == 0
    before = newest_weights(workdir / "runs" / "first")
    assert main([*train_small, "--epochs", "1", "--name", "first", "--seed", "1"]) == 2
    assert "runs/first exists and is not overwritten" in capsys.readouterr().err
    assert newest_weights(workdir / "runs" / "first") == before


def test_train_repeats_a_run_from_its_config(workdir, train_small):
    assert main([*train_small, "--epochs", "2", "--name", "first"]) == 0
    assert main(["train", "--config", "runs/first/config.toml", "--name", "again"]) == 0
    first, again = workdir / "runs" / "first", workdir / "runs" / "again"
    assert metric_rows(first) == metric_rows(again)
    assert newest_weights(first) == newest_weights(again)
    assert (first / "config.toml").read_text() == (again / "config.toml").read_text()


def test_train_dry_run_predicts_and_writes_nothing(workdir, train_small, capsys, monkeypatch):
    from mnist_gan import experiment

    whole = experiment.dry_run
    monkeypatch.setattr(experiment, "dry_run", lambda config, **options: whole(config, **options, seconds=0.2))
    assert main([*train_small, "--epochs", "1000", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "images/s on cpu" in output
    assert "400,000 images in about" in output
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--data.dir", "nowhere"], 3, "nowhere"),
        (["--data.name", "idx"], 2, "--data.dir"),
        (["--name", "../out", "--data.name", "digits"], 2, "cannot name a run"),
    ],
)
def test_train_reports_a_training_that_cannot_start(workdir, capsys, words, code, sentence):
    assert main(["train", *words]) == code
    message = capsys.readouterr().err
    assert sentence in message
    assert "Traceback" not in message


def test_train_reports_the_step_of_a_divergence(workdir, train_small, capsys):
    words = ["--optimizer.g-lr", "1e30", "--optimizer.d-lr", "1e30", "--objective.loss", "wasserstein"]
    assert main([*train_small, *words, "--epochs", "5", "--name", "wild"]) == 5
    assert re.search(r"step \d+ .*a loss or score is not finite; lower the learning rates", capsys.readouterr().err)
    assert (workdir / "runs" / "wild" / "checkpoints" / "nimg-0000000000" / "manifest.json").is_file()


def test_train_refuses_two_lengths():
    with pytest.raises(ConfigError, match=r"both --training\.total-nimg and --epochs give the length; leave one out"):
        read_options(["quick", "--epochs", "2", "--training.total-nimg", "1000"])
    assert read_options(["quick", "--training.total-nimg", "1000"]).settings.training.total_nimg == 1000

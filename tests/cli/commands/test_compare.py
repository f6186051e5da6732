from __future__ import annotations

import dataclasses
import json

import pytest
from PIL import Image

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.cli import main
from mnist_gan.cli.commands.compare import describe_setting, distinct_names
from mnist_gan.runs.comparison import best_metrics, compare, differences
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory
from mnist_gan.runs.evaluations import add_evaluations
from mnist_gan.storage import write_committed_directory


def write_run(root, *, g_lr=2e-3, scale=1.0, rows=6):
    run = RunDirectory(root)
    config = presets.quick()
    config = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, g_lr=g_lr))
    root.mkdir(parents=True)
    run.config.write_text(config_module.to_toml(config))
    lines = [
        {
            "cur_nimg": 100 * k,
            "step": k,
            "epoch": k / 2,
            "Loss/G/loss": scale / k,
            "Loss/D/loss": 1.0,
            "Timing/img_per_sec": 100.0 * k,
            "Timing/train_sec": 2.0,
            "Metric/fd2k_mnistnet": scale * abs(k - 4) + 1,
            "Metric/agreement": 0.1 * k,
        }
        for k in range(1, rows + 1)
    ]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return write_run(tmp_path / "runs" / "one"), write_run(tmp_path / "runs" / "two", g_lr=1e-4, scale=2.0)


def test_figures_last_and_best(two):
    first, second = compare(*two).runs
    assert first.img_per_sec == 350
    assert first.train_sec == 12
    assert dataclasses.astuple(first.best["fd2k_mnistnet"]) == (1.0, 400)
    assert dataclasses.astuple(first.best["agreement"]) == (pytest.approx(0.6), 600)
    assert second.status.latest["Metric/fd2k_mnistnet"] == 5.0


def test_only_settings_that_differ_are_named(two):
    assert compare(*two).differences == {"optimizer.g_lr": (2e-3, 1e-4)}
    assert differences([{"a": 1}, {"a": 1, "b": 2}]) == {"b": (None, 2)}


def test_a_metric_without_a_better_and_a_worse_has_no_best():
    assert best_metrics([{"cur_nimg": 1, "Metric/diversity": 1.0}, {"cur_nimg": 2, "Loss/G/loss": 0.0}]) == {}


def test_final_figures_are_those_of_the_model_that_is_there(two):
    run = two[0]
    write_committed_directory(run.model, {GENERATOR_NAME: b"weights"})
    digest = "9a2e1fd0a5c9a4ef4c5bf0e7d0b6b4a3"
    row = {"sha256": digest, "data": "mnist", "protocol": "fd10k", "seed": 0, "judge": "mnistnet", "judge_sha256": "x"}
    add_evaluations(run.root / "metrics-fd10k.jsonl", [row | {"Metric/fd10k_mnistnet": 9.0}])
    assert compare(*two).runs[0].evaluations == {}, "of an earlier model"
    from mnist_gan.storage import sha256_bytes

    row["sha256"] = sha256_bytes(b"weights")
    add_evaluations(run.root / "metrics-fd10k.jsonl", [row | {"Metric/fd10k_mnistnet": 0.5}])
    assert compare(*two).runs[0].evaluations == {"fd10k_mnistnet": 0.5}


def test_compare_prints_a_column_per_run_that_fits(two, capsys, tmp_path):
    assert main(["compare", "one", "two"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["one", "two"]
    assert ["fd2k_mnistnet,", "best", "1", "at", "400", "1", "at", "400"] in lines
    assert ["optimizer.g_lr", "0.002", "0.0001"] in lines
    assert "comparison.png: their curves" in out
    assert max(map(len, out.splitlines())) <= 80
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.format == "PNG"


def test_compare_json_has_all_figures(two, capsys):
    assert main(["compare", "one", "two", "--json", "--out", "x.png"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["label"] for run in found["runs"]] == ["one", "two"]
    assert found["runs"][1]["best"]["fd2k_mnistnet"] == {"value": 1.0, "cur_nimg": 400}
    assert found["differences"] == {"optimizer.g_lr": {"one": 0.002, "two": 0.0001}}
    assert found["picture"] == "x.png"


def test_compare_reports_equal_settings(two, capsys):
    assert main(["compare", "one", "one"]) == 0
    assert "all settings are the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["one"], 2, "compare needs two or more runs, and 1 was named"),
        ([], 2, "two or more runs, and none was named"),
        (["one", "three"], 4, "there is no run three"),
        (["one", "two", "--out", "x.jpg"], 2, "must end in .png"),
        (["one", "empty"], 4, "empty"),
    ],
)
def test_compare_reports_a_mistake_in_one_sentence(two, tmp_path, capsys, words, code, sentence):
    (tmp_path / "runs" / "empty").mkdir()
    assert main(["compare", *words]) == code
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_distinct_names_tell_runs_of_one_name_apart():
    assert distinct_names([("a", "x/a"), ("b", "x/b")]) == ["a", "b"]
    assert distinct_names([("a", "x/a"), ("a", "y/a")]) == ["x/a", "y/a"]
    assert distinct_names([("a", "x/a"), ("a", "x/a")]) == ["x/a (1)", "x/a (2)"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (True, "true"), (0.002, "0.002"), ([64, 32], "64 32"), (3, "3"), ("mlp", "mlp")]
)
def test_describe_setting_writes_a_setting_as_on_the_command_line(value, text):
    assert describe_setting(value) == text

from __future__ import annotations

import json

import pytest
from PIL import Image
from tests.support.run_files import write_run

from mnist_gan.cli import main
from mnist_gan.cli.commands.compare import describe_setting, distinct_names


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return write_run(tmp_path / "runs" / "one"), write_run(tmp_path / "runs" / "two", g_lr=1e-4, scale=2.0)


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


def test_compare_says_that_distances_to_different_data_are_not_comparable(two, capsys):
    assert main(["compare", "one", "two"]) == 0
    assert "not comparable" not in capsys.readouterr().out
    config = two[0].config.read_text()
    two[0].config.write_text(config.replace("[data]\n", "[data]\nlimit = 100\n"))
    assert main(["compare", "one", "two"]) == 0
    assert "the runs learned different data: distances between them are not comparable" in capsys.readouterr().out


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

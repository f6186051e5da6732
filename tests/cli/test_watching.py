"""`runs`, `plot-checkpoint`, `curves` and `animate`: what they make of a run, and what they say where there is none."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mnist_gan import storage
from mnist_gan.cli import main, window

NEW_EPOCH = "samples/epoch-0002.png"


def frame_count(path: Path) -> int:
    with Image.open(path) as animation:
        return int(getattr(animation, "n_frames", 1))


def test_a_finished_run_has_its_pictures(trained_run):
    assert frame_count(trained_run / "training.gif") == 3
    assert frame_count(trained_run / "training.webp") == 3
    with Image.open(trained_run / "curves.png") as picture:
        assert picture.width > 400


def test_animate_takes_the_newest_run_and_names_it(place, capsys):
    (place / "runs" / "tiny" / "training.gif").unlink()
    assert main(["animate"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("runs/tiny/training.gif: the samples of runs/tiny (")
    assert second.startswith("runs/tiny/training.webp")
    assert (place / "runs" / "tiny" / "training.gif").exists()


def test_animate_writes_where_it_is_told_as_many_frames_as_it_is_told(place):
    assert main(["animate", "tiny", "--out", "a.gif", "--frames", "2"]) == 0
    assert frame_count(Path("a.gif")) == 2


def test_curves_of_one_run_and_of_several(place, capsys):
    assert main(["curves", "runs/tiny", "--out", "one.png"]) == 0
    assert main(["curves", "tiny", "runs/tiny", "--out", "two.png"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "two.png: the curves of runs/tiny, runs/tiny"
    assert Path("one.png").read_bytes() != Path("two.png").read_bytes()


def test_plot_checkpoint_shows_the_newest_grid_in_a_window_where_there_is_a_screen(place, capsys, monkeypatch):
    opened: list[Path] = []
    monkeypatch.setattr(window, "show", lambda path: not opened.append(path))  # type: ignore[func-returns-value]
    assert main(["plot-checkpoint"]) == 0
    assert capsys.readouterr() == (f"runs/tiny/{NEW_EPOCH}: epoch 2 of runs/tiny\n", "")
    assert opened == [Path("runs/tiny") / NEW_EPOCH]
    assert main(["plot-checkpoint", "--no-window"]) == 0
    assert len(opened) == 1


def test_plot_checkpoint_copies_the_grid_of_an_epoch_and_says_that_there_is_no_screen(place, capsys):
    assert main(["plot-checkpoint", "tiny", "--epoch", "0", "--out", "start.png"]) == 0
    assert Path("start.png").read_bytes() == Path("runs/tiny/samples/epoch-0000.png").read_bytes()
    assert "no window is opened" in capsys.readouterr().err


def test_runs_are_a_table_and_json(place, capsys):
    (place / "runs" / "broken").mkdir()
    (place / "runs" / "broken" / "config.toml").write_text("nonsense")
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    rows = captured.out.splitlines()
    assert rows[0].split()[:4] == ["run", "state", "preset", "data"]
    assert any(row.split()[:5] == ["tiny", "finished", "custom", "idx", "200"] for row in rows)
    assert any(row.split()[:2] == ["broken", "damaged"] for row in rows)
    assert "config.toml is not valid TOML" in captured.err
    assert main(["runs", "--json"]) == 0
    runs = {run["name"]: run for run in json.loads(capsys.readouterr().out)}
    assert (runs["tiny"]["cur_nimg"], runs["tiny"]["total_nimg"], runs["tiny"]["has_model"]) == (200, 200, True)
    assert runs["tiny"]["latest"]["Loss/G/loss"] > 0


def test_a_run_that_a_process_holds_is_in_training(place, capsys):
    with storage.exclusive_lock(place / "runs" / "tiny" / ".lock", busy=""):
        main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "training"


def test_no_runs_is_an_empty_list(place, capsys):
    assert main(["runs", "--runs-dir", "elsewhere"]) == 0
    assert capsys.readouterr() == ("", "there is no run in elsewhere; make one with `mnist-gan train quick`\n")
    assert main(["runs", "--runs-dir", "elsewhere", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("width", [40, 80])
def test_runs_fit_the_terminal(place, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert any("200 (100%)" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["animate", "nowhere"], 4, "there is no run nowhere, neither as a path nor in runs"),
        (["curves", "nowhere"], 4, "there is no run nowhere"),
        (["plot-checkpoint", "config.toml"], 4, "there is no run config.toml"),
        (["animate", "--runs-dir", "empty"], 4, "there is no run with sample grids in empty"),
        (["curves", "--runs-dir", "empty"], 4, "there is no run with metrics in empty"),
        (["animate", "empty"], 4, "has no sample grids"),
        (["curves", "empty"], 4, "is this the folder of a run that has begun to train?"),
        (["animate", "--out", "a.mp4"], 2, "end its name in .gif or .webp"),
        (["animate", "--frames", "0"], 2, "--frames is 0"),
        (["animate", "tiny", "tiny"], 2, "'tiny' is one word too many"),
        (["curves", "--out", "a.pdf"], 2, "must end in .png"),
        (["plot-checkpoint", "--out", "a.jpg"], 2, "must end in .png"),
        (["plot-checkpoint", "--epoch", "7"], 2, "it has those of epochs 0 to 2"),
        (["plot-checkpoint", "--epoch", "x"], 2, "--epoch is 'x'"),
        (["runs", "--runs-dir", "a-file"], 2, "a-file is no folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(place, capsys, words, code, sentence):
    (place / "empty").mkdir()
    (place / "a-file").write_text("")
    assert main(words) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""

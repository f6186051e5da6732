from pathlib import Path

import pytest

from mnist_gan.cli import main, window

NEWEST = Path("runs/tiny/samples/epoch-0002.png")


def test_plot_checkpoint_opens_the_newest_grid_in_a_window(place, capsys, monkeypatch):
    opened: list[Path] = []
    monkeypatch.setattr(window, "show", lambda path: not opened.append(path))  # type: ignore[func-returns-value]
    assert main(["plot-checkpoint"]) == 0
    assert capsys.readouterr() == (f"{NEWEST}: epoch 2 of runs/tiny\n", "")
    assert opened == [NEWEST]
    assert main(["plot-checkpoint", "--no-window"]) == 0
    assert len(opened) == 1


def test_plot_checkpoint_copies_a_grid_and_reports_a_missing_display(place, capsys):
    assert main(["plot-checkpoint", "tiny", "--epoch", "0", "--out", "start.png"]) == 0
    assert Path("start.png").read_bytes() == Path("runs/tiny/samples/epoch-0000.png").read_bytes()
    assert "there is no display" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["config.toml"], 4, "there is no run config.toml"),
        (["--out", "a.jpg"], 2, "must end in .png"),
        (["--epoch", "7"], 2, "its grids are of epochs 0 to 2"),
        (["--epoch", "x"], 2, "--epoch is 'x'"),
    ],
)
def test_plot_checkpoint_reports_a_mistake_in_one_sentence(place, capsys, words, code, sentence):
    assert main(["plot-checkpoint", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""

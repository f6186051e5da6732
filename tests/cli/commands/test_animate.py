from pathlib import Path

import pytest
from PIL import Image

from mnist_gan.cli import main


def frame_count(path: Path) -> int:
    with Image.open(path) as animation:
        return int(getattr(animation, "n_frames", 1))


def test_animate_takes_the_newest_run_and_names_it(place, capsys):
    (place / "runs" / "tiny" / "training.gif").unlink()
    assert main(["animate"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("runs/tiny/training.gif: samples of runs/tiny (")
    assert second.startswith("runs/tiny/training.webp")
    assert frame_count(place / "runs" / "tiny" / "training.gif") == 3


def test_animate_writes_a_given_file_with_a_given_number_of_frames(place):
    assert main(["animate", "tiny", "--out", "a.gif", "--frames", "2"]) == 0
    assert frame_count(Path("a.gif")) == 2


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 4, "there is no run nowhere, neither as a path nor in runs"),
        (["--runs-dir", "empty"], 4, "there is no run with sample grids in empty"),
        (["empty"], 4, "has no sample grids"),
        (["--out", "a.mp4"], 2, "end its name in .gif or .webp"),
        (["--frames", "0"], 2, "--frames is 0"),
        (["tiny", "tiny"], 2, "unexpected argument 'tiny'"),
    ],
)
def test_animate_reports_a_mistake_in_one_sentence(place, capsys, words, code, sentence):
    (place / "empty").mkdir()
    assert main(["animate", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""

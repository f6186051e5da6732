import json
from pathlib import Path

import pytest
from tests.support.run_files import write_run

from mnist_gan.cli import main, window


def test_curves_of_one_run_and_of_several_are_different_pictures(place, capsys):
    assert main(["curves", "runs/tiny", "--out", "one.png"]) == 0
    assert main(["curves", "tiny", "runs/tiny", "--out", "two.png"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "two.png: the curves of runs/tiny, runs/tiny"
    assert Path("one.png").read_bytes() != Path("two.png").read_bytes()


def test_curves_of_the_newest_run_lie_in_its_folder_and_open_on_request(place, capsys, monkeypatch):
    opened: list[Path] = []
    monkeypatch.setattr(window, "show", lambda path: not opened.append(path))  # type: ignore[func-returns-value]
    assert main(["curves"]) == 0
    assert capsys.readouterr().out == "runs/tiny/curves.png: the curves of runs/tiny\n"
    assert opened == []
    assert main(["curves", "--show"]) == 0
    assert opened == [Path("runs/tiny/curves.png")]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 4, "there is no run nowhere"),
        (["--runs-dir", "empty"], 4, "there is no run with metrics in empty"),
        (["empty"], 4, "is this the folder of a run that has begun to train?"),
        (["--out", "a.pdf"], 2, "must end in .png"),
    ],
)
def test_curves_reports_a_mistake_in_one_sentence(place, capsys, words, code, sentence):
    (place / "empty").mkdir()
    assert main(["curves", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_curves_of_one_run_keep_the_line_of_real_images(place, monkeypatch):
    run = write_run(place / "runs" / "judged")
    run.live.mkdir()
    run.live_status.write_text(json.dumps({"state": "finished", "floor": 0.25}))
    drawn: list[dict[str, float]] = []
    monkeypatch.setattr("mnist_gan.artifacts.curves.save_curves", lambda *_, floors, **__: drawn.append(floors))
    assert main(["curves", "judged"]) == 0
    assert drawn == [{"Metric/fd2k_mnistnet": 0.25}]

import sys

import pytest
from tests.support.gans import tiny_gan

from mnist_gan.cli import main


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A working folder with the runs `tiny` and `stacked`, whose images have two channels."""
    monkeypatch.chdir(tmp_path)
    for name, channels in (("stacked", 2), ("tiny", 1)):
        run = tmp_path / "runs" / name
        tiny_gan(channels=channels).save(run / "model")
        (run / "config.toml").write_text("")
    return tmp_path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_export_writes_a_page_named_after_the_run(runs, capsys):
    assert main(["export", "tiny", "--to", "html"]) == 0
    assert capsys.readouterr().out.startswith("tiny.html: tiny, for any browser")
    assert files(runs) == ["runs", "tiny.html"]
    assert main(["export", "tiny", "--to", "html"]) == 2
    assert capsys.readouterr().err == "mnist-gan: tiny.html exists; choose another name or remove it\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiny"], 2, "--to is missing; add --to onnx"),
        (["nosuch", "--to", "html"], 4, "there is no run nosuch"),
        (["tiny", "--to", "html", "--out", "x.txt"], 2, "must end in .html"),
        (["tiny", "--to", "html", "--dtype", "float16"], 2, "--to html takes no --dtype"),
        (["tiny", "--to", "onnx", "--private"], 2, "--to onnx takes no --private"),
        (["tiny", "--to", "hub"], 2, "add --out hf://USER/NAME"),
        (["tiny", "--to", "torch", "--out", "runs"], 2, "runs exists and is not an empty folder"),
        (["tiny", "--to", "html", "--out", "runs/tiny/config.toml/x.html"], 74, "cannot write"),
        (["stacked", "--to", "html"], 2, "a page shows images of 1 or 3 channels, and this model draws 2"),
    ],
)
def test_export_refuses_with_one_sentence_and_writes_nothing(runs, capsys, arguments, code, message):
    before = files(runs)
    assert main(["export", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert files(runs) == before


def test_export_without_the_extra_names_it(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "tiny", "--to", "onnx"]) == 2
    assert "pip install 'mnist-gan[onnx]'" in capsys.readouterr().err
    assert files(runs) == ["runs"]

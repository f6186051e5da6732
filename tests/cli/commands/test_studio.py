import pytest

from mnist_gan.cli import main


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["none"], 4, "there is no run none"),
        (["."], 4, "is not a run"),
        (["a", "b"], 2, "unexpected argument 'b'"),
        (["--port", "70000"], 2, "--port is 70000; it must be from 0 (any free port) to 65535"),
        (["--trainings", "0"], 2, "--trainings is 0; it must be from 1 to 16"),
        (["--runs-dir", "file"], 2, "--runs-dir file is not a folder"),
        (["--host", "192.168.0.1"], 2, "add --allow-remote"),
    ],
)
def test_studio_reports_a_mistake_in_one_sentence(workdir, capsys, words, code, sentence):
    (workdir / "file").write_text("")
    assert main(["studio", "--no-browser", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""

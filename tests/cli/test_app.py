import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mnist_gan import errors
from mnist_gan.cli import commands, main
from mnist_gan.cli.stopping import Terminated


@pytest.fixture
def failing(monkeypatch):
    """Lets `mnist-gan fail` raise what the test chooses."""

    def install(error: BaseException) -> None:
        def fail(arguments: list[str]) -> int:
            raise error

        module = types.ModuleType("fail")
        module.main = fail  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mnist_gan.cli.commands.fail", module)
        monkeypatch.setattr(commands, "GROUPS", {"Test": (commands.Command("fail", "fails"),)})

    return install


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (errors.ConfigError("epochs is -1"), 2, "epochs is -1"),
        (errors.DataError("no images"), 3, "no images"),
        (errors.ArtifactError("no model"), 4, "no model"),
        (errors.DivergenceError("not finite"), 5, "not finite"),
        (errors.StorageError("disk full"), 74, "disk full"),
        (errors.RunBusyError("in use"), 74, "in use"),
        (PermissionError(13, "Permission denied", "/some/file"), 74, "/some/file: Permission denied"),
        (OSError("strange"), 74, "strange"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(), 75, "terminated"),
        (MemoryError(), 1, "out of memory; a smaller --training.batch-size needs less"),
        (RuntimeError("can't allocate memory"), 1, "out of memory; a smaller --training.batch-size needs less"),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_code(failing, capsys, error, code, sentence):
    failing(error)
    assert main(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.err == f"mnist-gan: {sentence}\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["fail", "--debug"], ["--debug", "fail"]])
def test_debug_shows_the_traceback_too(failing, capsys, arguments):
    failing(errors.DataError("no images"))
    assert main(arguments) == 3
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert message.endswith("mnist-gan: no images\n")


def test_a_defect_of_the_program_is_not_hidden(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("Sample", "sample"), ("resme", "resume")])
def test_a_mistyped_command_is_told_what_it_may_have_meant(capsys, typed, meant):
    assert main([typed]) == 2
    message = capsys.readouterr().err
    assert f"there is no command '{typed}'; did you mean {meant}?" in message
    assert message.count("\n") == 1


def test_a_word_that_is_like_nothing_gets_no_guess(capsys):
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "mnist-gan: there is no command 'xyzzy'; `mnist-gan --help` lists them\n"


def test_an_option_in_place_of_a_command(capsys):
    assert main(["--versoin"]) == 2
    assert "there is no option '--versoin'; did you mean --version?" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error_message():
    command = f"{sys.executable} -m mnist_gan train --help | head -n 1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("usage: mnist-gan train")
    assert result.stderr == ""


def test_a_full_disk_under_the_output_is_one_sentence():
    full_disk = Path("/dev/full")
    if not full_disk.exists():
        pytest.skip("no /dev/full here")
    with full_disk.open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "mnist_gan", "train", "--print-config"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 74
    assert result.stderr == "mnist-gan: No space left on device\n"


def test_an_encoding_without_the_characters_is_no_error():
    result = subprocess.run(
        [sys.executable, "-m", "mnist_gan", "train", "--print-config", "--data.dir", "größe"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert rb'dir = "gr\xf6\xdfe"' in result.stdout

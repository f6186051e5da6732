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
        (MemoryError(), 1, "out of memory; try a smaller --training.batch-size"),
        (RuntimeError("can't allocate memory"), 1, "out of memory; try a smaller --training.batch-size"),
    ],
)
def test_main_turns_an_error_into_a_sentence_and_an_exit_code(failing, capsys, error, code, sentence):
    failing(error)
    assert main(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.err == f"mnist-gan: {sentence}\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["fail", "--debug"], ["--debug", "fail"]])
def test_main_debug_adds_the_traceback(failing, capsys, arguments):
    failing(errors.DataError("no images"))
    assert main(arguments) == 3
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert message.endswith("mnist-gan: no images\n")


def test_main_does_not_hide_a_bug(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("Sample", "sample"), ("resme", "resume")])
def test_main_suggests_a_command_for_a_mistyped_one(capsys, typed, meant):
    assert main([typed]) == 2
    message = capsys.readouterr().err
    assert f"unknown command '{typed}'; did you mean {meant}?" in message
    assert message.count("\n") == 1


def test_main_suggests_nothing_for_a_command_unlike_any_other(capsys):
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "mnist-gan: unknown command 'xyzzy'; `mnist-gan --help` lists them\n"


def test_main_suggests_an_option_for_a_mistyped_one(capsys):
    assert main(["--versoin"]) == 2
    assert "unknown option '--versoin'; did you mean --version?" in capsys.readouterr().err


def test_main_ends_quietly_when_the_pipe_closes():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mnist_gan", "train", "--help"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.stderr, result.returncode) == ("", 74)


def test_main_reports_a_full_disk_in_one_sentence():
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


def test_main_escapes_characters_that_the_encoding_lacks():
    result = subprocess.run(
        [sys.executable, "-m", "mnist_gan", "train", "--print-config", "--data.dir", "größe"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert rb'dir = "gr\xf6\xdfe"' in result.stdout


@pytest.mark.parametrize("arguments", ["--help", "train --help", "train --print-config", "runs", "nonsense"])
def test_main_works_without_standard_output_and_error(tmp_path, arguments):
    command = f"exec {sys.executable} -m mnist_gan {arguments} >&- 2>&-"
    result = subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False)
    assert result.returncode == (2 if arguments == "nonsense" else 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["studio"], "studio runs in one process; start it without torchrun"),
        (["train", "--dry-run"], "--dry-run measures one process; start it without torchrun"),
    ],
)
@pytest.mark.parametrize(("rank", "printed"), [("0", True), ("1", False)])
def test_command_for_one_process_refuses_torchrun_once(monkeypatch, capsys, arguments, sentence, rank, printed):
    variables = {"WORLD_SIZE": "2", "RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == errors.EXIT_USAGE
    assert capsys.readouterr().err == printed * f"mnist-gan: {sentence}\n"


def test_train_names_the_missing_variables_of_torchrun(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "--dry-run"]) == errors.EXIT_USAGE
    assert capsys.readouterr().err.startswith(
        "mnist-gan: WORLD_SIZE is 2, but RANK, MASTER_ADDR, MASTER_PORT is not set"
    )

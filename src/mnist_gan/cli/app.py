"""Entry point of the command line: runs a command and turns errors into a sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mnist_gan import __version__
from mnist_gan.cli import commands, help
from mnist_gan.cli.messages import print_message, show_messages
from mnist_gan.cli.stopping import Terminated
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RESUMABLE,
    EXIT_USAGE,
    ConfigError,
    MnistGanError,
    RankError,
    StorageError,
)
from mnist_gan.launcher import is_follower, read_launch

EXIT_FAILED = 1
DISTRIBUTED: Final = frozenset({"train", "resume"})
"""Commands that torchrun may start."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 done; 1 out of memory, or a bug in this program; 2 usage or config; 3 data; 4 checkpoint or model; 5 diverged;
    74 I/O error; 75 stopped by a signal or a lost rank, resumable; 130 interrupted.

    Args:
        argv: arguments without the program's name; None takes the arguments of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _prepare_output()
    try:
        with show_messages(_ignore if is_follower() else print_message):
            code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return StorageError.exit_code
    except KeyboardInterrupt as error:
        return _report(error, "interrupted", EXIT_INTERRUPTED, debug=debug)
    except Terminated as error:
        return _report(error, "terminated", EXIT_RESUMABLE, debug=debug)
    except MnistGanError as error:
        return _report(error, str(error), error.exit_code, debug=debug)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _report(error, "out of memory; try a smaller --training.batch-size", EXIT_FAILED, debug=debug)
    except OSError as error:
        return _report(error, _describe(error), StorageError.exit_code, debug=debug)
    return code


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case []:
            help.print_help(sys.stderr)
            return EXIT_USAGE
        case ["-h" | "--help" | "help", *_]:
            help.print_help()
            return EXIT_OK
        case ["--version" | "-V", *_]:
            print(f"{PROGRAM} {__version__}")
            return EXIT_OK
    command, rest = commands.split(arguments)
    if command is None:
        raise ConfigError(_unknown(arguments[0]))
    if command.name not in DISTRIBUTED and read_launch() is not None:
        raise ConfigError(f"{command.name} runs in one process; start it without torchrun")
    return command.run(rest)


def _ignore(_message: str) -> None:
    pass


def _unknown(name: str) -> str:
    import difflib

    kind = "option" if name.startswith("-") else "command"
    candidates = [option for option, _ in help.OPTIONS] if kind == "option" else commands.names()
    near = difflib.get_close_matches(name, candidates, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"unknown {kind} {name!r}; {guess}`{PROGRAM} --help` lists them"


def _is_out_of_memory(error: Exception) -> bool:
    """True if memory ran out; PyTorch raises a RuntimeError whose message depends on the device."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )


def _describe(error: OSError) -> str:
    path = f"{error.filename}: " if error.filename else ""
    return f"{path}{error.strerror or error}"


def _report(error: BaseException, sentence: str, code: int, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    if is_follower() and not isinstance(error, RankError):
        return code  # rank 0 prints the same sentence
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return code


def _prepare_output() -> None:
    """Escape characters that an output's encoding lacks; discard an output that is absent, as under `pythonw`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until exit
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Point standard output at the null device, after its reader closed the pipe: the interpreter flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""From the process to a command and back: the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from mnist_gan.cli import commands, help
from mnist_gan.cli.messages import show_messages
from mnist_gan.cli.stopping import Terminated
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RESUMABLE,
    EXIT_USAGE,
    ConfigError,
    MnistGanError,
    StorageError,
)

EXIT_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name; None takes the process's) and return its exit code.

    0 done; 1 out of memory, or a defect of this program; 2 usage or config; 3 data; 4 checkpoint or model; 5 diverged;
    74 the system refused to read or write; 75 stopped by a signal, resumable; 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _accept_any_text()
    try:
        with show_messages():
            code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_output()
        return StorageError.exit_code
    except KeyboardInterrupt as error:
        return _report(error, "interrupted", EXIT_INTERRUPTED, debug=debug)
    except Terminated as error:
        return _report(error, "terminated", EXIT_RESUMABLE, debug=debug)
    except MnistGanError as error:
        return _report(error, str(error), error.exit_code, debug=debug)
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        return _report(error, "out of memory; a smaller --training.batch-size needs less", EXIT_FAILED, debug=debug)
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
            print(f"{PROGRAM} {_version()}")
            return EXIT_OK
    name, *rest = arguments
    command = commands.find(name)
    if command is None:
        raise ConfigError(_unknown(name))
    return command.run(rest)


def _unknown(name: str) -> str:
    import difflib

    kind = "option" if name.startswith("-") else "command"
    candidates = [option for option, _ in help.OPTIONS] if kind == "option" else commands.names()
    near = difflib.get_close_matches(name, candidates, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"there is no {kind} {name!r}; {guess}`{PROGRAM} --help` lists them"


def _version() -> str:
    from importlib import metadata

    return metadata.version("mnist-gan")


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether there was no memory; PyTorch says so as a RuntimeError, in words that depend on the device."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )


def _describe(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def _report(error: BaseException, sentence: str, code: int, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return code


def _accept_any_text() -> None:
    """Let a character that the encoding of the terminal or pipe lacks be written as its number, and be no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    """The reader of our output went away (`... | head`): keep the interpreter from writing once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""Runs a command of mnist-gan that stops when its parent is gone: `python -m mnist_gan.studies.lifeline train ...`.

Standard input is a pipe that the parent holds. At its end, closed on purpose or by the parent's death, the command gets
SIGTERM: it finishes the step, saves a checkpoint and exits.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the command line's program in this process."""
    threading.Thread(target=_terminate_at_end_of_input, daemon=True).start()
    runpy.run_module("mnist_gan", run_name="__main__", alter_sys=True)


def _terminate_at_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGTERM)  # interrupts a sleep of the main thread, too
    else:  # os.kill would end the process at once
        signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()

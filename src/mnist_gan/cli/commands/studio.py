"""`mnist-gan studio`: serves the pages in the browser."""

from __future__ import annotations

import sys
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch, check_runs_dir
from mnist_gan.errors import EXIT_OK, ConfigError

MAX_TRAININGS: Final = 16


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """Open the studio in the browser: train GANs, watch them learn, take them apart, and draw with them.

    Only you on this machine can connect, through a link that works once. Ctrl-C ends the studio; trainings started in
    it continue.
    """

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder or name to open. None: the newest run."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    port: int | None = None
    """Port to listen on; 0 is any free port. None: 8765, or a free port if 8765 is taken."""
    host: str = "127.0.0.1"
    """Address to listen on. Any address except 127.0.0.1 and ::1 needs --allow-remote."""
    allow_remote: Switch = False
    """Let other machines connect, each through a link that works once. Without encryption: use only in a trusted
    network."""
    browser: bool = True
    """Open the browser."""
    plugin: Path | None = None
    """File of a plug-in, for models and runs made with it. Its code runs."""
    trainings: int = 1
    """Maximum number of simultaneous trainings; a pair that differs in one setting counts as one."""


@options.command("studio", StudioOptions)
def main(chosen: StudioOptions) -> int:
    """Run the command and return its exit code."""
    _check(chosen)

    from mnist_gan.cli.lookup import find_run  # imports torch
    from mnist_gan.studio.guard import Address, is_loopback
    from mnist_gan.studio.server import open_port, serve

    remote = not is_loopback(chosen.host)
    if remote and not chosen.allow_remote:
        raise ConfigError(f"--host {chosen.host} lets other machines connect; add --allow-remote to permit that")
    named = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=bool) if chosen.run is not None else None
    if named is not None:
        named.read_config()  # raises unless the folder is a run

    def started(url: str) -> None:
        print(f"The studio is at {url} (Ctrl-C ends it; trainings continue)", flush=True)
        if chosen.browser:
            _open_browser(url)

    with open_port(chosen.host, chosen.port) as listening:
        address = Address(host=chosen.host, port=listening.getsockname()[1], remote=remote)
        serve(
            listening,
            address,
            runs_dir=chosen.runs_dir,
            named=named,
            trainings=chosen.trainings,
            plugin=chosen.plugin,
            on_start=started,
        )
    return EXIT_OK


def _check(chosen: StudioOptions) -> None:
    check_runs_dir(chosen.runs_dir)
    if chosen.port is not None and not 0 <= chosen.port <= 65535:
        raise ConfigError(f"--port is {chosen.port}; it must be from 0 (any free port) to 65535")
    if not 1 <= chosen.trainings <= MAX_TRAININGS:
        raise ConfigError(f"--trainings is {chosen.trainings}; it must be from 1 to {MAX_TRAININGS}")


def _open_browser(url: str) -> None:
    """Open the page in a thread: some browsers start in the foreground."""

    def attempt() -> None:
        if not webbrowser.open(url):
            print("there is no browser; open the address yourself", file=sys.stderr)

    threading.Thread(target=attempt, daemon=True).start()

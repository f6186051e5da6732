"""`mnist-gan studio`: the pages in the browser."""

from __future__ import annotations

import sys
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

VERB: Final = "studio"
MAX_TRAININGS: Final = 16


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """Open the studio: watch a GAN learn, take it apart, and draw with it, in the browser.

    It listens on this machine alone. Ctrl-C ends it; trainings that were started in it go on.
    """

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """A run's folder, or its name, to open. None: the newest."""
    runs_dir: Path = Path("runs")
    """Folder with the runs, and for new ones."""
    port: int | None = None
    """Port to listen at; 0 takes any free one. None: 8765, or a free one where that is taken."""
    host: str = "127.0.0.1"
    """Address to listen at. Any but this machine's own (127.0.0.1, ::1) needs --allow-remote."""
    allow_remote: Switch = False
    """Let other machines in, each through a link that works once. Nothing is encrypted: only in a network you trust."""
    browser: bool = True
    """Whether the browser is opened."""
    trainings: int = 1
    """How many trainings may run at once."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(StudioOptions, arguments, verb=VERB, positional="run")
    if chosen is None:
        return EXIT_OK
    _check(chosen)

    from mnist_gan.cli.finding import find_run  # only from here on is torch needed
    from mnist_gan.studio.security import Address, is_loopback
    from mnist_gan.studio.server import open_port, serve

    remote = not is_loopback(chosen.host)
    if remote and not chosen.allow_remote:
        raise ConfigError(f"--host {chosen.host} lets other machines in; add --allow-remote if that is meant")
    named = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=bool) if chosen.run is not None else None
    if named is not None:
        named.read_config()  # or it is no run

    def started(url: str) -> None:
        print(f"The studio is at {url} (Ctrl-C ends it; trainings go on)", flush=True)
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
            started=started,
        )
    return EXIT_OK


def _check(chosen: StudioOptions) -> None:
    if chosen.runs_dir.exists() and not chosen.runs_dir.is_dir():
        raise ConfigError(f"--runs-dir {chosen.runs_dir} is no folder")
    if chosen.port is not None and not 0 <= chosen.port <= 65535:
        raise ConfigError(f"--port {chosen.port} is no port; it must be from 0 (any free one) to 65535")
    if not 1 <= chosen.trainings <= MAX_TRAININGS:
        raise ConfigError(f"--trainings is {chosen.trainings}; it must be from 1 to {MAX_TRAININGS}")


def _open_browser(url: str) -> None:
    """Open the page, without waiting for the browser: some are started in the foreground."""

    def attempt() -> None:
        if not webbrowser.open(url):
            print("no browser was found; open the address yourself", file=sys.stderr)

    threading.Thread(target=attempt, daemon=True).start()

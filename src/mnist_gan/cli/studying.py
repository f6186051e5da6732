"""Runs a study for a command, shows its progress and prints its results."""

from __future__ import annotations

import shlex
import sys
import textwrap
from typing import get_args

from mnist_gan.cli import tables
from mnist_gan.cli.running import program_as_called
from mnist_gan.cli.stopping import StopRequest
from mnist_gan.cli.terminal import wants_style
from mnist_gan.cli.waiting import show_steps
from mnist_gan.errors import EXIT_OK, EXIT_RESUMABLE
from mnist_gan.studies import facade, wording
from mnist_gan.studies.backends import Backend, BackendName, make_backend
from mnist_gan.studies.coordinator import read_progress
from mnist_gan.studies.folder import StudyDirectory, TrialState
from mnist_gan.studies.plan import Study
from mnist_gan.studies.results import Results
from mnist_gan.text import format_duration, pluralize


def choose_backend(
    name: BackendName, study: Study, directory: StudyDirectory, *, jobs: int | None, address: str | None
) -> Backend:
    """Make the backend of the options."""
    devices = {arm.config.training.device for arm in study.arms}
    return make_backend(
        name,
        threads=study.options.threads,
        jobs=jobs,
        stop_file=directory.stop.absolute(),
        address=address,
        gpus=1.0 if "cuda" in devices else 0.0,
    )


def run(study: Study, directory: StudyDirectory, backend: Backend, *, json: bool) -> int:
    """Run or continue a study, print its results, and return the exit code."""
    with StopRequest() as stop:
        stop()  # from here on, a signal lets the trials save their checkpoints
        with show_steps() as show:
            ended = facade.run_study(study, directory, backend, stop=stop, show=show)
    results = facade.write_results(study, directory)
    if results is not None and (ended or not json):
        print_results(results, directory, json=json)
    if ended:
        return EXIT_OK
    progress = read_progress(study, directory, slots=backend.slots())
    command = f"{program_as_called()} study run {shlex.quote(str(directory.root))}"
    print(f"stopped: {progress.describe()}; continue with `{command}`", file=sys.stderr)
    return EXIT_RESUMABLE if stop.exit_code is None else stop.exit_code


def predict(study: Study, directory: StudyDirectory, backend: Backend) -> int:
    """Measure the speed of every arm for some seconds, print the expected time, and return the exit code."""
    with show_steps() as show:
        progress, seconds = facade.predict(study, directory, backend, show=show)
    slots = backend.slots()
    print(
        f"{pluralize(len(progress.states), 'trial')}, {slots} at once: about {format_duration(seconds)}, and "
        f"{format_duration(seconds * slots * study.options.threads)} of processor time, without evaluations and saving"
    )
    return EXIT_OK


def print_status(study: Study, directory: StudyDirectory, *, json: bool) -> int:
    """Print the progress and the trials per arm, and return the exit code."""
    progress = read_progress(study, directory)
    if json:
        content = {name: getattr(progress, name) for name in ("states", "share", "seconds_left", "processor_seconds")}
        tables.print_json(content)
        return EXIT_OK
    kinds: tuple[TrialState, ...] = get_args(TrialState)
    rows = []
    for arm in study.arms:
        own = [state for name, state in progress.states.items() if name.rpartition("-")[0] == arm.name]
        rows.append([arm.name, *(str(own.count(kind)) if own.count(kind) else "" for kind in kinds)])
    tables.print_table(("arm", *kinds), rows)
    print(f"\n{progress.share:.0%}: {progress.describe()}")
    for name, message in facade.failures(directory).items():
        print(f"{name}: {message}")
    return EXIT_OK


def print_results(results: Results, directory: StudyDirectory, *, json: bool) -> None:
    """Print the two tables with their notes, or the content of results.json."""
    if json:
        print(directory.results.read_text(encoding="utf-8"), end="")
        return
    for note in wording.notes(results):
        _print_wrapped(note)
    options = results.study.options
    for table, title in zip(("images", "seconds"), wording.tables_text(results), strict=True):
        print()
        _print_wrapped(f"{title}; {options.figure}, {options.direction} is better", bold=True)
        tables.print_table(wording.HEADERS, wording.table_rows(results, table))
    if options.target is not None:
        print()
        _print_wrapped(f"Time to {options.target:g}", bold=True)
        tables.print_table(("arm", "met", "images, median", "seconds, median"), wording.target_rows(results))
    if results.failures:
        print()
    for name, message in results.failures.items():
        _print_wrapped(f"{name} {message}")
    print(f"\nwritten: {directory.report}, {directory.results}")


def _print_wrapped(text: str, *, bold: bool = False) -> None:
    width = tables.output_width(sys.stdout)
    wrapped = textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)
    print(f"\x1b[1m{wrapped}\x1b[0m" if bold and wants_style(sys.stdout) else wrapped)

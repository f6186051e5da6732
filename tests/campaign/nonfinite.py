"""NaN and infinity in a loss, a gradient, a weight, an optimizer's state, the average."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.world import Place, tiny, with_run

from mnist_gan import storage
from mnist_gan.errors import DivergenceError

VALUES: Final = {"NaN": math.nan, "+infinity": math.inf, "-infinity": -math.inf}
PLACES: Final = ("loss of D", "loss of G", "gradient", "weight", "optimizer's momentum", "optimizer's scale", "average")
ALLOWED: Final = 3


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Once, and again and again; with and without rollbacks."""
    place = Place(folder)
    values = VALUES if not scale.short else {"NaN": math.nan}
    places = PLACES if not scale.short else ("loss of G", "weight", "average")
    for name, where, times in itertools.product(values, places, (1, 10**6)):
        _one(tally, place, where, name, times=times, rollbacks=ALLOWED)
        if times == 1 and not scale.short:
            _one(tally, place, where, name, times=times, rollbacks=0)


def _one(tally: Tally, place: Place, where: str, name: str, *, times: int, rollbacks: int) -> None:
    root = place.root("victim")
    ended = fork(lambda: _victim(place, where, VALUES[name], times=times, rollbacks=rollbacks))
    what = f"{name} in the {where}, {'once' if times == 1 else 'again and again'}, {rollbacks} rollbacks"
    report = json.loads((place.folder / "report.json").read_text())
    problems = list(report["problems"])
    recovers = times == 1 and rollbacks > 0
    # what is said and what is done must agree: as often as allowed and no more
    if report["poisoned"] == 0:
        problems.append("nothing was poisoned")
    if recovers and (ended.code != 0 or "rollback 1 of 3" not in ended.output):
        problems.append(f"did not recover: exit code {ended.code}: {ended.said}")
    if not recovers and ended.code != DivergenceError.exit_code:
        problems.append(f"exit code {ended.code}: {ended.said}")
    if times > 1 and ended.output.count("(rollback ") != rollbacks:
        problems.append(f"{ended.output.count('(rollback ')} rollbacks")
    tally.check(not problems, f"{what}: {'; '.join(problems)}")
    tally.note("recovered" if recovers else "ended with exit code 5")
    shutil.rmtree(root, ignore_errors=True)


def _victim(place: Place, where: str, value: float, *, times: int, rollbacks: int) -> None:
    """Train through the command line, poison, and look at every byte that is saved."""
    report: dict[str, Any] = {"poisoned": 0, "problems": []}
    try:
        _watch_saves(report["problems"])
        _poison(where, value, times, report)
        _recipe(place, rollbacks)
        from mnist_gan.cli import main

        code = main(
            ["train", "--config", str(place.folder / "own.toml"), "--name", "victim", "--runs-dir", str(place.runs)]
        )
    finally:
        (place.folder / "report.json").write_text(json.dumps(report))
    raise SystemExit(code)


def _recipe(place: Place, rollbacks: int) -> None:
    from mnist_gan.config import to_toml

    (place.folder / "own.toml").write_text(to_toml(with_run(tiny(place.data), rollbacks=rollbacks)))


def _watch_saves(problems: list[str]) -> None:
    """Every folder that is committed is looked through: no number in it may be other than finite."""
    import safetensors.torch
    import torch

    write = storage.write_committed_directory

    def looked_through(directory: Path, files: Mapping[str, bytes], **named: Any) -> None:
        for name, content in files.items():
            if name.endswith(".safetensors"):
                for key, tensor in safetensors.torch.load(content).items():
                    if not bool(torch.isfinite(tensor).all()):
                        problems.append(f"{directory.name}/{name} was saved with {key} not finite")
        write(directory, files, **named)

    storage.write_committed_directory = looked_through


def _poison(where: str, value: float, times: int, report: dict[str, Any]) -> None:
    """Put `value` somewhere in the fifth step, and in every one after it until it was done `times` times."""
    import torch

    from mnist_gan.training import loop, train_step

    step = train_step

    def due(state: Any) -> bool:
        return bool(state.step >= 4 and report["poisoned"] < times)

    def poisoned_step(state: Any, config: Any, objective: Any, **named: Any) -> Any:
        wanted = due(state)
        hooks = list[Any]()
        if wanted:
            report["poisoned"] += 1
        if wanted and where == "gradient":
            hooks.append(next(state.G.parameters()).register_hook(lambda gradient: gradient * value))
        if wanted and where.startswith("loss"):
            name = "discriminator_loss" if where.endswith("D") else "generator_loss"
            original = getattr(objective, name)
            spoilt: Any = {name: lambda *arguments: original(*arguments) + value}
            objective = dataclasses.replace(objective, **spoilt)
        statistics = step(state, config, objective, **named)
        for hook in hooks:
            hook.remove()
        if wanted:
            with torch.no_grad():
                _spoil(state, where, value)
        return statistics

    setattr(loop, "train_step", poisoned_step)  # noqa: B010 - the name is imported there


def _spoil(state: Any, where: str, value: float) -> None:
    parameter = next(state.G.parameters())
    match where:
        case "weight":
            parameter.view(-1)[0] = value
        case "optimizer's momentum":
            state.g_optimizer.state[parameter]["exp_avg"].view(-1)[0] = value
        case "optimizer's scale":
            state.g_optimizer.state[parameter]["exp_avg_sq"].view(-1)[0] = value
        case "average":
            next(state.G_ema.parameters()).view(-1)[0] = value


ROW = Row(
    name="nonfinite",
    provoked="NaN or infinity put into a loss, a gradient, a weight, the optimizer's state or the average, once and "
    "again and again",
    holds="nothing that is not finite is ever saved; with `--rollback` the run recovers, three times at the most; else "
    "exit code 5",
    play=play,
)

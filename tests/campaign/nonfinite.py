"""NaN and infinity in a loss, a gradient, a weight, the optimizer's state or the average."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.workspace import Workspace, tiny_config

from mnist_gan import storage
from mnist_gan.config import to_toml
from mnist_gan.errors import DivergenceError

VALUES: Final = {"NaN": math.nan, "+infinity": math.inf, "-infinity": -math.inf}
TARGETS: Final = (
    "loss of D",
    "loss of G",
    "gradient",
    "weight",
    "optimizer's momentum",
    "optimizer's scale",
    "average",
)
ROLLBACKS: Final = 3


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Poison one step, and every step; with and without rollbacks."""
    workspace = Workspace(folder)
    values = VALUES if not scale.short else {"NaN": math.nan}
    targets = TARGETS if not scale.short else ("loss of G", "weight", "average")
    for value, target, times in itertools.product(values, targets, (1, 10**6)):
        _poison_run(tally, workspace, target, value, times=times, rollbacks=ROLLBACKS)
        if times == 1 and not scale.short:
            _poison_run(tally, workspace, target, value, times=times, rollbacks=0)


def _poison_run(tally: Tally, workspace: Workspace, target: str, value: str, *, times: int, rollbacks: int) -> None:
    workspace.recipe.write_text(to_toml(tiny_config(workspace.data, rollbacks=rollbacks)))
    result = fork(partial(_train_poisoned, workspace, target, VALUES[value], times))
    report = json.loads((workspace.folder / "report.json").read_text())
    problems = list(report["problems"])
    recovers = times == 1 and rollbacks > 0
    if report["poisoned"] == 0:
        problems.append("nothing was poisoned")
    if recovers and (result.code != 0 or f"rollback 1 of {ROLLBACKS}" not in result.output):
        problems.append(f"did not recover: {result}")
    if not recovers and result.code != DivergenceError.exit_code:
        problems.append(str(result))
    if times > 1 and result.output.count("(rollback ") != rollbacks:
        problems.append(f"{result.output.count('(rollback ')} rollbacks")
    case = f"{value} in the {target}, {'once' if times == 1 else 'repeatedly'}, {rollbacks} rollbacks"
    tally.check_problems(case, problems)
    tally.note("recovered" if recovers else "ended with exit code 5")
    shutil.rmtree(workspace.root("victim"), ignore_errors=True)


def _train_poisoned(workspace: Workspace, target: str, value: float, times: int) -> None:
    """Train through the command line with poisoned steps, and check every tensor that is saved."""
    report: dict[str, Any] = {"poisoned": 0, "problems": []}
    try:
        _check_saves(report["problems"])
        _poison_steps(target, value, times, report)
        workspace.train("victim")()
    finally:
        (workspace.folder / "report.json").write_text(json.dumps(report))


def _check_saves(problems: list[str]) -> None:
    """Add a problem for every non-finite tensor in a committed directory."""
    import safetensors.torch
    import torch

    write = storage.write_committed_directory

    def check_and_write(directory: Path, files: Mapping[str, bytes], **named: Any) -> None:
        for name, content in files.items():
            if name.endswith(".safetensors"):
                for key, tensor in safetensors.torch.load(content).items():
                    if not bool(torch.isfinite(tensor).all()):
                        problems.append(f"{directory.name}/{name} was saved with non-finite {key}")
        write(directory, files, **named)

    storage.write_committed_directory = check_and_write


def _poison_steps(target: str, value: float, times: int, report: dict[str, Any]) -> None:
    """Put `value` into the fifth step, and into the next ones until `times` steps are poisoned."""
    import torch

    from mnist_gan.training import loop, train_step

    def poisoned_step(state: Any, config: Any, objective: Any, **named: Any) -> Any:
        if state.step < 4 or report["poisoned"] >= times:
            return train_step(state, config, objective, **named)
        report["poisoned"] += 1
        hooks = list[Any]()
        if target == "gradient":
            hooks.append(next(state.G.parameters()).register_hook(lambda gradient: gradient * value))
        if target.startswith("loss"):
            name = "discriminator_loss" if target.endswith("D") else "generator_loss"
            original = getattr(objective, name)
            poisoned: Any = {name: lambda *arguments: original(*arguments) + value}
            objective = dataclasses.replace(objective, **poisoned)
        statistics = train_step(state, config, objective, **named)
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            _poison_state(state, target, value)
        return statistics

    setattr(loop, "train_step", poisoned_step)  # noqa: B010 - the name is imported there


def _poison_state(state: Any, target: str, value: float) -> None:
    parameter = next(state.G.parameters())
    match target:
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
    provoked="NaN or infinity in a loss, a gradient, a weight, the optimizer's state or the average, once and "
    "repeatedly",
    holds="no non-finite number is saved; with `--rollback` the run recovers, at most three times; otherwise exit "
    "code 5",
    inject=inject,
)

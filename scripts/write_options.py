"""Write the tables of presets and options in docs/commands.md.

    python scripts/write_options.py          # update the tables
    python scripts/write_options.py --check  # exit 1 if a table is out of date

A table stands between an opening comment and `<!-- end -->`. The opening comment is one of:

    <!-- options: COMMAND -->        options of a command, of one word or two
    <!-- options: COMMAND GROUP -->  fields of one group of the config, such as `training`
    <!-- recipes -->                 presets with summary and time
    <!-- presets -->                 presets with their networks, loss and penalties
    <!-- failures -->                the failure gallery
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import re
import sys
import typing
from pathlib import Path
from typing import Any, Final

import tyro

from mnist_gan import presets
from mnist_gan.cli import commands
from mnist_gan.cli.arguments import options_of
from mnist_gan.cli.values import CLASS_ALIASES
from mnist_gan.config import Config
from mnist_gan.settings import help_texts

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = (ROOT / "docs" / "commands.md",)
BLOCK: Final = re.compile(r"(<!-- options: ([a-z-]+)(?: ([a-z]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
PRESETS: Final = re.compile(r"(<!-- (recipes|presets|failures) -->\n).*?(<!-- end -->)", re.DOTALL)
NESTED: Final = frozenset({"settings"})


def main() -> int:
    """Update the tables, or check them."""
    changed = {page: new for page in PAGES if (new := renew(old := page.read_text(encoding="utf-8"))) != old}
    for page, text in changed.items():
        if "--check" in sys.argv:
            print(f"{page.name}: a table is out of date; run `python scripts/write_options.py`")
        else:
            page.write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and bool(changed))


def renew(page: str) -> str:
    """Return the page with every table regenerated."""
    tables = {"recipes": table_of_recipes, "presets": table_of_presets, "failures": table_of_failures}
    page = PRESETS.sub(lambda match: match[1] + tables[match[2]]() + match[3], page)
    return BLOCK.sub(lambda match: match[1] + table(match[2], match[3]) + match[4], page)


def table_of_recipes() -> str:
    """Return a Markdown table of the presets, the failure gallery in its last row."""
    rows = [f"| `{recipe.name}` | {recipe.summary} | {_time(recipe)} |" for recipe in _working()]
    failures = ", ".join(f"`{name}`" for name in presets.FAILURES)
    time = _time(next(iter(presets.FAILURES.values())))
    gallery = f"| {failures} | The failure gallery: presets that fail on purpose. | {time} each |"
    return "\n".join(["| preset | summary | time on two CPU cores |", "|---|---|---|", *rows, gallery]) + "\n"


def table_of_presets() -> str:
    """Return a Markdown table of the networks, losses and penalties of the presets, without the failure gallery."""
    rows = [
        "| preset | networks | loss | penalties | labels | images seen | time on two CPU cores |",
        "|---|---|---|---|---|---|---|",
    ]
    for recipe in _working():
        config = recipe.make()
        labels = "yes" if config.training.conditional else "no"
        steps = f", {config.training.d_steps} steps of D" if config.training.d_steps > 1 else ""
        loss = config.objective.loss.replace("_", "-") + steps
        length = config.training.budget or f"{config.training.total_nimg:,}"
        cells = [f"`{recipe.name}`", config.generator.family, loss, _penalties(config), labels, length, _time(recipe)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def table_of_failures() -> str:
    """Return a Markdown table of the failure gallery."""
    rows = [
        f"| `{name}` | {recipe.summary} | {recipe.lesson.look_at} | {recipe.lesson.cure} |"
        for name, recipe in presets.FAILURES.items()
        if recipe.lesson
    ]
    return "\n".join(["| preset | cause | symptom | cure |", "|---|---|---|---|", *rows]) + "\n"


def _working() -> list[presets.Recipe]:
    return [recipe for recipe in presets.PRESETS.values() if recipe.lesson is None]


def _time(recipe: presets.Recipe) -> str:
    if recipe.minutes is None:
        return ""
    if recipe.minutes == 1:
        return "a minute"
    return f"{recipe.minutes:g} minutes" if recipe.minutes >= 1 else f"{60 * recipe.minutes:.0f} seconds"


def table(command: str, group: str | None) -> str:
    """Return a Markdown table of a command's own options, or of a group of the config with the defaults of `quick`."""
    if group is not None and commands.find(f"{command} {group}") is not None:
        command, group = f"{command} {group}", None
    if group is None:
        cls = options_class(command)
        rows = _rows(cls, cls(), prefix="--")
    else:
        config = presets.quick()
        rows = _rows(type(getattr(config, group)), getattr(config, group), prefix=f"--{group}.")
    head = ["| option | default | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def options_class(command: str) -> type[Any]:
    """Return the dataclass of a command's options: `TrainOptions` in the module of `train`."""
    entry = commands.find(command)
    if entry is None:
        raise SystemExit(f"unknown command {command!r} in a table's comment")
    module = importlib.import_module(entry.module)
    name = "".join(part.capitalize() for part in re.split("[- ]", entry.name)) + "Options"
    cls: type[Any] = getattr(module, name)
    return cls


@functools.cache
def flags() -> frozenset[str]:
    """Return every option of every command."""
    own = {
        flag
        for group in commands.GROUPS.values()
        for command in group
        for flag in options_of(options_class(command.name))
    }
    return (
        frozenset(flag for flag in own if not flag.startswith("--settings."))
        | options_of(Config).keys() - {"--preset"}
        | CLASS_ALIASES.keys()
    )


def _rows(cls: type[Any], values: Any, *, prefix: str) -> list[str]:
    documented = help_texts(cls)
    hints = typing.get_type_hints(cls, include_extras=True)
    rows = []
    for field in dataclasses.fields(cls):
        if field.name in NESTED:
            continue
        extras = [extra for extra in getattr(hints[field.name], "__metadata__", ()) if _is_argument(extra)]
        help_text = next((extra.help for extra in extras if extra.help), None) or documented.get(field.name, "")
        metavar = next((extra.metavar for extra in extras if extra.metavar), None)
        name = f"`{metavar}`" if metavar else f"`{prefix}{field.name.replace('_', '-')}`"
        rows.append(f"| {name} | {_shown(getattr(values, field.name))} | {_cell(help_text)} |")
    return rows


def _penalties(config: Config) -> str:
    objective = config.objective
    named = {"R1": objective.r1_gamma, "R2": objective.r2_gamma, "gradient penalty": objective.gp_lambda}
    parts = [f"{name} {weight:g}" for name, weight in named.items() if weight]
    if parts and objective.penalty_interval > 1:
        parts.append(f"every {objective.penalty_interval} steps")
    if objective.weight_clip:
        parts.append(f"weights clipped to {objective.weight_clip:g}")
    if config.discriminator.norm == "spectral":
        parts.append("spectral normalization")
    return ", ".join(parts) or "none"


def _is_argument(extra: object) -> bool:
    return isinstance(extra, type(tyro.conf.arg(help="")))


def _shown(value: Any) -> str:
    match value:
        case None | ():
            return ""
        case bool():
            return "on" if value else "off"
        case tuple():
            return f"`{' '.join(f'{item:g}' for item in value)}`"
        case float():
            return f"`{value:g}`"
        case _:
            return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())

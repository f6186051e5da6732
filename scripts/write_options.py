"""Write the tables of presets and options in docs/commands.md, from the presets and the command line's dataclasses.

    python scripts/write_options.py          # renew them
    python scripts/write_options.py --check  # exit 1 if they are not up to date

A table stands between `<!-- options: VERB -->`, or `<!-- options: VERB GROUP -->` for the fields of a group of a
config, or `<!-- presets -->` or `<!-- failures -->`, and `<!-- end -->`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import sys
import typing
from pathlib import Path
from typing import Any, Final

import tyro

from mnist_gan import presets
from mnist_gan.config import Config
from mnist_gan.interfaces.cli import verbs
from mnist_gan.interfaces.cli.arguments import options_of

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
BLOCK: Final = re.compile(r"(<!-- options: ([a-z-]+)(?: ([a-z]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
PRESETS: Final = re.compile(r"(<!-- (presets|failures) -->\n).*?(<!-- end -->)", re.DOTALL)
NESTED: Final = frozenset({"settings"})


def main() -> int:
    """Renew the tables, or check them."""
    old = PAGE.read_text(encoding="utf-8")
    new = renew(old)
    if "--check" not in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if new != old:
        print(f"{PAGE.name}: the tables of options are out of date; run `python scripts/write_options.py`")
    return int(new != old)


def renew(page: str) -> str:
    """The page with every table written anew."""
    tables = {"presets": table_of_presets, "failures": table_of_failures}
    page = PRESETS.sub(lambda found: found[1] + tables[found[2]]() + found[3], page)
    return BLOCK.sub(lambda found: found[1] + table(found[2], found[3]) + found[4], page)


def table_of_presets() -> str:
    """A Markdown table of what the presets are made of, those that fail on purpose left out."""
    rows = ["| preset | networks | loss | penalties | labels | images seen |", "|---|---|---|---|---|---|"]
    for name, make in presets.PRESETS.items():
        if name not in presets.FAILURES:
            config = make()
            labels = "yes" if config.training.conditional else "no"
            steps = f", {config.training.d_steps} steps of D" if config.training.d_steps > 1 else ""
            loss = config.objective.loss.replace("_", "-") + steps
            length = f"{config.training.total_nimg:,}"
            cells = [f"`{name}`", config.generator.family, loss, _penalties(config), labels, length]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def table_of_failures() -> str:
    """A Markdown table of the failure gallery."""
    texts = {name: str(make.__doc__).removeprefix("Failure gallery: ") for name, make in presets.FAILURES.items()}
    rows = [f"| `{name}` | {_cell(text)} |" for name, text in texts.items()]
    return "\n".join(["| preset | how it fails |", "|---|---|", *rows]) + "\n"


def table(verb: str, group: str | None) -> str:
    """A Markdown table of a verb's own options, or of a group of a config's fields with the defaults of `quick`."""
    if group is None:
        cls = options_class(verb)
        rows = _rows(cls, cls(), prefix="--")
    else:
        config = presets.quick()
        rows = _rows(type(getattr(config, group)), getattr(config, group), prefix=f"--{group}.")
    head = ["| option | default | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def options_class(verb: str) -> type[Any]:
    """The dataclass of a verb's options: the one of its module whose name is the verb's, with Options behind it."""
    entry = verbs.find(verb)
    if entry is None:
        raise SystemExit(f"there is no command {verb}")
    module = importlib.import_module(f"mnist_gan.interfaces.cli.{entry.name.replace('-', '_')}")
    name = "".join(part.capitalize() for part in entry.name.split("-")) + "Options"
    cls: type[Any] = getattr(module, name)
    return cls


@functools.cache
def flags() -> frozenset[str]:
    """Every option of every command."""
    own = {flag for group in verbs.GROUPS.values() for verb in group for flag in options_of(options_class(verb.name))}
    return frozenset(flag for flag in own if not flag.startswith("--settings.")) | options_of(Config).keys() - {
        "--preset"
    }


def _rows(cls: type[Any], values: Any, *, prefix: str) -> list[str]:
    documented = _documentation(cls)
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


def _documentation(cls: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            texts[field.target.id] = str(text.value.value)  # type: ignore[attr-defined]
    return texts


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

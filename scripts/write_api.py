"""Write the API reference, docs/api.md, from the docstrings of the public modules.

    python scripts/write_api.py          # update the page
    python scripts/write_api.py --check  # exit 1 if the page is out of date

The text above `<!-- api -->` is written by hand.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "api.md"
MARK: Final = "<!-- api -->\n"
PUBLIC: Final[dict[str, tuple[str, ...]]] = {
    "mnist_gan": (),
    "mnist_gan.presets": ("PRESETS", "FAILURES", "Recipe", "Lesson", "get"),
    "mnist_gan.config": (
        *("Config", "DataConfig", "GeneratorConfig", "DiscriminatorConfig", "ObjectiveConfig", "OptimizerConfig"),
        *("TrainingConfig", "RunConfig", "from_toml", "to_toml"),
    ),
    "mnist_gan.errors": (),
    "mnist_gan.data": (
        "Dataset",
        "load_dataset",
        "from_arrays",
        "data_status",
        "download_mnist",
        "read_idx",
        "write_idx",
        "to_float",
        "to_uint8",
    ),
    "mnist_gan.data.preprocess": ("prepare_image", "PreparedImage"),
    "mnist_gan.data.drawing": ("prepare_strokes",),
    "mnist_gan.models": ("Generator", "Discriminator", "ImageShape", "build_generator", "build_discriminator"),
    "mnist_gan.objectives": (),
    "mnist_gan.training": ("Tick", "TrainState", "train_step"),
    "mnist_gan.sampling": (),
    "mnist_gan.evaluation": (
        *("evaluate", "Evaluation", "Figure", "Reference", "Samples", "SampleProtocol", "PROTOCOLS", "load_judge"),
        *("Judge", "diagnose", "Diagnosis"),
    ),
    "mnist_gan.artifacts.scoring": ("Score", "score_images", "recognize_digits"),
    "mnist_gan.artifacts.snapshots": ("Snapshot", "list_snapshots", "load_snapshot"),
    "mnist_gan.artifacts.animation": ("animate_samples", "save_animation"),
    "mnist_gan.artifacts.curves": ("save_curves", "save_comparison"),
    "mnist_gan.artifacts.export_sets": ("save_idx_set",),
    "mnist_gan.artifacts.pictures": ("save_grid", "save_images", "save_npz", "save_picture"),
    "mnist_gan.exports": (),
    "mnist_gan.experiment": ("Outcome", "Estimate", "dry_run", "averaged_generator"),
    "mnist_gan.assessment": ("assess", "Assessment", "open_subject", "Subject", "real_data", "OutputPaths", "write"),
    "mnist_gan.runs": (),
    "mnist_gan.runs.metrics": ("read_rows",),
    "mnist_gan.studies.facade": ("open_study", "find_study", "duel", "run_study", "write_results"),
    "mnist_gan.studies.plan": ("Study", "Arm", "Options", "Budget", "make_study", "read_study"),
    "mnist_gan.studies.folder": ("StudyDirectory",),
    "mnist_gan.studies.backends": ("Backend", "LocalBackend", "RayBackend"),
    "mnist_gan.studies.results": ("Results", "ArmResult", "TrialResult", "read_results"),
}
"""The public names of each module; empty: its `__all__`, or else every public class and function that it defines."""
SECTION: Final = re.compile(r"^(Args|Returns|Yields|Raises):$")


def main() -> int:
    """Update the page, or check it."""
    old = PAGE.read_text(encoding="utf-8")
    new = renew(old)
    if "--check" not in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if new != old:
        print(f"{PAGE.name} is out of date; run `python scripts/write_api.py`")
    return int(new != old)


def renew(page: str) -> str:
    """Return the page with the reference regenerated."""
    head, mark, _ = page.partition(MARK)
    documented = dict[int, str]()
    contents = [f"- [{name}](#{name.replace('.', '')})" for name in PUBLIC]
    lines = ["", *contents]
    lines += [line for name in PUBLIC for line in _module(importlib.import_module(name), documented)]
    text = re.sub("\n{3,}", "\n\n", "\n".join(lines)).replace("```\n\n```text\n", "\n")
    return head + mark + text.rstrip("\n") + "\n"


def public_names(module: ModuleType) -> list[str]:
    """Return the public names of a module in `PUBLIC`."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return list(PUBLIC[module.__name__] or getattr(module, "__all__", [name for name in own if name[0] != "_"]))


def _module(module: ModuleType, documented: dict[int, str]) -> Iterator[str]:
    yield from ("", f"## {module.__name__}", "", *_prose(module.__doc__))
    for name in public_names(module):
        value = getattr(module, name)
        if id(value) in documented:
            yield from ("", f"`{name}`: see [{documented[id(value)]}](#{documented[id(value)].replace('.', '')}).")
        elif inspect.isclass(value) or inspect.isfunction(value):
            documented[id(value)] = module.__name__
            yield from _definition(value)
        elif not isinstance(value, ModuleType):
            yield from ("", f"### {name}", "", "Constant." if name.isupper() else "Type.")


def _definition(value: Any) -> Iterator[str]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    yield from ("", f"### {node.name}", "")
    if isinstance(node, ast.FunctionDef):
        yield from _code(_signature(node))
        yield from _prose(ast.get_docstring(node))
        return
    yield from _prose(ast.get_docstring(node))
    for title, text in (
        () if value.__module__ == "mnist_gan.config" else _members(node)
    ):  # docs/commands.md has its fields
        yield from (f"- `{title}`", *textwrap.indent("\n".join(_prose(text)), "  ").splitlines())


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str | None]]:
    """Yield the public fields, properties and methods of a class with their docstrings."""
    for member, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = str(after.value.value) if is_text else None  # type: ignore[union-attr]
            if member.target.id[0] != "_":
                yield ast.unparse(member), text
        elif isinstance(member, ast.FunctionDef) and member.name[0] != "_":
            is_property = any(ast.unparse(decorator).endswith("property") for decorator in member.decorator_list)
            returns = f": {ast.unparse(member.returns)}" if member.returns else ""
            yield member.name + returns if is_property else _signature(member), ast.get_docstring(member)


def _signature(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("cls, ")
    return f"{node.name}({'' if arguments in {'self', 'cls'} else arguments}){returns}"


def _code(text: str) -> tuple[str, ...]:
    return ("```text", text, "```", "")


def _prose(docstring: str | None) -> Iterator[str]:
    """Yield a Google-style docstring as Markdown: its sections become lists, its examples code blocks."""
    for paragraph in inspect.cleandoc(docstring or "").split("\n\n"):
        title, _, items = paragraph.partition("\n")
        if SECTION.match(title):
            yield from (f"*{title}*", "", *(_item(line) for line in textwrap.dedent(items).splitlines()), "")
        elif paragraph.startswith("    "):
            yield from ("```text", *textwrap.dedent(paragraph).splitlines(), "```", "")
        else:
            yield from (*paragraph.splitlines(), "")


def _item(line: str) -> str:
    return f"  {line.strip()}" if line.startswith(" ") else f"- {line}"


if __name__ == "__main__":
    sys.exit(main())

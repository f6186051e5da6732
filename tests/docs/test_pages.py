"""Files, headings, functions, options and papers that the documentation names exist."""

from __future__ import annotations

import ast
import re
import tomllib
import unicodedata
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from scripts import docpages, write_options
from scripts.docpages import ROOT, STUDIO

from mnist_gan import presets
from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import commands
from mnist_gan.cli.commands import train
from mnist_gan.cli.values import CLASS_ALIASES
from mnist_gan.models.inspection import layers_of
from mnist_gan.objectives import adversarial, regularizers
from mnist_gan.studio.handlers.explore import parse_view
from mnist_gan.studio.lessons import BY_NAME as LESSONS
from mnist_gan.studio.params import Query
from mnist_gan.studio.server import DEFAULT_PORT
from mnist_gan.studio.services.form import BY_NAME
from mnist_gan.studio.services.plane import plane_config

PAGES = docpages.pages()
SOURCES = sorted(docpages.PACKAGE.rglob("*.py"))
IMAGES = ROOT / "docs" / "images"
MAX_IMAGE_BYTES = 400_000

OTHER_OPTIONS = {"--help", "--version", "--debug", "--index-url", "--logdir", "--require-hashes", "--fix"}
OTHER_OPTIONS |= {"--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint"}  # of torchrun
OTHER_OPTIONS |= {"--head", "--address"}  # of Ray
OTHER_OPTIONS |= {"--torch-backend", "--cov"}  # of uv and pytest-cov
OTHER_OPTIONS |= {"--build-arg", "--read-only", "--rm", "--tmpfs", "--user", "--extra-index-url"}  # of Docker and pip
CITATION = re.compile(r"([A-Z][\w'-]+)(?: et al\.| & [A-Z][\w-]+| and [A-Z][\w-]+)?,? \(?((?:19|20)\d\d)\b")
NO_PAPERS = {"RFC", "Copyright", "ISO", "Python", "Unicode"}
MONTHS = {"January", "February", "March", "April", "May", "June", "July"}
MONTHS |= {"August", "September", "October", "November", "December"}

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@by_page
def test_links_have_targets(page: Path) -> None:
    for link in docpages.links(page):
        if link.target.startswith(STUDIO):
            check_studio_link(link.target)
            continue
        if re.match(r"[a-z]+:", link.target):
            assert link.target.startswith("https://"), link
            continue
        file, _, anchor = link.target.partition("#")
        target = docpages.target(page, file) if file else page
        assert target.exists(), f"{page.name} links to {link.target}, which does not exist"
        assert {ROOT, docpages.PACKAGE} & {*target.parents}, f"{page.name} links outside of the project: {link.target}"
        if anchor:
            assert anchor in docpages.anchors(target), f"{page.name} links to {link.target}, which has no such heading"


def check_studio_link(target: str) -> None:
    """Check that a link into the studio leads to a page that can show what it asks for."""
    address = urlsplit(target)
    values = {name: text for name, (text,) in parse_qs(address.query, strict_parsing=True).items()}
    assert address.port == DEFAULT_PORT, target
    match address.path:
        case "/plane":
            check_game(values)
        case "/lessons":
            assert {*values} == {"lesson"}, target
            assert values["lesson"] in LESSONS, target
        case "/explore":
            check_picture(values)
        case _:
            raise AssertionError(f"{target} is not checked")


def check_picture(values: dict[str, str]) -> None:
    """Check that the Explore page knows a view, its tab, and the layer that it opens."""
    assert {*values} <= {"model", "digit", "seed", "index", "psi", "tab", "unit"}
    view = parse_view(Query(values))
    script = (docpages.PACKAGE / "studio" / "pages" / "js" / "explore.js").read_text(encoding="utf-8")
    (tabs,) = re.findall(r"const TABS = .*\(\[(.*?)\]\)", script)
    assert f'"{values.get("tab", "samples")}"' in tabs
    assert view.model == "shipped"
    gan = GAN.load(view.model)
    assert view.digit in gan.classes
    if "unit" in values:
        side, name, channel = values["unit"].split(":")[:3]
        assert name in dict(layers_of(gan.D if side == "D" else gan.G))
        assert channel.isdecimal()


def test_every_formula_is_followed_by_a_link_into_the_studio() -> None:
    sections = re.split(r"^## ", (ROOT / "docs" / "how-a-gan-works.md").read_text("utf-8"), flags=re.MULTILINE)
    with_formulas = [section for section in sections if "$$" in section]
    assert len(with_formulas) >= 6
    for section in with_formulas:
        assert STUDIO in section[section.rindex("$$") :], section.splitlines()[0]


def check_game(values: dict[str, str]) -> None:
    """Check that the Plane page can begin a game."""
    sizes = {name: int(values.pop(name)) for name in ("width", "limit") if name in values}
    plane_config(values.pop("data"), {name: typed(name, text) for name, text in values.items()}, **sizes)


def typed(name: str, text: str) -> object:
    """Value of a setting in an address, as the page reads it."""
    if BY_NAME[name].kind == "choice":
        return text
    return int(text) if BY_NAME[name].kind == "integer" else float(text)


@by_page
def test_links_named_like_code_lead_to_that_code(page: Path) -> None:
    for link in docpages.links(page):
        name = re.fullmatch(r"`(\w+)(\(\))?`", link.text)
        file = docpages.target(page, link.target.partition("#")[0])
        if name and file.suffix == ".py":
            module = file.parent.name if file.stem == "__init__" else file.stem
            assert name[1] in {module, *names_in(file)}, f"{page.name}: {name[1]} is not in {link.target}"


@by_page
def test_options_exist(page: Path) -> None:
    known = write_options.flags() | OTHER_OPTIONS | script_options()
    text = page.read_text(encoding="utf-8")
    if page.name == "coming-from.md":  # the first column has other projects' names
        text = re.sub(r"^\|[^|]*\|", "", text, flags=re.MULTILINE)
    for option in re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text):
        assert "_" in option or option in known, f"{page.name} names {option}, which no command has"


@by_page
def test_commands_exist(page: Path) -> None:
    for words in docpages.inline_commands(page):
        arguments = docpages.arguments(words) or []
        if arguments and re.fullmatch(r"[a-z][a-z-]*", arguments[0]):
            assert commands.find(arguments[0]), f"{page.name} names the command {' '.join(words)}"
        if arguments[:1] == ["train"] and not {"--config", "PRESET", "--help"} & set(arguments):
            train.read_options(arguments[1:])  # raises on an invalid option


def test_commands_have_a_section_and_a_table_of_options() -> None:
    page = ROOT / "docs" / "commands.md"
    for name in (verb.name for group in commands.GROUPS.values() for verb in group):
        assert name.replace(" ", "-") in docpages.anchors(page)
        assert f"<!-- options: {name} -->" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", write_options.PAGES, ids=lambda page: page.name)
def test_tables_of_options_and_presets_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert write_options.renew(text) == text, "run `python scripts/write_options.py`"


def test_options_are_all_in_a_table() -> None:
    page = (write_options.ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(--[\w.-]+)`", page, re.MULTILINE))
    negative = {flag for flag in write_options.flags() if re.search(r"(^--|\.)no-", flag)}
    named_otherwise = ("preset", "presets", "run", "runs", "files", "words", "source", "name", "recipes")
    positional = {f"--{field}" for field in named_otherwise}
    assert write_options.flags() - negative - positional - CLASS_ALIASES.keys() <= named


def test_tour_of_the_studio_names_labels_and_recipes_that_exist() -> None:
    tour = (ROOT / "docs" / "studio.md").read_text(encoding="utf-8")
    pages = [path for path in (docpages.PACKAGE / "studio" / "pages").rglob("*") if path.suffix in {".html", ".js"}]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    texts += "\n".join(recipe.title for recipe in presets.PRESETS.values())
    labels = {label.rstrip(".") for label in re.findall(r"\*\*([A-Z][^*\n]+)\*\*", tour)}
    assert [label for label in labels if not re.match("Do this|Look at", label) and label not in texts] == []
    assert {recipe.title for recipe in presets.FAILURES.values()} <= labels


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/decisions/0002-imports-point-one-way.md"])
def test_layers_are_those_of_the_import_contract(name: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    ours = [{part.strip().removeprefix("mnist_gan.") for part in layer.split("|")} for layer in reversed(layers)]
    (block,) = re.findall(r"^    errors, .*(?:\n    .*)*", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert [set(part.strip().split(", ")) for part in block.split("<-")] == ours


def test_losses_and_penalties_are_explained_with_a_link_to_their_function() -> None:
    linked = {link.text.strip("`") for link in docpages.links(ROOT / "docs" / "how-a-gan-works.md")}
    for module in (adversarial, regularizers):
        functions = [name for name in names_in(Path(str(module.__file__))) if name.islower() and name[0] != "_"]
        assert functions
        assert set(functions) <= linked


def test_references_contain_every_cited_paper() -> None:
    references = plain((ROOT / "docs" / "references.md").read_text(encoding="utf-8")).splitlines()
    cited = {(name, year) for path in [*SOURCES, *PAGES] for name, year in CITATION.findall(one_line(path))}
    missing = [
        f"{name} {year}"
        for name, year in sorted(cited)
        if name not in NO_PAPERS | MONTHS and not any(name in line and year in line for line in references)
    ]
    assert missing == []


def test_pictures_are_shown_and_small() -> None:
    shown = {(link.page.parent / link.target).resolve() for page in PAGES for link in docpages.links(page)}
    pictures = [path for path in IMAGES.iterdir() if path.is_file()]
    assert [path.name for path in pictures if path.resolve() not in shown] == []
    assert [path.name for path in pictures if path.stat().st_size > MAX_IMAGE_BYTES] == []


@by_page
def test_pictures_have_alternative_text(page: Path) -> None:
    for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", docpages.prose(page)):
        assert text.strip(), f"{page.name}: {target} has no alternative text"


def script_options() -> set[str]:
    """Return the options of the scripts and benchmarks."""
    folders = ("benchmarks", "scripts", "tests/campaign")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return {
        option for file in files for option in re.findall(r'add_argument\(\s*"(--[\w-]+)"', file.read_text("utf-8"))
    }


def names_in(file: Path) -> set[str]:
    """Return the classes, functions and constants of a module."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def one_line(path: Path) -> str:
    """Return a file's text as one line, for names that contain a line break."""
    return " ".join(plain(path.read_text(encoding="utf-8")).split())


def plain(text: str) -> str:
    """Return the text without accents."""
    letters = unicodedata.normalize("NFKD", text.replace("ı", "i"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))

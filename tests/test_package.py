"""Contents of the package: public names, files of the wheel, and import contracts."""

import ast
import importlib
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mnist_gan

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mnist_gan.__file__).resolve().parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
DISTRIBUTIONS = {"PIL": "pillow", "markdown_it": "markdown-it-py", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Projects whose name on a package index is not that of their module."""
OWN = {"mnist_gan", "tests", "scripts", "benchmarks"}
PICKLING_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_package_exports_its_public_names():
    assert set(mnist_gan.__all__) == {
        "GAN",
        "Config",
        "MnistGanError",
        "Observer",
        "Plugin",
        "evaluate",
        "load_plugin",
        "presets",
        "resume",
        "run",
        "runs",
        "score_images",
        "train",
    }


def test_package_imports_each_public_name_on_first_use():
    """Each name is the first that a fresh copy of the package imports; torch is loaded once for all."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    for module in [module for module in sys.modules if module.partition(".")[0] == "mnist_gan"]:
        del sys.modules[module]
    package = importlib.import_module("mnist_gan")
    assert not {module for module in sys.modules if module.startswith("mnist_gan.")}, name
    assert getattr(package, name) is not None
    assert name in dir(package)
"""
    command = [sys.executable, "-c", code, *mnist_gan.__all__]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_package_has_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mnist_gan.nonsense  # noqa: B018


def test_package_import_loads_nothing_heavy():
    code = "import sys, mnist_gan; sys.exit(bool({'torch', 'numpy', 'tyro'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_package_reads_the_status_of_a_run_without_torch():
    code = "import sys, mnist_gan; mnist_gan.runs.status; sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_module_has_a_docstring_and_imports(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__"))


def test_packages_export_names_that_exist():
    for path in SOURCES:
        if path.name == "__init__.py":
            name = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
            module = importlib.import_module(name)
            missing = [export for export in getattr(module, "__all__", []) if not hasattr(module, export)]
            assert not missing, f"{name} exports {missing}, which it does not have"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_module_uses_no_pickle(path):
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                assert not PICKLING_MODULES & {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module)):
                assert module.split(".")[0] not in PICKLING_MODULES
            case ast.Attribute(value=ast.Name(id="torch"), attr=("load" | "save") as attribute):
                pytest.fail(f"torch.{attribute} in line {node.lineno}")
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                pytest.fail(f"allow_pickle in line {node.value.lineno}")


def declared(*extras: str) -> set[str]:
    """Return the canonical names of the dependencies and of those of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in extras for text in project["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def imported(paths: Iterable[Path]) -> dict[str, Path]:
    """Return the distributions of the imports of other projects, each with a file that imports it."""
    found: dict[str, Path] = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module)):
                    modules = [module]
                case _:
                    continue
            for top in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - OWN:
                found[canonicalize_name(DISTRIBUTIONS.get(top, top))] = path
    return found


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (["src/mnist_gan"], ["digits", "parquet", "mat", "wandb", "onnx", "hub", "studies", "ray"]),
        (["examples"], []),
        (["tests", "scripts", "benchmarks"], ["parquet", "wandb", "ray", "test", "docs"]),
    ],
    ids=lambda names: "-".join(names[:1]),
)
def test_imports_are_declared(folders, extras):
    roots = [PACKAGE if folder == "src/mnist_gan" else ROOT / folder for folder in folders]
    found = imported(path for root in roots for path in root.rglob("*.py"))
    assert {name: path for name, path in found.items() if name not in declared(*extras)} == {}


def test_imports_of_modules_that_load_first_are_no_extras():
    imports = ", ".join(f"mnist_gan.{name}" for name in ("cli", "config", "experiment", "studio"))
    code = f"import sys, {imports}; print(*{{module.partition('.')[0] for module in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sklearn", "pyarrow", "wandb", "onnx", "onnxruntime", "huggingface_hub", "ray"} & {*loaded}


def test_imports_keep_the_contracts():
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed")
    result = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_console_script_is_the_module():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["mnist-gan"].partition(":")
    from mnist_gan import __main__

    assert getattr(importlib.import_module(module), function) is vars(__main__)["main"]


def test_lock_has_hashes_and_fits_the_version_ranges():
    lines = (ROOT / ".ci" / "requirements.txt").read_text().splitlines()[2:]
    locked = dict(line.removesuffix(" \\").split("==") for line in lines[::2])
    assert all(line.startswith("    --hash=sha256:") and len(line) == 82 for line in lines[1::2])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["digits"], *extras["test"], *extras["lint"], *extras["docs"]]:
        requirement = Requirement(text)
        version = locked.get(requirement.name.lower()) or locked.get(requirement.name.lower().replace("-", "_"))
        assert version, f"{requirement.name} is not locked; run `make lock`"
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement.name} {version} is out of range"
        )


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "src").exists(), reason="the sources were removed, to test the installed wheel")
def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        sizes = sum(entry.file_size for entry in archive.infolist())
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        description = archive.read(metadata).decode()
    sources = {str(path.relative_to(PACKAGE.parent)) for path in SOURCES}
    shipped = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert sources <= shipped
    assert "mnist_gan/py.typed" in shipped
    folders = [PACKAGE / folder for folder in ("studio/pages", "web", "exports/page")]
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assets = {str(path.relative_to(PACKAGE.parent)) for path in files}
    assert any(name.endswith("uPlot.esm.js") for name in assets)
    assert assets <= shipped
    strangers = [name for name in shipped - sources if not name.startswith("mnist_gan/")]
    assert strangers == []
    assert not [name for name in shipped if name.endswith((".pyc", ".pt", ".pth", ".pkl", ".gz"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: MIT" in description
    assert sizes < 20e6
    assert "](docs/" not in description
    assert f"Version: {mnist_gan.__version__}\n" in description

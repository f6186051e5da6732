"""Execute the notebooks on a small config."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from scripts.docpages import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(ROOT / "notebooks" / f"{request.param}.ipynb", as_version=4)


each_notebook = pytest.mark.parametrize("notebook", [path.stem for path in NOTEBOOKS], indirect=True)


@each_notebook
def test_notebook_is_valid_and_has_no_outputs(notebook: Any) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and cell.outputs == [] for cell in code)


@each_notebook
def test_notebook_settings_are_the_first_cell_after_the_installation(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    rest = [cell for cell in code if "install" not in cell.metadata.get("tags", [])]
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == rest[:1]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ["quickstart"], indirect=True)
def test_quickstart_runs(notebook: Any, idx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "PRESET": "quick",
        "EPOCHS": 2.0,
        "SEED": 0,
        "LIMIT": 200,
        "DATA_DIR": str(idx_dir),
        "RUNS_DIR": str(tmp_path / "runs"),
    }
    outputs = execute(notebook, small, tmp_path, monkeypatch)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 10  # the grid, the progress, the curves, two rows drawn, three judged, three ways between
    assert list((tmp_path / "runs").glob("*/model/manifest.json"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ["hosted"], indirect=True)
def test_hosted_notebook_installs_trains_shows_and_exports(
    notebook: Any, idx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"PRESET": "quick", "IMAGES": 400, "DATA_DIR": str(idx_dir), "LIMIT": 200, "FOLDER": str(tmp_path / "out")}
    outputs = execute(notebook, small, tmp_path, monkeypatch)
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert {"image/gif", "image/png"} <= {*kinds}
    assert "<canvas" in (tmp_path / "out" / "gan.html").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ["exercises"], indirect=True)
def test_exercises_have_solutions_that_hold(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = execute(notebook, {"STEPS": 200}, tmp_path, monkeypatch)
    assert len(outputs) == 5  # one line for each solution


def execute(notebook: Any, settings: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a notebook with other settings and return the outputs of its cells."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # for its shell lines
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert re.findall(r"^(\w+) =", cell.source, re.MULTILINE) == list(settings), "the test gives every setting a value"
    cell.source = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "", DeprecationWarning, "zmq|jupyter_client|nbclient|tornado")
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
        asyncio.run(client.async_execute())
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    return outputs

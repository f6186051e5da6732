"""Execute the notebook on a small config."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from scripts.docpages import ROOT

NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_notebook_is_valid_and_has_no_outputs(notebook: Any) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and cell.outputs == [] for cell in code)


def test_notebook_settings_are_the_first_code_cell(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == code[:1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq|jupyter_client|nbclient|tornado")
def test_notebook_runs(notebook: Any, idx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    small = {
        "PRESET": "quick",
        "EPOCHS": 2.0,
        "SEED": 0,
        "LIMIT": 200,
        "DATA_DIR": str(idx_dir),
        "RUNS_DIR": str(tmp_path / "runs"),
    }
    (settings,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert re.findall(r"^(\w+) =", settings.source, re.MULTILINE) == list(small), "the test gives every setting a value"
    settings.source = "\n".join(f"{name} = {value!r}" for name, value in small.items())

    asyncio.run(NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).async_execute())

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 10  # the grid, the progress, the curves, two rows drawn, three judged, three ways between
    assert not [output for output in outputs if output.output_type == "error"]
    assert list((tmp_path / "runs").glob("*/model/manifest.json"))

"""Stored figures of the documentation match the output of `python -m scripts.figures`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import docpages
from scripts.figures import diagrams
from scripts.figures.__main__ import FIGURES, IMAGES, RUN_FIGURES
from scripts.figures.canvas import save
from scripts.figures.runs import PICTURES

CHEAP = ("saturation", "losses", "pairs", "packages", "networks")
"""Figures that need no training."""


def test_figures_are_all_stored() -> None:
    drawn = {f"{name}.png" for name in [*FIGURES, *RUN_FIGURES]} | set(PICTURES)
    assert drawn <= {path.name for path in IMAGES.iterdir()}


@pytest.mark.parametrize("name", CHEAP)
def test_stored_figure_equals_a_new_drawing(name: str, tmp_path: Path) -> None:
    save(FIGURES[name](), tmp_path / "new.png")
    files = (tmp_path / "new.png", IMAGES / f"{name}.png")
    new, stored = (np.asarray(Image.open(file).convert("L"), dtype=float) for file in files)
    assert new.shape == stored.shape
    # another release of matplotlib may place a letter elsewhere
    assert np.abs(new - stored).mean() < 4


def test_packages_figure_shows_every_package() -> None:
    packages = {path.stem for path in docpages.PACKAGE.iterdir() if path.stem[0] != "_"}
    shown = {name for column in diagrams.import_layers() for name in column}
    assert packages - shown == {"weights", "py"}  # data files and the type marker
    assert shown <= set(diagrams.PURPOSES)

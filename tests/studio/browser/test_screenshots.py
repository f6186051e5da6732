"""The pictures of the documentation: that each can be taken, and shows something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from scripts import screenshots
from scripts.screenshots import LAPTOP, PHONE, Camera

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def check(path: Path, width: int) -> None:
    """A picture that is no blank sheet.

    How large it may be is held where it is stored: these runs have hardly learned, and noise does not compress.
    """
    picture = np.asarray(Image.open(path).convert("L"), dtype=float)
    assert picture.shape[1] == width
    assert picture.std() > 15


def test_all_four_pages_can_be_photographed(browser: Browser, studio, tmp_path: Path) -> None:
    camera = Camera(browser, studio.address, tmp_path)
    check(camera.take("runs", lambda page: screenshots.runs(page, "first", "second")), LAPTOP["width"])
    check(camera.take("explore", screenshots.explore), LAPTOP["width"])
    check(camera.take("draw", screenshots.draw), LAPTOP["width"])
    with camera.window(LAPTOP, "light") as page:
        screenshots.go(page, "/train?run=first")
        page.wait_for_function("() => document.getElementById('board').naturalWidth > 28")
        check(camera.keep(camera.look(page), "train"), LAPTOP["width"])
    check(camera.take_phones([screenshots.explore, screenshots.draw]), 2 * PHONE["width"] + 24)

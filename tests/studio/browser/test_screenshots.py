"""Screenshots for the documentation: each can be taken and is not blank."""

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
    """Check that a picture is not blank. Its file size is not checked, because untrained digits do not compress."""
    picture = np.asarray(Image.open(path).convert("L"), dtype=float)
    assert picture.shape[1] == width
    assert picture.std() > 15


def test_screenshots_are_taken_of_all_pages(browser: Browser, studio, tmp_path: Path) -> None:
    camera = Camera(browser, studio.address, studio.cookie, tmp_path)
    check(camera.take("runs", lambda page: screenshots.runs(page, "first", "second")), LAPTOP["width"])
    check(camera.take("explore", screenshots.explore), LAPTOP["width"])
    with camera.window(LAPTOP, "light") as page:
        picture = screenshots.inside(page)
        check(camera.keep(picture, "inside"), picture.width)
    check(camera.take("draw", screenshots.draw), LAPTOP["width"])
    with camera.window(LAPTOP, "light") as page:
        screenshots.go(page, "/train?run=first")
        page.wait_for_function("() => document.getElementById('board').naturalWidth > 28")
        check(camera.keep(camera.look(page), "train"), LAPTOP["width"])
    check(camera.take_phones([screenshots.explore, screenshots.draw]), 2 * PHONE["width"] + 24)

"""The one-time link, opened in a browser as `mnist-gan studio` opens it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_link_admits_one_browser(browser: Browser, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mnist_gan", "studio", "--port", "0", "--no-browser"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            link = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            assert link
            mine, other = browser.new_context(), browser.new_context()
            page = mine.new_page()
            page.goto(link[0])
            page.wait_for_selector("html[data-ready]")
            assert re.search(r"/train$", page.url)
            assert mine.new_page().goto(link[0].partition("/enter")[0] + "/runs").status == 200  # type: ignore[union-attr]
            stranger = other.new_page()
            stranger.goto(link[0])
            expect(stranger.locator("body")).to_contain_text("This link was used before")
            assert stranger.goto(link[0].partition("/enter")[0] + "/train").status == 403  # type: ignore[union-attr]
            mine.close()
            other.close()
        finally:
            process.terminate()

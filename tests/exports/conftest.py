"""A real Chromium for exported pages, opened from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scripts.screenshots import OPTIONS, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def open_page() -> Iterator[Callable[..., Page]]:
    """Open a page from disk; fail the test if the page has an error or asks for anything but itself."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: install the package chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    complaints: list[str] = []
    with ExitStack() as stack:
        driver = stack.enter_context(playwright.sync_playwright())
        browser = driver.chromium.launch(executable_path=path, args=list(OPTIONS))
        stack.callback(browser.close)

        def opened(file: Path, **options: Any) -> Page:
            page: Page = browser.new_page(**options)
            page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            allowed = (file.as_uri(), "data:", "blob:")
            page.on("request", lambda asked: None if asked.url.startswith(allowed) else complaints.append(asked.url))
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready]", timeout=120_000)
            return page

        yield opened
    assert complaints == []

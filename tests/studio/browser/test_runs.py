"""The Runs page: the table, and two runs side by side."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_runs_page_compares_two_runs(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    for name in ("first", "second"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    expect(page.locator("#comparison")).to_be_visible()
    expect(page).to_have_url(re.compile(r"a=first&b=second"))
    expect(page.locator("#sides h3")).to_have_text(["first", "second"])
    page.wait_for_function(
        "() => [...document.querySelectorAll('#sides img')].every(({ naturalWidth }) => naturalWidth > 28)"
    )
    assert page.locator("#figures tbody tr").count() >= 1
    expect(page.locator("#settings tbody")).to_contain_text("training.seed")
    expect(page.locator("#distances .plot canvas")).to_be_visible()

    page.reload()  # the address contains both
    expect(page.locator("#comparison[data-shown='first second']")).to_be_visible()
    page.get_by_role("checkbox", name="Compare first").uncheck()
    expect(page.locator("#comparison")).to_be_hidden()


def test_runs_page_links_to_training_and_model(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    row = page.get_by_role("row", name=re.compile("first"))
    row.get_by_role("link", name="first").click()
    expect(page.locator("#state")).to_contain_text("Finished first")
    expect(page.locator("#pause")).to_be_disabled()
    page.wait_for_function("() => document.getElementById('board').naturalWidth > 28")
    page.go_back()
    row.get_by_role("link", name="Explore").click()
    expect(page.locator("#model")).to_have_value("first")

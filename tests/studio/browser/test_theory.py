"""The Theory page: from a lesson to its section, and from a formula to its source."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_lesson_leads_to_its_section_with_the_source_of_each_function(go: Callable[[str], Page]) -> None:
    go("/lessons").evaluate('() => localStorage.setItem(\'lessons\', \'{"game": {"guess": 0, "answer": 0}}\')')
    page = go("/lessons?lesson=game")
    page.locator("#section").click()
    page.wait_for_selector("html[data-ready]")
    expect(page.get_by_role("heading", name="The game", exact=True)).to_be_in_viewport()

    function = page.get_by_role("button", name="minimax_generator_loss", exact=True)
    function.press("Enter")
    expect(page.locator(".listing")).to_contain_text("return -F.softplus(fake_logits)")
    expect(function).to_have_attribute("aria-expanded", "true")
    function.press("Enter")
    expect(page.locator(".listing")).to_be_hidden()
    expect(page.locator("math").first).to_be_visible()
    page.locator("article img").evaluate_all(  # fails with a picture that does not load
        "(all) => Promise.all(all.map((image) => { image.loading = 'eager'; return image.decode(); }))"
    )

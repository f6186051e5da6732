"""The Lessons page: guess, experiment, reveal, check, and progress that the browser keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_lesson_reveals_after_a_guess_and_an_experiment(go: Callable[[str], Page]) -> None:
    page = go("/lessons?lesson=d-step")
    expect(page.locator("#experiment")).to_be_hidden()
    expect(page.locator("#reveal")).to_be_hidden()
    page.get_by_label("The orange points move towards the blue ones.").check()
    page.get_by_role("button", name="That is my guess").click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#reveal")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("Not what you guessed. A step of D changes D alone.")
    expect(page.locator("#figure-0-moved")).to_have_text("0 % of the width")
    expect(page.locator("#told-0")).to_contain_text("After 100 steps of D and 0 of G")
    expect(page.locator("#takeaway")).to_be_hidden()
    page.get_by_label("They are easy to tell from real ones.").check()
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#check-told")).to_contain_text("Right.")
    expect(page.locator("#takeaway-text")).to_contain_text("A step of D changes the map")

    page.reload()  # progress stays
    expect(page.locator("#progress-told")).to_have_text("1 of 11 done")
    expect(page.locator("#takeaway")).to_be_visible()
    page.get_by_role("button", name="Next lesson").click()
    expect(page.locator("#lesson-title")).to_have_text("3. The other side alone: G")
    expect(page.locator("#lesson-title")).to_be_focused()
    page.get_by_role("button", name="Forget my progress").click()
    expect(page.locator("#progress-told")).to_have_text("0 of 11 done")


def test_lesson_with_digits_draws_a_row_for_each_label(go: Callable[[str], Page]) -> None:
    page = go("/lessons?lesson=labels")
    page.get_by_label("nothing", exact=True).check()
    page.get_by_role("button", name="That is my guess").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator("#boards img")).to_have_count(3)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#boards img')].every((image) => image.naturalWidth > 500)"
    )
    expect(page.locator("#reveal")).to_be_visible()


def test_experiment_opens_in_the_plane_with_its_settings(go: Callable[[str], Page]) -> None:
    page = go("/lessons?lesson=penalty")
    page.get_by_label("about as strong as with R1").check()
    page.get_by_role("button", name="That is my guess").click()
    page.get_by_role("link", name="Open in the plane: The cure: R1 of 1 at every step").click()
    expect(page.get_by_label("Loss", exact=True)).to_have_value("wasserstein")
    expect(page.get_by_label("R1 penalty", exact=True)).to_have_value("1")

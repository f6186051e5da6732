"""The Runs page: the table, and two runs side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect
from tests.studio.browser.conftest import Studio, Watch

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_runs_page_compares_two_runs(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    for name in ("first", "second"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    expect(page.locator("#comparison")).to_be_in_viewport(ratio=0.1)
    expect(page).to_have_url(re.compile(r"a=first&b=second"))
    expect(page.locator("#sides h3")).to_have_text(["first", "second"])
    expect(page.locator("#differs")).to_have_text("One difference. Seed: 0 and 1.")
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


def test_runs_page_aligns_two_runs_by_images_seen(go: Callable[[str], Page]) -> None:
    page = go("/runs?a=first&b=second")
    expect(page.locator("#moment-told")).to_have_text("600 images")
    expect(page.locator("#told-a")).to_have_text("After 600 images.")
    expect(page.locator("#scores-a .plot canvas")).to_be_visible()
    page.locator("#moment").press("Home")
    expect(page.locator("#moment-told")).to_have_text("0 images")
    for letter, name in (("a", "first"), ("b", "second")):
        expect(page.locator(f"#board-{letter}")).to_have_attribute("src", f"/api/runs/{name}/previews/0.png")
        expect(page.locator(f"#board-{letter}")).to_have_attribute("alt", f"Drawings of {name} after 0 images")
    page.locator("#moment").press("ArrowRight")
    expect(page.locator("#moment-told")).to_have_text("200 images")


def test_runs_page_starts_two_runs_with_one_difference(go: Callable[[str], Page], studio: Studio, watch: Watch) -> None:
    small = {"data.name": "digits", "training.batch_size": 20, "generator.family": "mlp", "discriminator.family": "mlp"}
    page = go(f"/runs?{urlencode({'preset': 'quick', 'training.total_nimg': 10**6, **small})}")
    expect(page.locator("#pair-length")).to_have_value("1000000")
    expect(page.locator("#pair-both")).to_contain_text("Batch size 20")
    page.get_by_role("button", name="Start both").click()
    expect(page.locator("#toast")).to_contain_text("Both runs would be the same")
    page.get_by_role("button", name="Close").click()
    watch.complaints[:] = [text for text in watch.complaints if "400" not in text]  # logged by the browser

    page.get_by_label("Difference 1").select_option("optimizer.beta1")
    expect(page.locator("#pair-rows")).to_contain_text("The first run has 0.")
    page.get_by_label("Adam beta1", exact=True).fill("0.9")
    page.get_by_role("button", name="Start both").click()
    expect(page.locator("#differs")).to_have_text("One difference. Adam beta1: 0 and 0.9.")

    for letter in "ab":  # both are followed live
        expect(page.locator(f"#board-{letter}")).to_have_attribute("src", re.compile("/live.png"))
        expect(page.locator(f"#scores-{letter} .plot canvas")).to_be_visible()
    expect(page.locator("#moment-told")).to_have_text("now")
    expect(page.locator("#states")).to_have_text(re.compile("is training after .* is training after"))
    studio.end_trainings()
    expect(page.locator("#states")).to_have_text(re.compile("is stopped after .* is stopped after"))
    expect(page.locator("#moment-told")).to_have_text("0 images")

    first = page.locator("#side-a").inner_text()
    page.get_by_role("link", name=f"Try {first} with one difference", exact=True).click()
    expect(page.locator("#pair-base")).to_have_value(f"run:{first}")
    expect(page.get_by_role("button", name="Start the second")).to_be_enabled()
    expect(page.locator("#pair-length")).to_be_hidden()


def test_runs_page_links_to_training_and_model(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    row = page.get_by_role("row", name=re.compile("first"))
    row.get_by_role("link", name="first", exact=True).click()
    expect(page.locator("#state")).to_contain_text("Finished first")
    expect(page.locator("#pause")).to_be_disabled()
    page.wait_for_function("() => document.getElementById('board').naturalWidth > 28")
    page.go_back()
    row.get_by_role("link", name="Explore").click()
    expect(page.locator("#model")).to_have_value("first")


def test_table_follows_a_training(go: Callable[[str], Page], page: Page) -> None:
    seen = iter(range(1000, 10**6, 1000))

    def answer(route: Route) -> None:
        body = route.fetch().json()
        body["runs"][0] |= {"state": "training", "active": True, "cur_nimg": next(seen)}
        route.fulfill(json=body)

    page.route("**/api/runs", answer)
    go("/runs")
    row = page.locator("#rows tr").first
    expect(row).to_contain_text("1,000")
    row.get_by_role("checkbox").focus()
    expect(row).to_contain_text("2,000")
    expect(row.get_by_role("checkbox")).to_be_focused()


def test_table_shows_drawings_and_is_sorted(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.thumb')].filter(({ naturalWidth }) => naturalWidth > 28).length >= 2"
    )
    names = page.locator("#rows th a")
    page.get_by_label("Sort by").select_option("name")
    shown = names.all_text_contents()
    assert shown == sorted(shown)
    page.get_by_label("Sort by").select_option("distance")
    expect(names.first).to_have_text("first")  # "second" was not evaluated


def test_table_has_boxes_large_enough_for_a_finger(go: Callable[[str], Page]) -> None:
    box = go("/runs").get_by_role("checkbox").first.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 20


def test_names_of_settings_break_between_words_on_a_phone(window) -> None:
    page = window("/runs?a=first&b=second", (390, 844))
    page.locator("#comparison[data-shown]").wait_for()
    code = page.locator("#settings code", has_text="training.seed")
    assert code.evaluate("(name) => getComputedStyle(name).overflowWrap") == "normal"
    assert code.locator("wbr").count() == 2


def test_note_is_written_and_found(go) -> None:
    page = go("/runs")
    page.get_by_role("button", name="Note about first").click()
    page.locator("#note").fill("blots instead of sevens")
    page.locator("#note-save").click()
    expect(page.locator("#rows")).to_contain_text("blots instead of sevens")
    page.locator("#find").fill("SEVENS")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#find-told")).to_contain_text("1 of ")
    page.get_by_role("button", name="Note about first").click()
    page.locator("#note").fill("")
    page.locator("#note-save").click()
    expect(page.locator("#rows tr")).to_have_count(0)
    expect(page.locator("#find-told")).to_contain_text("0 of ")
    page.get_by_role("searchbox").fill("")
    expect(page.locator("#rows")).not_to_contain_text("sevens")

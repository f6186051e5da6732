"""Accessibility: keyboard, small screens, dark colours, explanations, and a stable layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from scripts.screenshots import enter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/train?run=first",
    "/lessons",
    "/plane",
    "/explore?model=shipped",
    "/explore?model=shipped&tab=inside&unit=D:trunk.2:5:3:2",
    "/draw",
    "/runs?a=first&b=second",
    "/runs?run=first",
    "/theory",
)
WIDER = """() => {
  const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll("body *")]
    .filter((part) => !part.closest(".scroll, .visually-hidden, thead"))
    .filter((part) => part.getBoundingClientRect().right > width + 1)
    .map((part) => part.outerHTML.slice(0, 80));
}"""
UNNAMED = """() => [...document.querySelectorAll("button, input, select, a, [tabindex='0'], canvas[role], img")]
  .filter((part) => part.checkVisibility())
  .filter((part) => !(part.getAttribute("aria-label") || part.textContent.trim() || part.getAttribute("alt") !== null
    || part.labels?.length || part.closest("figure")?.querySelector("figcaption")))
  .map((part) => part.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_phone(browser: Browser, studio: Any, watch: Any, path: str) -> None:
    visit = browser.new_context(base_url=studio.address, viewport={"width": 360, "height": 780}, has_touch=True)
    enter(visit, studio.address, studio.cookie)
    visit.on("page", watch.over)
    page = visit.new_page()
    page.goto(path)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_load_state("networkidle") if "train" not in path else None
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.evaluate(WIDER) == []
    visit.close()


@pytest.mark.parametrize("path", PAGES)
def test_pages_name_every_control(go: Callable[[str], Page], path: str) -> None:
    page = go(path)
    assert page.evaluate(UNNAMED) == []
    assert page.locator("h1").count() == 1
    assert page.locator("nav [aria-current=page]").count() == 1


NAMES = """() => [...document.querySelectorAll("button:not(.term, .tile), a, summary, input:not([type=radio]), select")]
  .filter((part) => part.checkVisibility())
  .map((part) => part.getAttribute("aria-label") ?? part.labels?.[0]?.textContent.trim() ?? part.textContent.trim())"""


@pytest.mark.parametrize("path", PAGES)
def test_controls_have_distinct_names(go: Callable[[str], Page], path: str) -> None:
    page = go(path)
    names = Counter(page.evaluate(NAMES))
    assert [name for name, count in names.items() if count > 1] == []


def test_live_regions_are_silent_while_only_numbers_change(go: Callable[[str], Page], studio: Any) -> None:
    small = {
        "data.name": "digits",
        "training.batch_size": 16,
        "generator.family": "mlp",
        "discriminator.family": "mlp",
    }
    run = studio.post("/api/train", {"preset": "quick", "changes": small})["run"]
    page = go(f"/train?run={run}")
    expect(page.locator("#state")).to_contain_text("Training")
    page.wait_for_timeout(1000)
    heard = page.evaluate(
        """() => new Promise((done) => {
          const heard = [];
          const live = document.querySelectorAll("[role=status], [aria-live], output");
          const hear = (changes) => heard.push(...changes.map(({ target }) => target.id || target.textContent));
          const observer = new MutationObserver(hear);
          for (const part of live) observer.observe(part, { childList: true, characterData: true, subtree: true });
          let changes = 0;
          new MutationObserver(() => (changes += 1) === 5 && done(heard))
            .observe(document.getElementById("images"), { childList: true, characterData: true, subtree: true });
        })"""
    )
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    assert [part for part in heard if part not in {"spoken"}] == []  # a new diagnosis may be spoken


def test_pages_are_dark_in_the_dark_scheme(browser: Browser, studio: Any, watch: Any) -> None:
    visit = browser.new_context(base_url=studio.address, color_scheme="dark")
    enter(visit, studio.address, studio.cookie)
    visit.on("page", watch.over)
    page = visit.new_page()
    page.goto("/explore?model=shipped")
    page.wait_for_selector("html[data-ready]")
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in paper.removeprefix("rgb(").removesuffix(")").split(",")) < 60
    visit.close()


def test_terms_are_explained_on_hover_and_on_focus(go: Callable[[str], Page]) -> None:
    page = go("/train?run=first")
    tip = page.locator(".tip")
    page.locator("#images").hover()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("images")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    term = page.locator(".term[data-term='Timing/img_per_sec']")
    page.locator(".term[data-term=steps]").focus()
    page.keyboard.press("Tab")
    expect(term).to_be_focused()
    expect(tip).to_contain_text("per second")
    described = term.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").text_content() == tip.text_content()


def test_pages_work_with_the_keyboard_only(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    page.locator("#digits input").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#digits input:checked")).to_have_value("2")
    page.locator("#slider-0").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#slider-0")).not_to_have_value("0")
    page.get_by_role("tab", name="Samples").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="A path")).to_be_focused()
    expect(page.locator("#panel-path")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.locator("#tiles .tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#index")).to_have_value("2")


def test_focus_is_visible(go: Callable[[str], Page]) -> None:
    page = go("/draw")
    outline = "() => ['outlineStyle', 'outlineWidth'].map((part) => getComputedStyle(document.activeElement)[part])"
    seen = 0
    for _ in range(12):
        page.keyboard.press("Tab")
        style, width = page.evaluate(outline)
        assert style != "none", page.evaluate("() => document.activeElement.outerHTML.slice(0, 80)")
        assert width != "0px"
        seen += 1
    assert seen == 12


def test_chart_has_a_table_of_its_numbers(go: Callable[[str], Page]) -> None:
    page = go("/train?run=first")
    chart = page.locator("#losses")
    expect(chart.locator(".plot")).to_have_attribute(
        "aria-label", re.compile(r"^Losses\. Now: generator [\d.]+, discr")
    )
    expect(chart.locator(".readout")).to_contain_text("Now: generator")
    chart.locator("summary").click()
    expect(chart.locator("tbody tr").first).to_contain_text("600")
    expect(chart.locator("thead")).to_contain_text("discriminator")


def test_layout_is_stable_while_a_page_loads(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped")
    page.locator("#slider-0").wait_for()
    page.wait_for_function("() => document.getElementById('read').textContent !== '–'")
    shift = page.evaluate(
        """() => new Promise((done) => new PerformanceObserver((list, observer) => {
          observer.disconnect();
          done(list.getEntries().filter((entry) => !entry.hadRecentInput).reduce((sum, entry) => sum + entry.value, 0));
        }).observe({ type: "layout-shift", buffered: true }) || setTimeout(() => done(0), 300))"""
    )
    assert shift < 0.1  # "good" by Web Vitals

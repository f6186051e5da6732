"""The Draw page: a digit by mouse, keyboard or template is judged, explained and found in the generator."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from scripts.screenshots import enter, write
from tests.studio.browser.conftest import LAPTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEVEN = ((0.3, 0.23), (0.68, 0.22), (0.55, 0.5), (0.46, 0.82))


def brightest(canvas: Locator) -> int:
    """Brightest value of a canvas."""
    return int(
        canvas.evaluate(
            "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
            ".reduce((most, value, i) => (i % 4 < 3 ? Math.max(most, value) : most), 0)"
        )
    )


def test_draw_page_judges_explains_and_finds_a_drawing(go: Callable[[str], Page]) -> None:
    page = go("/draw")
    expect(page.locator("#invert")).to_be_disabled()
    write(page, SEVEN)
    page.locator("#results[data-judged]").wait_for()
    expect(page.locator("#read")).to_have_text("7")
    expect(page.locator("#probability")).to_have_text(re.compile(r"^[<>]?\d+ %$"))
    assert brightest(page.locator("#fitted")) > 200
    assert brightest(page.locator("#why")) > 50, "no pixel has a contribution"
    expect(page.locator("#readings .readout")).to_contain_text("Most: 7")
    near = page.locator("#nearest li").count()
    assert near == 8 or page.locator("#nearest-words").inner_text()  # without MNIST there is a message
    if near:
        expect(page.locator("#nearest figcaption").first).to_have_text(re.compile(r"^an? \d, distance 0\.\d+$"))

    page.get_by_role("button", name="Search").click()
    page.locator("#results[data-search=done]").wait_for()
    assert brightest(page.locator("#found")) > 150
    expect(page.locator("#search-words")).to_contain_text("Found")

    page.get_by_role("link", name="Edit with sliders").click()
    expect(page).to_have_url(re.compile(r"/explore\?.*z="))
    expect(page.locator("#latent-note")).to_be_visible()
    expect(page.locator("#read")).to_have_text("7")

    page.go_back()
    page.locator("#results[data-judged]").wait_for()
    assert brightest(page.locator("#pad")) == 255  # the drawing is still there
    expect(page.locator("#read")).to_have_text("7")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_draw_page_has_pad_and_answer_on_one_screen(window, size: tuple[int, int]) -> None:
    page = window("/draw", size)
    write(page, SEVEN)
    page.locator("#results[data-judged]").wait_for()
    assert page.evaluate("() => scrollY") == 0
    expect(page.locator("#pad")).to_be_in_viewport(ratio=1)
    expect(page.locator("#probability")).to_be_in_viewport(ratio=1)


def test_address_contains_the_model(go: Callable[[str], Page]) -> None:
    page = go("/draw")
    page.locator("#model").select_option("first")
    expect(page).to_have_url(re.compile("model=first"))
    page.reload()
    expect(page.locator("#model")).to_have_value("first")


def test_empty_chart_has_room_for_its_lowest_label(go: Callable[[str], Page]) -> None:
    canvas = go("/draw").locator("#errors canvas")
    ink = """(canvas) => {
      const { width, height } = canvas;
      return canvas.getContext("2d").getImageData(0, height - 2, width, 2).data.some((value) => value > 0);
    }"""
    assert not canvas.evaluate(ink)


def test_pad_undoes_the_last_stroke(go: Callable[[str], Page]) -> None:
    page = go("/draw")
    write(page, SEVEN)
    write(page, ((0.3, 0.5), (0.7, 0.5)))
    assert page.get_by_role("button", name="Undo").is_enabled()
    page.get_by_role("button", name="Undo").click()
    page.locator("#results[data-judged]").wait_for()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#probability")).to_have_text("–")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    assert brightest(page.locator("#pad")) == 0


def test_pad_accepts_touch(browser, studio, watch) -> None:
    visit = browser.new_context(base_url=studio.address, viewport={"width": 360, "height": 780}, has_touch=True)
    enter(visit, studio.address, studio.cookie)
    visit.on("page", watch.over)
    page = visit.new_page()
    page.goto("/draw")
    page.wait_for_selector("html[data-ready]")
    page.locator("#pad").scroll_into_view_if_needed()
    page.locator("#pad").tap()
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    visit.close()


def test_pad_accepts_the_keyboard(go: Callable[[str], Page]) -> None:
    page = go("/draw")
    page.locator("#pad").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    expect(page.locator("#pen")).to_have_text("The pen is down.")
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    page.locator("#results[data-judged]").wait_for()
    expect(page.locator("#read")).to_have_text("1")
    page.keyboard.press("Backspace")
    expect(page.locator("#read")).to_have_text("–")


@pytest.mark.parametrize("digit", range(10))
def test_template_is_recognized_as_its_digit(go: Callable[[str], Page], digit: int) -> None:
    page = go("/draw")
    page.locator(f"#templates [data-digit='{digit}']").click()
    page.locator("#results[data-judged]").wait_for()
    expect(page.locator("#read")).to_have_text(str(digit))

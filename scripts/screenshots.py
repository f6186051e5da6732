"""Take the screenshots of the studio for the documentation, in Chromium.

    python -m scripts.screenshots                      # trains for some minutes, then takes all pictures
    python -m scripts.screenshots --runs-dir FOLDER    # keeps the runs there, and reuses those of an earlier call
    python -m scripts.screenshots explore draw         # some of them

It needs Chromium, Playwright (both come with the tests) and MNIST on disk (MNIST_GAN_DATA).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
OPTIONS: Final = (
    "--no-sandbox",  # not available in containers
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host can be resolved
)
LAPTOP: Final = {"width": 1280, "height": 980}
PHONE: Final = {"width": 390, "height": 844}
HALF_TRAINED: Final = 150_000
"""Length in images of the training of `quick` in the screenshots: four evaluations, as a diagnosis needs."""
LOADING_MS: Final = 180_000
"""Time limit for loading a page on a busy machine."""
TRAINING_MS: Final = 30 * 60_000
"""Time limit for a training on a busy machine."""
THREE: Final = tuple(
    (x + width * math.cos(math.tau * k / 24), y + height * math.sin(math.tau * k / 24))
    for (x, y, width, height), turns in (
        ((0.47, 0.34, 0.15, 0.14), range(-10, 5)),
        ((0.46, 0.64, 0.18, 0.16), range(-5, 10)),
    )
    for k in turns
)
"""A hasty 3, in fractions of the pad."""


def find_chromium() -> str | None:
    """Path of the system's Chromium; None without one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def running_studio(runs_dir: Path) -> Iterator[tuple[str, str]]:
    """Run a studio over a folder of runs in a separate process.

    Yields its URL without a trailing slash, and the cookie of its user as a header's value.
    """
    serve = [sys.executable, "-m", "mnist_gan", "studio", "--runs-dir", str(runs_dir), "--port", "0", "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            link = re.search(r"(http://127\.0\.0\.1:\d+)/enter\S+", line)
            if not link:
                raise SystemExit(f"the studio did not start: {line}")
            with urllib.request.urlopen(link[0]) as answer:
                cookie = answer.headers["set-cookie"].partition(";")[0]
            yield link[1], cookie
        finally:
            process.terminate()


def enter(visit: BrowserContext, address: str, cookie: str) -> None:
    """Give the cookie of the studio's user to a browser."""
    name, _, value = cookie.partition("=")
    visit.add_cookies([{"name": name, "value": value, "url": address}])


def go(page: Page, path: str) -> None:
    """Open a page and wait until it is ready."""
    page.goto(path)
    page.wait_for_selector("html[data-ready]")


def write(page: Page, points: tuple[tuple[float, float], ...]) -> None:
    """Draw a stroke on the pad with the mouse, in fractions of its side."""
    box = page.locator("#pad").bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def wait_until_seen(page: Page, images: int) -> None:
    """Wait until the current training has seen this many images, or has ended."""
    page.wait_for_function(
        """(images) => Number(document.getElementById("images").textContent.replaceAll(",", "")) >= images
          || ["finished", "stopped", "failed"].includes(document.documentElement.dataset.state)""",
        arg=images,
        timeout=TRAINING_MS,
    )


# Pages


def train(page: Page, run: str | None) -> None:
    """Open the Train page with a run."""
    go(page, f"/train?run={run}" if run else "/train")
    page.locator("#board[data-version]").wait_for()
    page.locator("#scores .plot canvas").wait_for()
    page.locator("#losses .plot canvas").wait_for()


def plane(page: Page) -> None:
    """Open the Plane page and play 300 steps."""
    go(page, "/plane?data=ring8")
    page.locator("input[name=pace][value='20']").check(force=True)
    page.locator("#play").click()
    page.wait_for_function("() => Number.parseInt(document.getElementById('moves').textContent) >= 300")
    page.locator("#play").click()
    page.locator("#record li").first.wait_for()


def lessons(page: Page) -> None:
    """Open the lesson on mode collapse and go through its experiment."""
    go(page, "/lessons?lesson=collapse")
    page.locator("#prediction-choices input").first.check()
    page.locator("#guess").click()
    page.locator("#run").click()
    page.locator("#reveal").wait_for()


def explore(page: Page) -> None:
    """Open the Explore page with two sliders moved."""
    go(page, "/explore?model=shipped&digit=3&seed=4&index=2&d=1.2,-0.8")
    page.locator("#slider-0").wait_for()
    page.wait_for_function("() => document.getElementById('strip').naturalWidth > 28")
    page.wait_for_function("() => document.getElementById('read').textContent !== '–'")
    page.locator("#tiles .tile").first.wait_for()


def inside(page: Page) -> Image.Image:
    """Open a layer of D on the Explore page, with a channel and one number of it."""
    go(page, "/explore?model=shipped&digit=7&seed=5&tab=inside&unit=D:trunk.2:2:2:4")
    page.locator(".inside-unit table").wait_for()
    page.locator(".inside-strongest canvas").nth(7).wait_for()
    layer = page.locator(".inside > li", has=page.locator(".inside-open"))
    return Image.open(io.BytesIO(layer.screenshot()))


def draw(page: Page) -> None:
    """Open the Draw page, draw a 3, and search for it."""
    go(page, "/draw?model=shipped")
    write(page, THREE)
    page.locator("#results[data-judged]").wait_for()
    page.locator("#invert").click()
    page.locator("#results[data-search=done]").wait_for()


def runs(page: Page, a: str, b: str) -> None:
    """Open the Runs page with two runs side by side."""
    go(page, f"/runs?a={a}&b={b}")
    page.locator(f"#comparison[data-shown='{a} {b}']").wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('#sides img')].every(({ naturalWidth: w }) => w > 28)")
    page.locator("#distances .plot canvas").wait_for()


class Camera:
    """Opens windows of a studio and saves screenshots of them."""

    def __init__(self, browser: Browser, address: str, cookie: str, out: Path) -> None:
        self.browser, self.address, self.cookie, self.out = browser, address, cookie, out

    @contextlib.contextmanager
    def window(self, size: dict[str, int], scheme: str) -> Iterator[Page]:
        """Open a window with one page."""
        visit = self.browser.new_context(
            base_url=self.address,
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        enter(visit, self.address, self.cookie)
        visit.set_default_timeout(LOADING_MS)
        yield visit.new_page()
        visit.close()

    def look(self, page: Page, *, height: int | None = None) -> Image.Image:
        """Take a screenshot of the top `height` pixels of a page, or of the window."""
        page.evaluate("() => { scrollTo(0, 0); document.activeElement.blur(); }")
        page.mouse.move(0, 0)
        size = page.viewport_size
        assert size
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]}
        shot = page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
        return Image.open(io.BytesIO(shot)).convert("RGB")

    def keep(self, picture: Image.Image, name: str) -> Path:
        """Save a picture."""
        path = self.out / f"studio-{name}.png"
        picture.save(path, optimize=True)
        return path

    def take(self, name: str, open_page: Callable[[Page], None], *, height: int | None = None) -> Path:
        """Save a screenshot of a page at laptop size."""
        with self.window(LAPTOP, "light") as page:
            open_page(page)
            return self.keep(self.look(page, height=height), name)

    def take_phones(self, openers: list[Callable[[Page], None]]) -> Path:
        """Save a screenshot of some pages on phones, dark, side by side."""
        views = []
        for open_page in openers:
            with self.window(PHONE, "dark") as page:
                open_page(page)
                views.append(self.look(page))
        gap = 24
        width = sum(view.width for view in views) + gap * (len(views) - 1)
        both = Image.new("RGB", (width, PHONE["height"]), "#808080")
        for k, view in enumerate(views):
            both.paste(view, (k * (PHONE["width"] + gap), 0))
        return self.keep(both, "phone")


# Trainings


def half_train(page: Page) -> str:
    """Train `quick` to `HALF_TRAINED`, or reuse the run of an earlier call; return while it is training."""
    go(page, "/train")
    options = page.locator("#run option").evaluate_all("(all) => all.map((option) => option.value)")
    earlier = next((name for name in options if name.startswith("quick-")), None)
    if earlier:
        go(page, f"/train?run={earlier}")
        if page.locator("#pause").inner_text() == "Resume":
            page.locator("#pause").click()
    else:
        go(page, "/train?new")
        page.locator("#start").click()
    page.wait_for_url(re.compile("run="))
    wait_until_seen(page, HALF_TRAINED)
    # a resumed run takes a while to get ready
    page.wait_for_function(
        """() => document.documentElement.dataset.state === "finished"
          || (document.documentElement.dataset.state === "training"
            && document.getElementById("pace").textContent !== "–")""",
        timeout=TRAINING_MS,
    )
    return page.url.partition("run=")[2]


def train_pair(page: Page) -> tuple[str, str]:
    """Train `collapse` and the same with R1, or reuse the runs of an earlier call."""
    go(page, "/runs?preset=collapse&b.objective.r1_gamma=1")
    names = page.locator("#rows th a").all_text_contents()
    earlier = [[name for name in names if name.startswith(stem)] for stem in ("collapse-2", "collapse-r1_gamma-1-")]
    if all(earlier):
        return earlier[0][0], earlier[1][0]
    page.locator("#pair-start").click()
    finished = re.compile("finished after .* finished after")
    page.wait_for_function(
        "(ended) => RegExp(ended).test(document.getElementById('states').textContent)",
        arg=finished.pattern,
        timeout=TRAINING_MS,
    )
    return page.locator("#side-a").inner_text(), page.locator("#side-b").inner_text()


def stop(page: Page) -> None:
    """Stop the current training and wait until it has stopped."""
    if page.locator("#stop").is_enabled():
        page.locator("#stop").click()
    page.wait_for_function(
        "() => ['stopped', 'finished'].includes(document.documentElement.dataset.state)", timeout=TRAINING_MS
    )
    page.wait_for_function("async () => (await (await fetch('/api/studio')).json()).training === null")


def main() -> None:
    """Take the requested screenshots."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="train, lessons, plane, explore, inside, draw, runs, phone; none: all")
    parser.add_argument("--runs-dir", type=Path, help="folder of runs to reuse and keep; temporary without it")
    parser.add_argument("--out", type=Path, default=IMAGES, help="output folder (docs/images)")
    chosen = parser.parse_args()
    wanted = set(chosen.names or ("train", "lessons", "plane", "explore", "inside", "draw", "runs", "phone"))
    with (
        tempfile.TemporaryDirectory() as folder,
        running_studio(chosen.runs_dir or Path(folder)) as (address, cookie),
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        camera = Camera(browser, address, cookie, chosen.out)
        if wanted & {"train", "runs"}:
            take_trainings(camera, wanted)
        if "lessons" in wanted:
            camera.take("lessons", lessons, height=1180)
        if "plane" in wanted:
            camera.take("plane", plane)
        if "explore" in wanted:
            camera.take("explore", explore, height=1180)
        if "inside" in wanted:
            with camera.window(LAPTOP, "light") as page:
                camera.keep(inside(page), "inside")
        if "draw" in wanted:
            camera.take("draw", draw, height=1080)
        if "phone" in wanted:
            camera.take_phones([explore, draw])
        browser.close()


def take_trainings(camera: Camera, wanted: set[str]) -> None:
    """Take the screenshots that need a training."""
    with camera.window(LAPTOP, "light") as page:
        if "train" in wanted:
            quick = half_train(page)
            camera.take("train", lambda window: train(window, quick), height=1180)
            stop(page)
        if "runs" in wanted:
            first, second = train_pair(page)
            camera.take("runs", lambda window: runs(window, first, second), height=1580)


if __name__ == "__main__":
    main()

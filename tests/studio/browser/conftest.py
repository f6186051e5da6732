"""A real headless Chromium, and `mnist-gan studio` in a separate process."""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from scripts.screenshots import OPTIONS, enter, find_chromium, running_studio

from mnist_gan.cli import main
from mnist_gan.experiment import latent_scale, model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

LAPTOP = (1280, 640)
"""Space for a page on a screen of 1366 x 768 pixels."""
PHONE = (390, 844)
PATIENCE = 120.0
"""Time limit in seconds, long enough for the start of a training on a busy machine."""
TINY = (
    *("--data.name=digits", "--training.total-nimg=600", "--training.batch-size=20"),
    *("--run.tick-nimg=200", "--run.previews=3"),
)


@dataclass(frozen=True)
class Studio:
    """A running studio."""

    address: str
    """http://127.0.0.1:PORT"""
    cookie: str
    """Cookie header of the user's browser."""
    runs: Path

    def request(
        self, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib.request.Request:
        """Request of the user's browser: POST with content, else GET."""
        return urllib.request.Request(f"{self.address}{path}", content, {"Cookie": self.cookie, **(headers or {})})

    def get(self, path: str) -> Any:
        """GET JSON."""
        with urllib.request.urlopen(self.request(path), timeout=PATIENCE) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST JSON with the token of a page."""
        with urllib.request.urlopen(self.request("/train"), timeout=PATIENCE) as page:
            token = re.search(r'name="studio-token" content="([^"]+)"', page.read().decode())
        assert token
        headers = {"Content-Type": "application/json", "X-Studio-Token": token[1], "Origin": self.address}
        asked = self.request(path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.load(answer)

    def end_trainings(self) -> None:
        """Stop all trainings."""
        while active := [run for run in self.get("/api/runs")["runs"] if run["active"]]:
            for run in active:
                with contextlib.suppress(urllib.error.HTTPError):  # it has ended, or has not started yet
                    self.post(f"/api/runs/{run['run']}/command", {"command": "stop"})
            time.sleep(0.5)


@dataclass
class Watch:
    """Collects errors and forbidden requests of pages."""

    address: str
    complaints: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Record errors, policy violations and external requests of a page."""
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))"
        )
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.check(request.url))

    def hear(self, said: ConsoleMessage) -> None:
        """Record errors and warnings of the console."""
        if said.type in {"error", "warning"}:
            self.complaints.append(said.text)

    def check(self, url: str) -> None:
        """Record requests to other hosts; data and blob URLs are allowed."""
        here = urlsplit(self.address)
        asked = urlsplit(url)
        if asked.scheme not in {"data", "blob"} and (asked.scheme, asked.netloc) != (here.scheme, here.netloc):
            self.complaints.append(f"request to {url}")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with two finished runs, "first" and "second"."""
    if find_chromium() is None:
        pytest.skip("no Chromium: install the package chromium")
    runs = tmp_path_factory.mktemp("studio-runs")
    train = ["train", "quick", "--runs-dir", str(runs), "--run.no-pictures", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "REESTIMATION_NIMG", 200)
        patch.setattr(latent_scale, "NIMG", 200)
        assert main([*train, "--name", "first"]) == 0
        assert main([*train, "--name", "second", "--training.seed", "1", "--run.no-evaluate"]) == 0
    with running_studio(runs) as (address, cookie):
        studio = Studio(address, cookie, runs)
        yield studio
        studio.end_trainings()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for one module: the event loop of Playwright would disturb tests of other modules."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: install the package chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=1000 * PATIENCE)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture
def watch(studio: Studio) -> Iterator[Watch]:
    """Fail the test if a page has an error or sends an external request."""
    watching = Watch(studio.address)
    yield watching
    assert watching.complaints == []


@pytest.fixture
def context(browser: Browser, studio: Studio, watch: Watch) -> Iterator[BrowserContext]:
    """A window of laptop size, in light colours, without motion."""
    visit = browser.new_context(
        base_url=studio.address,
        viewport={"width": 1280, "height": 900},
        color_scheme="light",
        reduced_motion="reduce",
    )
    enter(visit, studio.address, studio.cookie)
    visit.set_default_timeout(1000 * PATIENCE)
    visit.on("page", watch.over)
    yield visit
    visit.close()


@pytest.fixture
def window(browser: Browser, studio: Studio, watch: Watch) -> Iterator[Callable[[str, tuple[int, int]], Page]]:
    """Open a page of the studio in a window of another size, as on a phone."""
    with contextlib.ExitStack() as visits:

        def opened(path: str, size: tuple[int, int]) -> Page:
            width, height = size
            visit = browser.new_context(
                base_url=studio.address, viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            visits.callback(visit.close)
            enter(visit, studio.address, studio.cookie)
            visit.set_default_timeout(1000 * PATIENCE)
            visit.on("page", watch.over)
            page = visit.new_page()
            page.goto(path)
            page.wait_for_selector("html[data-ready]")
            return page

        yield opened


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab."""
    return context.new_page()


@pytest.fixture
def go(page: Page) -> Callable[[str], Page]:
    """Open a page of the studio and wait until it is ready."""

    def to(path: str) -> Page:
        page.goto(path)
        page.wait_for_selector("html[data-ready]")
        return page

    return to

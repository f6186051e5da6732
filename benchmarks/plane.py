"""Pictures per second of the Plane page while a game plays, and the time from a click to its picture, in Chromium.

    python -m benchmarks.plane
    python -m benchmarks.plane --seconds 20 --clicks 200 --data grid25

The server is bound to one core where the system allows it. The browser draws the whole picture: D's logit at 64 x 64
places, the zero line, points, arrows and the grid of z, with one whole training step between two pictures. A click is a
single step of D; its time ends with the frame that shows the new picture.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.screenshots import OPTIONS, enter, find_chromium, go, running_studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEAST_PER_SECOND = 30.0
LIMIT_MS = 50.0
COUNT = """(seconds) => new Promise((done) => {
  let pictures = 0;
  const observer = new MutationObserver(() => { pictures += 1; });
  observer.observe(document.getElementById("moves"), { childList: true, characterData: true, subtree: true });
  setTimeout(() => { observer.disconnect(); done(pictures / seconds); }, 1000 * seconds);
})"""
CLICK = """() => new Promise((done) => {
  const moves = document.getElementById("moves");
  const began = performance.now();
  const observer = new MutationObserver(() => {
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  observer.observe(moves, { childList: true, characterData: true, subtree: true });
  document.getElementById("move-d").click();
})"""


def measure(page: Page, *, seconds: float, clicks: int) -> dict[str, float]:
    """Play for `seconds`, then click `clicks` times with a pause after each."""
    page.locator("#show-lines").check()
    page.locator("#play").click()
    page.wait_for_timeout(2000)  # the first pictures load parts of torch
    per_second = page.evaluate(COUNT, seconds)
    page.locator("#play").click()
    page.wait_for_timeout(1000)
    latencies = []
    for _ in range(clicks):
        latencies.append(page.evaluate(CLICK))
        page.wait_for_timeout(60)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"pictures_per_second": per_second, "median_ms": cuts[49], "p95_ms": cuts[94], "longest_ms": max(latencies)}


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ring8")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clicks", type=int, default=100)
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        if cores:
            os.sched_setaffinity(0, cores[:1])  # inherited by the server
        with running_studio(Path(folder)) as (address, cookie):
            visit = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 640})
            enter(visit, address, cookie)
            page = visit.new_page()
            go(page, f"/plane?data={chosen.data}")
            found = measure(page, seconds=chosen.seconds, clicks=chosen.clicks)
        chromium.close()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    rounded = {name: round(value, 1) for name, value in found.items()}
    print(json.dumps({"data": chosen.data, "cores": len(cores), "load": load, **rounded}, indent=2))
    if found["pictures_per_second"] < LEAST_PER_SECOND or found["p95_ms"] > LIMIT_MS:
        raise SystemExit(
            f"fewer than {LEAST_PER_SECOND:g} pictures per second, or more than {LIMIT_MS:g} ms to a picture"
        )


if __name__ == "__main__":
    main()

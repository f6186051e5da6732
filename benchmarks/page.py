"""Time to draw one image in a browser: the exported page's own inference beside onnxruntime-web.

    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python -m benchmarks.page --runtime package/dist

Draws the same images with both in headless Chromium, alternately, on one thread and without WebGPU. Prints the median
time of each, the ratio, and the bytes that each adds to a page. Needs the extras onnx and test.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from scripts.screenshots import OPTIONS, find_chromium

from mnist_gan import GAN
from mnist_gan.exports import save_onnx, save_page

RUNTIME: Final = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Files of onnxruntime-web for WebAssembly alone."""
SCRIPT: Final = """
async (rounds) => {
  const ort = await import("/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create("/onnx/generator.onnx");
  const { sample, latent } = globalThis.mnistGan;
  const own = (seed) => { sample(seed, { digit: seed % 10 }); };
  const theirs = async (seed) => {
    const z = new ort.Tensor("float32", latent(seed, 0), [1, latent(seed, 0).length]);
    const label = new ort.Tensor("int64", BigInt64Array.of(BigInt(seed % 10)), [1]);
    await session.run({ z, label }, ["image"]);
  };
  const times = { own: [], theirs: [] };
  for (let seed = 0; seed < rounds; seed += 1)
    for (const [name, draw] of Object.entries({ own, theirs })) {
      const begun = performance.now();
      await draw(seed);
      times[name].push(performance.now() - begun);
    }
  const median = (values) => values.slice(20).sort((a, b) => a - b)[Math.floor((values.length - 20) / 2)];
  const least = (values) => Math.min(...values);
  return { own: [median(times.own), least(times.own)], theirs: [median(times.theirs), least(times.theirs)] };
}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=Path, required=True, help="folder dist of onnxruntime-web")
    parser.add_argument("--rounds", type=int, default=220)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gan = GAN.load("shipped")
        page = save_page(folder / "page.html", gan, name="shipped")
        # the page forbids all requests; this copy may load the other runtime
        text = page.path.read_text("utf-8")
        page.path.write_text(
            text.replace("default-src 'none'; script-src", "default-src *; script-src * 'unsafe-eval'")
        )
        save_onnx(folder / "onnx", gan, name="shipped")
        for file in RUNTIME:
            (folder / file).symlink_to((options.runtime / file).resolve())
        with serving(folder) as url:
            times = measure(f"{url}/page.html", rounds=options.rounds)
        weights = (folder / "onnx" / "generator.onnx").stat().st_size
        runtime = sum((options.runtime / file).stat().st_size for file in RUNTIME)
    for who, (median, least) in times.items():
        print(f"{who:>7}: median {median:.1f} ms, least {least:.1f} ms")
    print(f"ratio of the medians, own / onnxruntime-web: {times['own'][0] / times['theirs'][0]:.2f}")
    print(f"whole page {page.size:,} bytes; onnxruntime-web {runtime:,} bytes, and {weights:,} of its generator")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def measure(url: str, *, rounds: int) -> dict[str, list[float]]:
    """Median and least time in milliseconds of both."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        found: dict[str, list[float]] = json.loads(json.dumps(page.evaluate(SCRIPT, rounds)))
        browser.close()
    return found


if __name__ == "__main__":
    main()

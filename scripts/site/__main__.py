"""Build the documentation site from docs/, offline.

    python -m scripts.site              # build/site/index.html
    python -m scripts.site --external   # request every external link instead; needs a network

A warning, such as a link without a target, is an error.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from scripts.docpages import ROOT
from scripts.site.sphinx import build
from scripts.site.stage import stage

from mnist_gan.artifacts.gan import GAN, SHIPPED
from mnist_gan.exports.page import render_page


def main() -> int:
    """Build the site, or check its external links. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.site", description="Build the documentation site.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder of the site")
    parser.add_argument("--external", action="store_true", help="request every external link and build nothing")
    arguments = parser.parse_args()
    out: Path = arguments.out
    pages = out.with_name(f"{out.name}-pages")
    shutil.rmtree(pages, ignore_errors=True)
    stage(pages)
    if arguments.external:
        return build(pages, out.with_name(f"{out.name}-links"), builder="linkcheck")
    shutil.rmtree(out, ignore_errors=True)
    failed = build(pages, out)
    if not failed:
        (out / "shipped.html").write_text(render_page(GAN.load(SHIPPED), name="mnist_gan"), encoding="utf-8")
        print(out / "index.html")
    return failed


if __name__ == "__main__":
    sys.exit(main())

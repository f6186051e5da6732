"""Draw the figures of the documentation.

    python -m scripts.figures                           # all figures that need no trained run
    python -m scripts.figures saturation losses         # selected figures
    python -m scripts.figures --run runs/my-run         # all figures, with the pictures of a run of the preset quick

Figures with digits in them need MNIST on disk (MNIST_GAN_DATA).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from scripts.figures import diagrams, losses, ranges, runs, toys
from scripts.figures.canvas import save

IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"

FIGURES: Final[dict[str, Callable[[], Figure]]] = {
    "saturation": losses.saturation,
    "losses": losses.six_losses,
    "pairs": losses.pairs,
    "orbits": toys.orbits,
    "slopes": toys.slopes,
    "collapse": toys.collapse,
    "wrong-range": ranges.ranges,
    "packages": diagrams.packages,
    "networks": diagrams.networks,
}
"""Figures that need no trained run."""

RUN_FIGURES: Final[dict[str, Callable[[Path], Figure]]] = {
    "two-players": diagrams.two_players,
    "logits": runs.logits,
}
"""Figures of a trained run."""


def main() -> None:
    """Draw the selected figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="figures to draw (default: all)")
    parser.add_argument("--run", type=Path, help="a trained run, for the figures that need one")
    parser.add_argument("--out", type=Path, default=IMAGES, help="output folder (default: docs/images)")
    chosen = parser.parse_args()
    wanted = chosen.names or [*FIGURES, *(RUN_FIGURES if chosen.run else []), *(["pictures"] if chosen.run else [])]
    for name in wanted:
        if name == "pictures":
            runs.save_pictures(chosen.run, chosen.out)
        else:
            save(FIGURES[name]() if name in FIGURES else RUN_FIGURES[name](chosen.run), chosen.out / f"{name}.png")
        print(name)


if __name__ == "__main__":
    main()

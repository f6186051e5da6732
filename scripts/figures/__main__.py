"""Draw the figures of the documentation.

    python -m scripts.figures                           # those that need no trained run
    python -m scripts.figures saturation losses         # some of them
    python -m scripts.figures --run runs/my-run         # all, with the pictures of a run of the preset quick

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
    "rooms": diagrams.rooms,
    "networks": diagrams.networks,
}
"""Figures that are drawn from the code alone."""

RUN_FIGURES: Final[dict[str, Callable[[Path], Figure]]] = {
    "two-players": diagrams.two_players,
    "logits": runs.logits,
}
"""Figures that show what a trained run draws."""


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="figures to draw; none: all that can be drawn")
    parser.add_argument("--run", type=Path, help="a trained run; without it, only figures that need none are drawn")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder to write into (docs/images)")
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

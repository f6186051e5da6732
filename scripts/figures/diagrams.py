"""Diagrams of the two networks, of the packages, and of the layers of `quick`, generated from the code."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from scripts.figures.canvas import FAINT, FAKE, INK, REAL, drawing
from torch import Tensor, nn

from mnist_gan import GAN, presets, rng
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.models import Discriminator, Generator, ImageShape, build_discriminator, build_generator, flops_per_image

Point: TypeAlias = tuple[float, float]
ROOT: Final = Path(__file__).resolve().parents[2]
PURPOSES: Final = {
    "errors": "exit codes",
    "text": "words for messages",
    "web": "shared by pages",
    "settings": "field checks",
    "config": "typed settings",
    "rng": "seed, stream, position",
    "torch_defaults": "torch state",
    "parallel": "shared work",
    "quota": "usable cores",
    "paths": "paths from users",
    "storage": "atomic files",
    "presets": "named recipes",
    "figures": "table of figures",
    "scaling": "pixels and points",
    "launcher": "ranks of torchrun",
    "schedules": "rates over images",
    "registry": "plug-ins' names",
    "plugins": "a user's parts",
    "data": "IDX, MNIST, batches",
    "models": "mlp, dcgan, resnet",
    "objectives": "losses, penalties",
    "training": "step, loop, average",
    "evaluation": "judges, distances",
    "sampling": "seeds to images",
    "runs": "a run on disk",
    "loggers": "event files, W&B",
    "artifacts": "models, pictures",
    "experiment": "composes a run",
    "assessment": "composes an evaluation",
    "exports": "ONNX, page, hub",
    "studies": "trainings compared",
    "cli": "commands",
    "studio": "server and pages",
}


def two_players(run: Path) -> Figure:
    """Draw the two networks with their inputs, outputs and gradients."""
    gan = GAN.load(run)
    real = load_dataset(DataConfig(name="mnist")).images[:3]
    fake = gan.sample(3, digit=[3, 8, 6] if gan.conditional else None, seed=4)
    fig, axes = drawing(height=3.1)
    z = torch.randn(12, generator=rng.generator(0, "figures/z"))
    limits = (*axes.get_xlim(), *axes.get_ylim())
    axes.imshow(z.view(-1, 1), cmap="gray", extent=(3, 5, 13.2, 25.2), aspect="auto", zorder=2)
    axes.axis(limits)
    _label(axes, 4, 11.2, "z: random\nnumbers", colour=INK)
    _box(axes, 11, 15.5, 11, 7.5, "generator\nG", FAKE)
    _tiles(axes, 28, 16.9, fake, FAKE)
    _label(axes, 35.1, 15.2, "generated images", colour=FAKE)
    _tiles(axes, 28, 4.4, real, REAL)
    _label(axes, 35.1, 2.7, "real images", colour=REAL)
    _box(axes, 49.5, 9.4, 12.5, 7.5, "discriminator\nD", REAL)
    for start, end in (
        ((5.6, 19.2), (10.6, 19.2)),
        ((22.4, 19.2), (27.4, 19.2)),
        ((42.8, 18.2), (49.1, 15.0)),
        ((42.8, 7.6), (49.1, 11.2)),
        ((62.4, 13.1), (66.2, 13.1)),
    ):
        _arrow(axes, start, end, INK)
    _label(axes, 71, 13.1, "logit:\nhow real?", colour=INK)
    _arrow(axes, (71, 16), (17, 23.5), FAKE, bend=0.24, dashed=True)
    _label(axes, 24.5, 28.6, "G learns to pass as real", colour=FAKE)
    _arrow(axes, (71, 10.2), (56, 9.0), REAL, bend=-0.4, dashed=True)
    _label(axes, 63, 3.7, "D learns to tell them apart", colour=REAL)
    return fig


def packages() -> Figure:
    """Draw the packages by import layer, as the import contract in pyproject.toml defines it."""
    modules, *layers = import_layers()
    first, gap, left, height, space, line = 13.4, 1.0, 1.6, 4.4, 0.7, 2.1
    width = (72.8 - first - len(layers) * gap) / len(layers)
    middle = max(len(modules) * line, max(map(len, layers)) * (height + space)) / 2 + 1.5
    fig, axes = drawing(height=2 * middle / 10)
    low = middle - len(modules) * line / 2
    axes.add_patch(_rounded(left, low - 0.4, first, len(modules) * line + 0.8, face="white", edge=REAL))
    for row, name in enumerate(reversed(modules)):
        y = low + (row + 0.5) * line
        axes.text(left + 0.7, y, name, va="center", fontsize=6.2, weight="bold", zorder=4)
        axes.text(left + first - 0.5, y, PURPOSES[name], ha="right", va="center", fontsize=5.6, color=FAINT, zorder=4)
    for column, names in enumerate(layers):
        x = left + first + gap + column * (width + gap)
        top = middle + (len(names) * (height + space) - space) / 2
        for row, name in enumerate(names):
            y = top - height - row * (height + space)
            axes.add_patch(_rounded(x, y, width, height, face="white", edge=REAL))
            axes.text(x + width / 2, y + 3.3, name, ha="center", va="center", fontsize=5.8, weight="bold", zorder=4)
            purpose = textwrap.fill(PURPOSES[name], 13)
            axes.text(x + width / 2, y + 1.4, purpose, ha="center", va="center", fontsize=5.6, color=FAINT, zorder=4)
        _arrow(axes, (x - 0.15, middle), (x - gap + 0.15, middle), INK)
    _label(axes, 50, 2 * middle - 2.5, "an arrow points to the packages that may be imported", colour=INK)
    return fig


def import_layers() -> list[list[str]]:
    """Return the layers of the import contract, lowest first; the modules below the packages are one column."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    columns = [[part.strip().rpartition(".")[2] for part in layer.split("|")] for layer in reversed(layers)]
    first = next(index for index, names in enumerate(columns) if "models" in names)
    return [[name for names in columns[:first] for name in names], *columns[first:]]


class Volume(NamedTuple):
    """Channels and resolution of a feature map."""

    channels: int
    resolution: int


class NetworkDrawing(NamedTuple):
    """A network with the labels of its drawing."""

    name: str
    network: Generator | Discriminator
    sizes: list[Volume]
    before: str
    steps: list[str]
    """Layer before each size, and optionally the layer after the last."""
    after: str


def networks() -> Figure:
    """Draw the generator and the discriminator of `quick` to scale."""
    config, shape = presets.quick(), ImageShape(channels=1, resolution=28, num_classes=10)
    G, D = build_generator(config.generator, shape, seed=0), build_discriminator(config.discriminator, shape, seed=0)
    z_dim = config.generator.z_dim
    fig, axes = drawing(height=3.55)
    _draw_network(
        axes,
        22.3,
        NetworkDrawing(
            "generator",
            G,
            volumes(G, torch.zeros(1, z_dim)),
            before=f"z, {z_dim} numbers\nand the label's\n{z_dim} numbers",
            steps=["dense", "4×4 up", "4×4 up", "tanh"],
            after="the image",
        ),
        FAKE,
    )
    _draw_network(
        axes,
        4.2,
        NetworkDrawing(
            "discriminator",
            D,
            [Volume(1, 28), *volumes(D, torch.zeros(1, 1, 28, 28))],
            before="the image",
            steps=["", "4×4 down", "4×4 down", "2 dense"],
            after="logit,\nwith the label's\nown weights",
        ),
        REAL,
    )
    return fig


def volumes(network: Generator | Discriminator, x: Tensor) -> list[Volume]:
    """Return the sizes of the feature maps, recorded in a forward pass."""
    seen: list[Volume] = []

    def record(_: nn.Module, __: Any, out: Tensor) -> None:
        if out.dim() == 4:
            volume = Volume(out.shape[1], out.shape[2])
            if not seen or seen[-1] != volume:
                seen.append(volume)

    hooks = [layer.register_forward_hook(record) for layer in network.trunk.modules()]
    with torch.no_grad():
        network.eval()(x, torch.zeros(1, dtype=torch.int64))
    for hook in hooks:
        hook.remove()
    return seen


def _draw_network(axes: Axes, y: float, drawn: NetworkDrawing, colour: str) -> None:
    network, sizes, steps = drawn.network, drawn.sizes, drawn.steps
    parameters = sum(parameter.numel() for parameter in network.parameters())
    operations = flops_per_image(network) / 1e6
    title = f"{drawn.name}: {parameters:,} parameters, {operations:.1f} million operations an image"
    axes.text(2, y + 10.3, title, fontsize=10, weight="bold", color=colour)
    _label(axes, 7, y + 3.5, drawn.before, colour=INK)
    x = 18.0
    for index, (volume, step) in enumerate(zip(sizes, steps, strict=False)):
        if step:
            _arrow(axes, (x - 5.2, y + 3.5), (x - 0.9, y + 3.5), INK)
            axes.text(x - 3.0, y + 4.2, step, ha="center", va="bottom", fontsize=7.5)
        width = _slab(axes, x, y + 3.5, volume, colour)
        axes.text(x + width / 2, y - 1.9, f"{volume.channels} × {volume.resolution}²", ha="center", fontsize=8.5)
        x += width + (6.4 if index + 1 < len(sizes) else 0)
    _arrow(axes, (x + 0.9, y + 3.5), (x + 4.0, y + 3.5), INK)
    if len(steps) > len(sizes):
        axes.text(x + 2.5, y + 4.2, steps[-1], ha="center", va="bottom", fontsize=7.5)
    axes.text(x + 5.4, y + 3.5, drawn.after, ha="left", va="center", fontsize=9)


def _slab(axes: Axes, x: float, middle: float, volume: Volume, colour: str) -> float:
    """Draw a box as high as the resolution and as wide as the channels; return its width."""
    height, width, depth = volume.resolution * 0.24, 0.45 + volume.channels * 0.085, volume.resolution * 0.06
    low = middle - height / 2 - depth / 2
    axes.add_patch(Rectangle((x, low), width, height, fc=colour, ec="white", alpha=0.75, lw=0.8))
    right, high = x + width, low + height
    top = [(x, high), (x + depth, high + depth), (right + depth, high + depth), (right, high)]
    side = [(right, low), (right + depth, low + depth), (right + depth, high + depth), (right, high)]
    for corners, alpha in ((top, 0.5), (side, 0.95)):
        axes.add_patch(Polygon(corners, fc=colour, ec="white", alpha=alpha, lw=0.8))
    return width + depth


def _tiles(axes: Axes, x: float, y: float, images: Tensor, colour: str, *, side: float = 4.5) -> None:
    limits = (*axes.get_xlim(), *axes.get_ylim())  # imshow changes them
    for index, image in enumerate(images):
        left = x + index * (side + 0.35)
        extent = (left, left + side, y, y + side)
        axes.imshow(image[0], cmap="gray", extent=extent, vmin=0, vmax=255, zorder=3, aspect="auto")
        axes.add_patch(Rectangle((left, y), side, side, fill=False, ec=colour, lw=1.2, zorder=3))
    axes.axis(limits)


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    axes.add_patch(_rounded(x, y, width, height, face=colour, edge=colour))
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color="white", weight="bold", zorder=4)


def _rounded(x: float, y: float, width: float, height: float, *, face: str, edge: str) -> FancyBboxPatch:
    style = "round,pad=0,rounding_size=0.8"
    return FancyBboxPatch((x, y), width, height, boxstyle=style, fc=face, ec=edge, lw=1.2, zorder=3)


def _arrow(axes: Axes, start: Point, end: Point, colour: str, *, bend: float = 0.0, dashed: bool = False) -> None:
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=11,
        color=colour,
        lw=1.4,
        zorder=2,
        linestyle="--" if dashed else "-",
        connectionstyle=f"arc3,rad={bend}",
        shrinkA=0,
        shrinkB=0,
    )
    axes.add_patch(arrow)


def _label(axes: Axes, x: float, y: float, text: str, *, colour: str) -> None:
    axes.text(x, y, text, ha="center", va="center", color=colour)

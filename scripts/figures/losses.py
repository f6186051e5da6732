"""Figures of the adversarial losses, computed by the functions themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scripts.figures.canvas import FAINT, FAKE, GOOD, INK, REAL, figure
from torch import Tensor

from mnist_gan import objectives
from mnist_gan.config import LossName, ObjectiveConfig
from mnist_gan.objectives import build_objective

TITLES: dict[LossName, str] = {
    "minimax": "minimax",
    "non_saturating": "non-saturating",
    "least_squares": "least squares",
    "hinge": "hinge",
    "wasserstein": "Wasserstein",
    "relativistic": "relativistic",
}

ZERO_LOSS_LOGITS: dict[LossName, tuple[float, float]] = {
    "minimax": (1e4, -1e4),
    "non_saturating": (1e4, -1e4),
    "least_squares": (1.0, 0.0),
    "hinge": (1.0, -1.0),
    "wasserstein": (0.0, 0.0),
}
"""Logits of a real and of a generated image at which their term of D's loss is 0, to draw the other term alone."""


def saturation() -> Figure:
    """Plot the minimax and the non-saturating generator loss and the size of their gradients."""
    logits = torch.linspace(-6, 6, 241)
    fig, (values, gradients) = figure(height=2.9, columns=2)
    for loss, name, colour in (
        (objectives.minimax_generator_loss, "minimax", FAINT),
        (objectives.non_saturating_generator_loss, "non-saturating", GOOD),
    ):
        value, slope = _with_slope(loss, logits)
        values.plot(logits, value, color=colour, label=name)
        gradients.plot(logits, slope.abs(), color=colour, label=name)
    values.set(title="the generator's loss", xlabel="logit of a generated image")
    gradients.set(title="size of its gradient", xlabel="logit of a generated image", ylim=(0, 1.05))
    values.legend(loc="upper right")
    for axes in (values, gradients):
        axes.axvspan(-6, -3, color=FAKE, alpha=0.10, lw=0)
        axes.set_xlim(-6, 6)
    gradients.text(-4.5, 0.5, "D is certain:\nearly\ntraining", color=FAKE, ha="center", va="center", fontsize=9)
    return fig


def six_losses() -> Figure:
    """Plot every loss as a function of the logit, on one scale."""
    fig, grid = figure(height=4.6, rows=2, columns=3, sharex=True, sharey=True)
    for axes, (name, title) in zip(grid.flat, TITLES.items(), strict=True):
        _draw_loss(axes, name)
        axes.set_title(title)
        axes.axhline(0, color=FAINT, lw=0.6, zorder=0)
        axes.axvline(0, color=FAINT, lw=0.6, zorder=0)
    grid[0, 0].set(xlim=(-4, 4), ylim=(-4.2, 8.4))
    for axes in grid[1]:
        axes.set_xlabel("logit D(x)")
    grid[1, 2].set_xlabel("difference D(real) − D(generated)")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    return fig


def pairs() -> Figure:
    """Plot pairs of logits: the relativistic loss depends on their difference only."""
    real = torch.tensor([1.4, 0.5, 2.1, 0.9, 1.7])
    fake = torch.tensor([-0.9, 0.1, 0.7, -1.6, 2.2])
    fig, rows = figure(height=3.0, rows=2, sharex=True)
    for axes, shift in zip(rows, (0.0, 3.0), strict=True):
        _draw_pairs(axes, real + shift, fake + shift)
    title = "five pairs: each arrow goes from a generated image to its real one"
    rows[0].set_title(title, loc="left")
    rows[1].set_title("the same pairs, 3 added to every logit", loc="left")
    rows[1].set_xlabel("logit")
    rows[1].legend(loc="lower left", bbox_to_anchor=(0.0, 0.1))
    return fig


def _draw_loss(axes: Axes, name: LossName) -> None:
    logits = torch.linspace(-4, 4, 161)
    objective = build_objective(ObjectiveConfig(loss=name))
    zero = torch.zeros_like(logits)
    if name == "relativistic":  # a function of one difference: D lowers it to the right, G to the left
        axes.plot(logits, objective.discriminator_loss(logits, zero), color=REAL)
        axes.text(0, 6.3, "of a pair of images", ha="center", va="center", backgroundcolor="white", fontsize=9)
        of_generator = objective.generator_loss(zero, logits)
    else:
        best_real, best_fake = (torch.full_like(logits, logit) for logit in ZERO_LOSS_LOGITS[name])
        axes.plot(logits, objective.discriminator_loss(logits, best_fake), color=REAL, label="D's loss, real image")
        axes.plot(
            logits, objective.discriminator_loss(best_real, logits), color=FAKE, label="D's loss, generated image"
        )
        of_generator = objective.generator_loss(logits, None)
    axes.plot(logits, of_generator, color=INK, ls="--", lw=1.6, label="G's loss, generated image")


def _draw_pairs(axes: Axes, real: Tensor, fake: Tensor) -> None:
    heights = range(len(real))
    for y, r, f in zip(heights, real.tolist(), fake.tolist(), strict=True):
        colour = GOOD if r > f else FAKE
        axes.annotate("", xy=(r, y), xytext=(f, y), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6})
    axes.scatter(real, heights, color=REAL, s=36, zorder=3, label="real")
    axes.scatter(fake, heights, color=FAKE, s=36, zorder=3, label="generated")
    loss = float(objectives.relativistic_discriminator_loss(real, fake).mean())
    plain = float(objectives.cross_entropy_discriminator_loss(real, fake).mean())
    note = f"relativistic loss {loss:.3f}\ncross-entropy loss {plain:.3f}"
    axes.text(1.0, 0.5, note, transform=axes.transAxes, ha="right", va="center")
    axes.axvline(0, color=FAINT, lw=0.6, zorder=0)
    axes.set(yticks=[], ylim=(-0.8, len(real) - 0.2), xlim=(-2.2, 8.2))
    axes.spines["left"].set_visible(False)


def _with_slope(loss: Callable[[Tensor], Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    x = logits.clone().requires_grad_(True)
    value = loss(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope

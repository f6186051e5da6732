"""Figures of small trainings: on one number, on a line, and in the plane."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import torch
from matplotlib.figure import Figure
from scripts.figures.canvas import FAINT, FAKE, GOOD, INK, REAL, figure
from torch import Tensor, nn

from mnist_gan import objectives, rng
from mnist_gan.models import update_average

SEED: Final = 0


class Slope(nn.Module):
    """D(x) = psi x, the discriminator of the Dirac-GAN (Mescheder et al. 2018)."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return one logit per image of one pixel."""
        return self.psi * x.flatten()


class Point(nn.Module):
    """G(z) = theta, the generator of the Dirac-GAN."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))


def orbits() -> Figure:
    """Plot the Dirac-GAN: orbits without penalty, convergence with R1, and the average of theta."""
    fig, (orbit, convergence, over_time) = figure(height=2.75, columns=3)
    free, averages = train_dirac_gan(r1_gamma=0.0)
    held, _ = train_dirac_gan(r1_gamma=1.0)
    for axes, path, colour in ((orbit, free, FAKE), (convergence, held, GOOD)):
        axes.plot(*path.t(), color=colour, lw=1.6)
        axes.plot(*path[0], "o", color=colour, ms=6)
        axes.plot(0, 0, "+", color=INK, ms=11, mew=1.6)
        axes.annotate("start", xy=(1, 0), xytext=(0.92, 0.1), ha="right", fontsize=9)
        axes.set(xlabel="θ, what G draws", aspect="equal")
        axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    orbit.annotate("solution", xy=(0, 0), xytext=(0, -0.32), ha="center", fontsize=9)
    orbit.set(title="no penalty", ylabel="ψ, the slope of D")
    convergence.set_title("R1, γ = 1")
    over_time.plot(free[:, 0], color=FAKE, lw=1.2, alpha=0.6, label="θ")
    over_time.plot(averages, color=REAL, label="its average")
    over_time.axhline(0, color=FAINT, lw=0.6, zorder=0)
    over_time.set(title="no penalty, θ over time", xlabel="steps", ylim=(-1.35, 2.1), yticks=(-1, 0, 1))
    over_time.legend(loc="upper right", ncols=2, handlelength=1.2, columnspacing=1.0)
    return fig


def train_dirac_gan(
    *, r1_gamma: float, steps: int = 600, lr: float = 0.1, halflife: float = 100.0
) -> tuple[Tensor, Tensor]:
    """Train both networks in turns on the minimax loss; return the path of (theta, psi) and the average of theta."""
    G, D = Point(1.0), Slope(0.0)
    G_ema = copy.deepcopy(G)
    players = {player: torch.optim.SGD(player.parameters(), lr=lr) for player in (G, D)}
    real_image = torch.zeros(1, 1, 1, 1)
    path, averages = [torch.tensor([1.0, 0.0])], [torch.tensor(1.0)]
    for _ in range(steps):
        fake_image = G.theta.view(1, 1, 1, 1)
        d_loss = objectives.cross_entropy_discriminator_loss(D(real_image), D(fake_image.detach()))
        if r1_gamma:
            d_loss = d_loss + objectives.r1_penalty(D, real_image, gamma=r1_gamma)
        _update(players[D], d_loss)
        _update(players[G], objectives.minimax_generator_loss(D(fake_image)))
        update_average(G_ema, G, beta=0.5 ** (1 / halflife))
        path.append(torch.stack([G.theta, D.psi]).detach())
        averages.append(G_ema.theta.detach().clone())
    return torch.stack(path), torch.stack(averages)


def slopes() -> Figure:
    """Plot discriminators of one-dimensional data, trained without penalty, with R1, and with R1 and R2."""
    fig, (logits, gradients) = figure(height=3.0, columns=2)
    random = rng.generator(SEED, "figures/slopes")
    real = 0.5 + 0.4 * torch.randn(1000, generator=random)
    fake = -0.5 + 0.4 * torch.randn(1000, generator=random)
    x = torch.linspace(-1.6, 1.6, 161)
    best = (x / 0.4**2, torch.full_like(x, 1 / 0.4**2))  # log p/q of the two normal densities, and its slope
    for axes, exact in zip((logits, gradients), best, strict=True):
        axes.plot(x, exact, color=FAINT, ls=":", lw=1.5, label="log p/q")
    for r1_gamma, r2_gamma, colour, label in (
        (0.0, 0.0, FAKE, "no penalty"),
        (0.1, 0.0, GOOD, "R1, γ = 0.1"),
        (0.1, 0.1, REAL, "R1 and R2, γ = 0.1"),
    ):
        values, slope = _logits_and_slope(train_on_a_line(real, fake, r1_gamma=r1_gamma, r2_gamma=r2_gamma), x)
        logits.plot(x, values, color=colour, label=label)
        gradients.plot(x, slope, color=colour, label=label)
    for axes in (logits, gradients):
        low, high = axes.get_ylim()
        floor = low - 0.22 * (high - low)
        for numbers, colour, name in ((real, REAL, "real"), (fake, FAKE, "generated")):
            density = torch.histc(numbers, bins=32, min=-1.6, max=1.6)
            heights = floor + 0.16 * (high - low) * density / density.max()
            axes.fill_between(torch.linspace(-1.55, 1.55, 32), floor, heights, color=colour, alpha=0.45, lw=0)
            if axes is logits:
                axes.text(float(numbers.mean()) * 2.2, floor + 0.17 * (high - low), name, color=colour, ha="center")
        axes.set(xlabel="x", ylim=(floor, high), xlim=(-1.6, 1.6))
    logits.set_title("the discriminator's logit")
    gradients.set_title("its slope: the gradient for a generated x")
    fig.legend(*logits.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


def train_on_a_line(real: Tensor, fake: Tensor, *, r1_gamma: float, r2_gamma: float, steps: int = 800) -> nn.Module:
    """Train a small discriminator of the numbers `real` and `fake`."""
    D = _dense(1, 32, 1, stream="figures/line")
    optimizer = torch.optim.Adam(D.parameters(), lr=3e-3, betas=(0.0, 0.99))
    real_images, fake_images = real.view(-1, 1, 1, 1), fake.view(-1, 1, 1, 1)
    for _ in range(steps):
        loss = objectives.cross_entropy_discriminator_loss(D(real_images, None), D(fake_images, None))
        if r1_gamma:
            loss = loss + objectives.r1_penalty(D, real_images, gamma=r1_gamma)
        if r2_gamma:
            loss = loss + objectives.r2_penalty(D, fake_images, gamma=r2_gamma)
        _update(optimizer, loss)
    return D


def collapse() -> Figure:
    """Plot a GAN on eight clusters in the plane, without penalty and with R1 and R2."""
    shots = (0, 400, 1600, 2000)
    fig, grid = figure(height=4.1, rows=2, columns=len(shots), sharex=True, sharey=True)
    trainings = (("no penalty", 0.0), ("R1 and R2, γ = 1", 1.0))
    for index, (row, (title, gamma)) in enumerate(zip(grid, trainings, strict=True)):
        for axes, points, step in zip(row, train_in_the_plane(gamma=gamma, shots=shots), shots, strict=True):
            axes.plot(*eight_clusters(512, position=-1).t(), ".", color=REAL, ms=2, alpha=0.35)
            axes.plot(*points.t(), ".", color=FAKE, ms=2.5, alpha=0.7)
            axes.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal", xticks=[], yticks=[])
            if index == 0:
                axes.set_title("before training" if step == 0 else f"step {step:,}")
        row[0].set_ylabel(title)
    return fig


def eight_clusters(n: int, *, position: int) -> Tensor:
    """Return points (N, 2) on a ring of eight small clusters."""
    random = rng.generator(SEED, "figures/clusters", position)
    angle = torch.randint(8, (n,), generator=random) * (torch.pi / 4)
    centers = torch.stack([angle.cos(), angle.sin()], dim=1)  # [N, 2]
    return centers + 0.04 * torch.randn(n, 2, generator=random)


def train_in_the_plane(*, gamma: float, shots: Sequence[int], n: int = 128) -> list[Tensor]:
    """Train a small GAN on the clusters; return the points (512, 2) of G at each step in `shots`."""
    G, D = _dense(8, 64, 2, stream="figures/plane/G"), _dense(2, 64, 1, stream="figures/plane/D")
    # G learns five times as fast as D, to provoke instability
    rates = {G: 5e-3, D: 1e-3}
    players = {player: torch.optim.Adam(player.parameters(), lr=lr, betas=(0.5, 0.99)) for player, lr in rates.items()}
    fixed_z = rng.latents(SEED, range(512), 8)
    snapshots = []
    for step in range(max(shots) + 1):
        if step in shots:
            with torch.no_grad():
                snapshots.append(G(fixed_z))
        real_images = eight_clusters(n, position=step).view(n, 1, 1, 2)
        z = torch.randn(n, 8, generator=rng.generator(SEED, "figures/plane/z", step))
        fake_images = G(z).view(n, 1, 1, 2)
        detached = fake_images.detach()
        d_loss = objectives.cross_entropy_discriminator_loss(D(real_images), D(detached))
        if gamma:
            d_loss = d_loss + objectives.r1_penalty(D, real_images, gamma=gamma)
            d_loss = d_loss + objectives.r2_penalty(D, detached, gamma=gamma)
        _update(players[D], d_loss)
        _update(players[G], objectives.non_saturating_generator_loss(D(fake_images)))
    return snapshots


class Dense(nn.Module):
    """MLP with three hidden layers, from (N, ...) to (N, features), or to (N,) for one feature."""

    def __init__(self, features: int, width: int, out_features: int) -> None:
        super().__init__()
        widths = (features, width, width, width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.Softplus(beta=4)]  # smooth, for a continuous slope
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, out_features))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (N,) or points (N, features)."""
        out: Tensor = self.layers(x)
        return out.squeeze(1) if out.shape[1] == 1 else out


def _dense(features: int, width: int, out_features: int, *, stream: str) -> Dense:
    network, random = Dense(features, width, out_features), rng.generator(SEED, stream)
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0.0, (1.5 / layer.in_features) ** 0.5, generator=random)
                layer.bias.zero_()
    return network


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss.mean())
    optimizer.step()


def _logits_and_slope(D: Callable[..., Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    images = x.view(-1, 1, 1, 1).requires_grad_(True)
    values = D(images)
    (slope,) = torch.autograd.grad(values.sum(), images)
    return values.detach(), slope.flatten()

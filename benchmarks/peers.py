"""Other generative models of MNIST, trained for equal time and measured by the protocol of the presets.

    python -m benchmarks.peers train dcgan --seconds 1800 --out peers    # continues from its checkpoint
    python -m benchmarks.peers measure dcgan --out peers --log peers.jsonl
    python -m benchmarks.peers table --log peers.jsonl

Three are the models that tutorials teach, with the sizes, losses and settings of the most-starred collection of GANs in
PyTorch (eriklindernoren/PyTorch-GAN): `mlp`, `dcgan` (32x32, resized to 28x28 for the judges) and `wgan-gp`. Their
batches come from memory, which spares them the loading of data. Two are no GANs and of the size of our networks: `vae`,
a convolutional variational autoencoder, and `flow`, a rectified flow with a small U-Net; both are conditional, and have
a learning rate that decays and an average of the weights, as the presets do.

Seconds are those of the processor with one thread, which other programs hardly change. A checkpoint is written every
minute; random numbers depend on the seed and the step, and a continued training equals an uninterrupted one as far as
the clock allows.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 - the usual alias
from benchmarks.recipes import read_log
from torch import Tensor, nn

from mnist_gan import rng, storage
from mnist_gan.artifacts.pictures import save_grid, save_npz
from mnist_gan.assessment import evaluate, figures_rows
from mnist_gan.config import DataConfig
from mnist_gan.data import Dataset, load_dataset
from mnist_gan.evaluation.samples import labels_in_proportion
from mnist_gan.figures import METRIC_PREFIX, figure_info, figure_kind, format_number
from mnist_gan.models import update_average

CHECKPOINT_SECONDS = 60.0
NUM_IMAGES = 30_000
"""As many as the two-sample test needs."""
SHOWN = ("fd", "fdinf", "coverage", "recall", "form_box", "form_faint", "agreement", "c2st", "gan_train")
FLOW_STEPS = 25


class Peer(nn.Module, ABC):
    """A generative model with its optimizers and its training step."""

    batch_size = 64
    conditional = False

    def __init__(self) -> None:
        super().__init__()
        self.optimizers: list[torch.optim.Adam] = []

    @abstractmethod
    def step(self, images: Tensor, labels: Tensor, *, progress: float) -> None:
        """Learn from real images in [-1, 1]; `progress` is the share of the time that has passed."""

    @abstractmethod
    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        """Draw images in [-1, 1]; labels for a conditional model."""


def tutorial_adam(module: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=2e-4, betas=(0.5, 0.999))


def tutorial_mlp_generator(*, eps: float) -> nn.Sequential:
    """100 -> 128 -> 256 -> 512 -> 1024 -> 784; BatchNorm but in the first layer."""
    layers: list[nn.Module] = [nn.Linear(100, 128), nn.LeakyReLU(0.2)]
    for narrow, wide in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide, eps), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))


def tutorial_mlp_discriminator() -> nn.Sequential:
    """784 -> 512 -> 256 -> 1, a logit."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1)
    )


class TutorialGAN(Peer):
    """The loop of the tutorials: the generator's step, then the discriminator's on the same generated batch."""

    def __init__(self, G: nn.Module, D: nn.Module) -> None:
        super().__init__()
        self.G, self.D = G, D
        self.optimizers = [tutorial_adam(G), tutorial_adam(D)]

    def step(self, images: Tensor, labels: Tensor, *, progress: float) -> None:
        g_optimizer, d_optimizer = self.optimizers
        valid, fake = torch.ones(len(images), 1), torch.zeros(len(images), 1)
        g_optimizer.zero_grad()
        generated = self.G(torch.randn(len(images), 100))
        torch.autograd.backward(F.binary_cross_entropy_with_logits(self.D(generated), valid))
        g_optimizer.step()
        d_optimizer.zero_grad()
        real_loss = F.binary_cross_entropy_with_logits(self.D(images), valid)
        fake_loss = F.binary_cross_entropy_with_logits(self.D(generated.detach()), fake)
        torch.autograd.backward((real_loss + fake_loss) / 2)
        d_optimizer.step()

    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        images: Tensor = self.G(torch.randn(n, 100))
        return images


def tutorial_mlp() -> Peer:
    return TutorialGAN(tutorial_mlp_generator(eps=0.8), tutorial_mlp_discriminator())


class TutorialDCGAN(TutorialGAN):
    """32x32: upsampling and convolutions against strided convolutions with dropout."""

    def __init__(self) -> None:
        G = nn.Sequential(
            nn.Linear(100, 128 * 8 * 8), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, 1, 1), nn.BatchNorm2d(128, 0.8), nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, 1, 1), nn.BatchNorm2d(64, 0.8), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, 1, 1), nn.Tanh(),
        )  # fmt: skip
        layers: list[nn.Module] = []
        for narrow, wide, normalized in ((1, 16, False), (16, 32, True), (32, 64, True), (64, 128, True)):
            layers += [nn.Conv2d(narrow, wide, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
            layers += [nn.BatchNorm2d(wide, 0.8)] if normalized else []
        super().__init__(G, nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 1)))
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)

    def step(self, images: Tensor, labels: Tensor, *, progress: float) -> None:
        super().step(resize(images, 32), labels, progress=progress)

    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        return resize(super().draw(n, labels), 28)


def resize(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)


class WassersteinGP(Peer):
    """WGAN-GP (Gulrajani et al. 2017) with the tutorial's networks: five steps of the critic to one, penalty 10."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.G, self.D = tutorial_mlp_generator(eps=1e-5), tutorial_mlp_discriminator()
        self.optimizers = [tutorial_adam(self.G), tutorial_adam(self.D)]
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def step(self, images: Tensor, labels: Tensor, *, progress: float) -> None:
        g_optimizer, d_optimizer = self.optimizers
        generated = self.G(torch.randn(len(images), 100)).detach()
        share = torch.rand(len(images), 1, 1, 1)
        between = (share * images + (1 - share) * generated).requires_grad_()
        (slope,) = torch.autograd.grad(self.D(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        d_optimizer.zero_grad()
        torch.autograd.backward(self.D(generated).mean() - self.D(images).mean() + 10 * penalty)
        d_optimizer.step()
        self.count += 1
        if self.count % 5 == 0:
            g_optimizer.zero_grad()
            torch.autograd.backward(-self.D(self.G(torch.randn(len(images), 100))).mean())
            g_optimizer.step()

    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        images: Tensor = self.G(torch.randn(n, 100))
        return images


class Averaged(Peer):
    """A network with one loss: Adam whose learning rate decays as half a cosine, and an average of the weights."""

    count: Tensor
    batch_size = 128
    conditional = True

    def __init__(self, network: nn.Module, *, lr: float) -> None:
        super().__init__()
        self.network, self.lr = network.to(memory_format=torch.channels_last), lr  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizers = [torch.optim.Adam(self.network.parameters(), lr=lr, betas=(0.9, 0.99))]
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @abstractmethod
    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch."""

    def step(self, images: Tensor, labels: Tensor, *, progress: float) -> None:
        (optimizer,) = self.optimizers
        optimizer.param_groups[0]["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        optimizer.zero_grad()
        torch.autograd.backward(self.loss(images, labels))
        optimizer.step()
        self.count += 1
        update_average(self.average, self.network, beta=min(0.999, float(self.count) / (float(self.count) + 10)))


class VariationalAutoencoder(Averaged):
    """Bernoulli likelihood of the grey levels, 16 latents (Kingma & Welling 2014); draws means."""

    z_dim = 16

    def __init__(self) -> None:
        encoder = nn.Sequential(
            nn.Conv2d(11, 32, 4, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.SiLU(),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.SiLU(), nn.Linear(128, 2 * self.z_dim),
        )  # fmt: skip
        decoder = nn.Sequential(
            nn.Linear(self.z_dim + 10, 128), nn.SiLU(), nn.Linear(128, 64 * 7 * 7), nn.SiLU(),
            nn.Unflatten(1, (64, 7, 7)), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.SiLU(), nn.Conv2d(16, 1, 3, 1, 1),
        )  # fmt: skip
        super().__init__(nn.ModuleDict({"encoder": encoder, "decoder": decoder}), lr=2e-3)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        assert isinstance(self.network, nn.ModuleDict)
        one_hot = F.one_hot(labels, 10).float()
        planes = one_hot[:, :, None, None].expand(-1, -1, 28, 28)
        with torch.autocast("cpu", torch.bfloat16):
            mean, log_variance = self.network["encoder"](torch.cat([images, planes], 1)).float().chunk(2, 1)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            logits = self.network["decoder"](torch.cat([z, one_hot], 1)).float()
        nats = F.binary_cross_entropy_with_logits(logits, (images + 1) / 2, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        loss: Tensor = (nats + divergence) / len(images) / 100
        return loss

    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        assert isinstance(self.average, nn.ModuleDict)
        assert labels is not None
        z = torch.cat([torch.randn(n, self.z_dim), F.one_hot(labels, 10).float()], 1)
        images: Tensor = 2 * torch.sigmoid(self.average["decoder"](z)) - 1
        return images


class FlowBlock(nn.Module):
    """Residual block; time and label shift the features."""

    def __init__(self, narrow: int, wide: int, embedding: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.GroupNorm(8, narrow), nn.SiLU(), nn.Conv2d(narrow, wide, 3, 1, 1))
        self.shift = nn.Linear(embedding, wide)
        self.after = nn.Sequential(nn.GroupNorm(8, wide), nn.SiLU(), nn.Conv2d(wide, wide, 3, 1, 1))
        self.skip = nn.Identity() if narrow == wide else nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        hidden = self.before(x) + self.shift(embedded)[:, :, None, None]
        result: Tensor = self.skip(x) + self.after(hidden)
        return result


class FlowNetwork(nn.Module):
    """U-Net with two levels, 14x14 and 7x7; pixels enter and leave in blocks of 2x2."""

    frequencies: Tensor

    def __init__(self, width: int = 32, embedding: int = 64) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Embedding(10, embedding)
        self.enter = nn.Conv2d(4, width, 3, 1, 1)
        self.fine = FlowBlock(width, width, embedding)
        self.shrink = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.coarse = nn.ModuleList([FlowBlock(2 * width, 2 * width, embedding) for _ in range(3)])
        self.grow = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.last = FlowBlock(2 * width, width, embedding)
        self.leave = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 4, 3, 1, 1))
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(1000), 16)), persistent=False)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        embedded = F.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.label(labels))
        fine = self.fine(self.enter(F.pixel_unshuffle(x, 2)), embedded)
        coarse = self.shrink(fine)
        for block in self.coarse:
            coarse = block(coarse, embedded)
        last = self.last(torch.cat([self.grow(coarse), fine], 1), embedded)
        return F.pixel_shuffle(self.leave(last), 2)


class RectifiedFlow(Averaged):
    """Velocity from noise to images along straight lines (Liu et al. 2023); drawn by `FLOW_STEPS` midpoint steps."""

    def __init__(self) -> None:
        super().__init__(FlowNetwork(), lr=2e-3)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        noise = torch.randn_like(images)
        t = torch.sigmoid(torch.randn(len(images)))  # logit-normal (Esser et al. 2024)
        x = torch.lerp(noise, images, t[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            velocity = self.network(x, t, labels).float()
        return F.mse_loss(velocity, images - noise)

    def draw(self, n: int, labels: Tensor | None) -> Tensor:
        x = torch.randn(n, 1, 28, 28).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            for k in range(FLOW_STEPS):
                t = torch.full((n,), k / FLOW_STEPS)
                middle = x + self.average(x, t, labels).float() / (2 * FLOW_STEPS)
                x = x + self.average(middle, t + 0.5 / FLOW_STEPS, labels).float() / FLOW_STEPS
        return x.clamp(-1, 1)


PEERS = {
    "mlp": tutorial_mlp,
    "dcgan": TutorialDCGAN,
    "wgan-gp": WassersteinGP,
    "vae": VariationalAutoencoder,
    "flow": RectifiedFlow,
}


def build(name: str, *, seed: int) -> Peer:
    torch.manual_seed(rng.derive_seed(seed, f"peers/{name}/weights"))
    return PEERS[name]()


def train(name: str, *, seconds: float, seed: int, folder: Path, dataset: Dataset) -> None:
    """Train until `seconds` of processor time have passed, those of earlier calls included."""
    peer = build(name, seed=seed)
    step, spent = load(peer, folder)
    peer.train()
    saved, began = spent, time.process_time() - spent
    while (spent := time.process_time() - began) < seconds:
        torch.manual_seed(rng.derive_seed(seed, f"peers/{name}/step", step))
        chosen = torch.randint(len(dataset.images), (peer.batch_size,))
        images = dataset.images[chosen].float() / 127.5 - 1
        peer.step(images, dataset.labels[chosen], progress=spent / seconds)
        step += 1
        if spent - saved > CHECKPOINT_SECONDS:
            save(peer, folder, step=step, spent=spent)
            print(f"{name}: {spent:.0f} s, {step * peer.batch_size:,} images", flush=True)
            saved = spent
    save(peer, folder, step=step, spent=spent)
    print(f"{name}: {spent:.0f} s, {step * peer.batch_size:,} images, {step * peer.batch_size / spent:,.0f} images/s")


def save(peer: Peer, folder: Path, *, step: int, spent: float) -> None:
    """Write the weights and the state of the optimizers."""
    tensors = {f"model/{name}": tensor for name, tensor in peer.state_dict().items()}
    for number, optimizer in enumerate(peer.optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{index}/{key}": value for key, value in state.items()}
    metadata = {"step": str(step), "spent": str(spent)}
    content = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()}, metadata)
    storage.write_bytes(folder / "checkpoint.safetensors", content)


def load(peer: Peer, folder: Path) -> tuple[int, float]:
    """Read the checkpoint, if there is one; return the step and the seconds."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0, 0.0
    with safetensors.safe_open(path, "pt") as file:
        facts = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    peer.load_state_dict({key.removeprefix("model/"): v for key, v in tensors.items() if key.startswith("model/")})
    for number, optimizer in enumerate(peer.optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer/{number}/"):
                _, _, index, field = key.split("/")
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(facts["step"]), float(facts["spent"])


@torch.no_grad()
def draw(name: str, *, n: int, seed: int, folder: Path, dataset: Dataset) -> tuple[Tensor, Tensor | None]:
    """Draw uint8 images with the checkpoint, with labels in the proportions of the training set if conditional."""
    peer = build(name, seed=seed)
    load(peer, folder)
    peer.eval()
    labels = labels_in_proportion(dataset.labels, n=n, seed=seed) if peer.conditional else None
    parts = []
    for start in range(0, n, 250):
        torch.manual_seed(rng.derive_seed(seed, f"peers/{name}/draw", start))
        count = min(250, n - start)
        parts.append(peer.draw(count, None if labels is None else labels[start : start + count]))
    return torch.cat(parts).add(1).mul(127.5).round().clamp(0, 255).byte(), labels


def measure(name: str, *, n: int, seed: int, folder: Path, dataset: Dataset) -> dict[str, Any]:
    """Draw images, evaluate them with both judges in full, and return a row for the log."""
    images, labels = draw(name, n=n, seed=seed, folder=folder, dataset=dataset)
    save_npz(folder / "images.npz", images, labels)
    save_grid(folder / "images.png", images[:100], columns=10)
    found = evaluate(folder / "images.npz", judges="both", full=True)
    peer = build(name, seed=seed)
    step, spent = load(peer, folder)
    figures = {key: value for row in reversed(figures_rows(found)) for key, value in row.items()}
    return {
        "name": name,
        "seed": seed,
        "seconds": spent,
        "nimg": step * peer.batch_size,
        "parameters": sum(parameter.numel() for parameter in peer.parameters() if parameter.requires_grad),
        "figures": {
            key.removeprefix(METRIC_PREFIX): value for key, value in figures.items() if key.startswith(METRIC_PREFIX)
        },
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a row per model, a column per figure."""
    names = list(dict.fromkeys(
        name for kind in SHOWN for row in rows for name in row["figures"] if figure_kind(name) == kind
    ))  # fmt: skip
    lines = ["| model | weights | seconds | images | " + " | ".join(f"`{name}`" for name in names) + " |"]
    lines.append("|---" * (4 + len(names)) + "|")
    for row in rows:
        cells = [_cell(name, row["figures"].get(name)) for name in names]
        facts = [f"`{row['name']}`", f"{row['parameters']:,}", f"{row['seconds']:.0f}", f"{row['nimg']:,}"]
        lines.append("| " + " | ".join([*facts, *cells]) + " |")
    return "\n".join(lines)


def _cell(name: str, value: float | None) -> str:
    info = figure_info(name)
    if value is None or info is None:
        return ""
    return f"{value:.1%}" if info.percent else format_number(value)


def main() -> None:
    """Train, measure or tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("train", "measure", "table"))
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--out", type=Path, default=Path("peers"), help="folder of checkpoints (default peers)")
    parser.add_argument("--log", type=Path, default=Path("peers.jsonl"), help="log (default peers.jsonl)")
    parser.add_argument("--seconds", type=float, default=1800.0, help="processor seconds per training (default 1800)")
    parser.add_argument("--seed", type=int, default=0, help="seed (default 0)")
    parser.add_argument("--data", help="folder of MNIST's four files; default: MNIST_GAN_DATA, or downloaded")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(DataConfig(name="mnist", dir=arguments.data))
    for name in arguments.names:
        folder = arguments.out / f"{name}-{arguments.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.action == "train":
            train(name, seconds=arguments.seconds, seed=arguments.seed, folder=folder, dataset=dataset)
        elif arguments.action == "measure":
            row = measure(name, n=NUM_IMAGES, seed=arguments.seed, folder=folder, dataset=dataset)
            with arguments.log.open("a") as log:
                log.write(json.dumps(row) + "\n")
    if arguments.action == "table":
        print(table(read_log(arguments.log)))


if __name__ == "__main__":
    main()

"""A GAN on MNIST in one file, with torch alone: a small DCGAN and the non-saturating loss of Goodfellow et al. (2014).

`python examples/gan.py [DATA_DIR]` prints both losses and draws samples.pgm every 100 steps. DATA_DIR (default: the
current folder) holds train-images-idx3-ubyte.gz from https://ossci-datasets.s3.amazonaws.com/mnist/. The weights equal
those of `mnist-gan train classic-dcgan --training.precision float32`, bit for bit.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

SEED, BATCH_SIZE, STEPS, Z_DIM, SLOPE, GAIN = 0, 64, 18_750, 100, 0.2, (2.0 / (1.0 + 0.2**2)) ** 0.5


def train(images: Tensor, steps: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Algorithm 1 of Goodfellow et al. (2014), except that G learns from the last fake batch instead of a new one."""
    G, D = build_networks(images.shape[-1] // 4)
    g_optimizer, d_optimizer = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (G, D))
    for step in range(steps):
        real_images = real_batch(images, step)
        fake_images = G(torch.randn(BATCH_SIZE, Z_DIM, generator=rng("train/z", step)))
        d_loss = (softplus(-D(real_images)) + softplus(D(fake_images.detach()))).mean()  # -log s(D(x)) - log(1 - ...)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_loss = softplus(-D(fake_images)).mean()  # -log s(D(G(z)))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"{step + 1:6} of {steps} steps   G {g_loss:.3f}   D {d_loss:.3f}", flush=True)
            draw_samples(G, Path("samples.pgm"))
    return G, D


def build_networks(s: int) -> tuple[nn.Sequential, nn.Sequential]:
    """G: z to an image of 4s x 4s pixels in [-1, 1]. D: such an image to a logit, high for real images."""
    G = nn.Sequential(
        nn.Linear(Z_DIM, s * s * 128, bias=False), nn.Unflatten(1, (s, s, 128)), Permute(0, 3, 1, 2),
        nn.BatchNorm2d(128), nn.LeakyReLU(SLOPE), nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64), nn.LeakyReLU(SLOPE), nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32), nn.LeakyReLU(SLOPE), nn.Conv2d(32, 1, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.LeakyReLU(SLOPE),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(SLOPE),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(SLOPE),
        Permute(0, 2, 3, 1), nn.Flatten(), nn.Linear(s * s * 128, 1), nn.Flatten(0),
    )  # fmt: skip
    for network, generator in ((G, rng("init/generator")), (D, rng("init/discriminator"))):
        layers = [layer for layer in network if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        for layer in layers:  # GAIN keeps the variance through a leaky ReLU (He et al. 2015, eq. 15)
            fan_in = 4 * len(layer.weight) if isinstance(layer, nn.ConvTranspose2d) else layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=(1.0 if layer is layers[-1] else GAIN) / fan_in**0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return G.to(memory_format=torch.channels_last), D.to(memory_format=torch.channels_last)  # faster convolutions


class Permute(nn.Module):
    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


def real_batch(images: Tensor, step: int) -> Tensor:
    """Batch `step` of an endless sequence of shuffled epochs, in [-1, 1]."""
    epoch, start = divmod(step * BATCH_SIZE, len(images))
    order = torch.cat([torch.randperm(len(images), generator=rng("shuffle", e)) for e in (epoch, epoch + 1)])
    return images[order[start : start + BATCH_SIZE]] / 127.5 - 1.0


def rng(stream: str, position: int = 0) -> torch.Generator:
    """Random numbers for one purpose and one position, independent of all that was drawn before."""
    digest = hashlib.sha256(f"{SEED}/{stream}/{position}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_samples(G: nn.Sequential, path: Path) -> None:
    """Draw 8 x 8 images, always from the same z, into a PGM file."""
    images = G.eval()(torch.randn(64, Z_DIM, generator=rng("samples"))).detach()
    G.train()
    grid = torch.cat([torch.cat(list(row), dim=-1) for row in images.squeeze(1).split(8)])  # [8*H, 8*W]
    pixels = ((grid + 1.0) * 127.5).round().to(torch.uint8).flatten().tolist()
    path.write_bytes(b"P5 %d %d 255\n" % (grid.shape[1], grid.shape[0]) + bytes(pixels))


if __name__ == "__main__":
    path = Path(*sys.argv[1:2], "train-images-idx3-ubyte.gz")
    content = gzip.decompress(path.read_bytes()) if path.is_file() else sys.exit(f"no {path}; usage: gan.py DATA_DIR")
    train(torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8).view(-1, 1, content[11], content[15]), STEPS)

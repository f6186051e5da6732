"""The judges: two small, frozen digit classifiers whose penultimate layers are the features of every distance here.

Inception's features, which the usual FID stands on, were learned from photographs; on 28x28 digits they see little, and
every project that trains a classifier of its own gets figures that compare with nobody else's. These two networks ship
with the package, are named in every figure (`fd10k_mnistnet`), and never change under the same name: the sha256 of
their files is written in this module, and a file that differs from it is refused. They judge; no training objective may
use them.

Both are scaled after training so that the features of MNIST's training images have a total variance of
`TOTAL_VARIANCE` = 100: a Frechet distance of 1 is one percent of the variance of the real digits, under either judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal, TypeAlias, TypeVar, cast

import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from mnist_gan.errors import ArtifactError
from mnist_gan.storage import sha256_bytes

JudgeName: TypeAlias = Literal["mnistnet", "mnistnet-b"]

NUM_DIGITS: Final = 10
JUDGE_RESOLUTION: Final = 28
TOTAL_VARIANCE: Final = 100.0
BATCH_SIZE: Final = 500

DIGESTS: Final[dict[JudgeName, str]] = {
    "mnistnet": "41bb5f7eb63e62a5c2d582ee91d1c4d8be4213d110be55a7310449e7b0eb2626",
    "mnistnet-b": "9e70e663f41d9f92f8dabc2bf41ded55810ae58ad4db87bba6b73698f4c051c3",
}
"""The sha256 of each judge's weights file. A judge that changes gets a new name."""


class MnistNet(nn.Module):
    """The first judge: five plain convolutions, strides instead of pooling, 64 features that keep where things are.

    1x28x28 -> 32x14x14 -> 48x14x14 -> 64x7x7 -> 64x7x7 -> 96x4x4 -> flattened -> 64 features -> 10 logits; ReLU after
    each.
    """

    feature_dim: Final = 64

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(1, 32, kernel=5, stride=2),
            conv_block(32, 48),
            conv_block(48, 64, stride=2),
            conv_block(64, 64),
            conv_block(64, 96, stride=2),
            nn.Flatten(),
            linear_block(96 * 4 * 4, self.feature_dim),
        )
        self.head = nn.Linear(self.feature_dim, NUM_DIGITS)

    def forward(self, images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
        """Logits of the ten digits for images in [-1, 1]."""
        return cast(Tensor, self.head(self.features(images)))

    def features(self, images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n d"]:
        """The penultimate layer, non-negative."""
        return cast(Tensor, self.body(images))


class MnistNetB(nn.Module):
    """The second judge: residual, average-pooled, 96 features that know what is there more than where.

    1x28x28 -> 24x28x28 -> pooled -> 48x14x14 residual -> pooled -> 96x7x7 residual -> mean -> 96 features -> 10 logits.
    """

    feature_dim: Final = 96

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(1, 16),
            nn.MaxPool2d(2),
            conv_block(16, 48),
            Residual(48),
            nn.MaxPool2d(2),
            conv_block(48, 64),
            Residual(64),
            conv_block(64, 96, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            linear_block(96, self.feature_dim),
        )
        self.head = nn.Linear(self.feature_dim, NUM_DIGITS)

    def forward(self, images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
        """Logits of the ten digits for images in [-1, 1]."""
        return cast(Tensor, self.head(self.features(images)))

    def features(self, images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n d"]:
        """The penultimate layer, non-negative."""
        return cast(Tensor, self.body(images))


class Residual(nn.Module):
    """`x + block(x)`, at constant width and resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = conv_block(channels, channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Add the block's output to its input."""
        return x + cast(Tensor, self.block(x))


def conv_block(in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU; "same" padding."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())


def linear_block(in_features: int, out_features: int) -> nn.Sequential:
    """Linear, BatchNorm, ReLU."""
    return nn.Sequential(nn.Linear(in_features, out_features), nn.BatchNorm1d(out_features), nn.ReLU())


Network: TypeAlias = MnistNet | MnistNetB

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

ARCHITECTURES: Final[dict[JudgeName, type[MnistNet] | type[MnistNetB]]] = {
    "mnistnet": MnistNet,
    "mnistnet-b": MnistNetB,
}


def fold_batchnorm_(network: AnyNetwork) -> AnyNetwork:
    """Merge every BatchNorm of a network in eval mode into the layer before it, in place: the same function."""
    for module in network.modules():
        if (
            isinstance(module, nn.Sequential)
            and len(module) > 1
            and isinstance(module[1], nn.modules.batchnorm._BatchNorm)
        ):
            fuse = fuse_conv_bn_eval if isinstance(module[0], nn.Conv2d) else fuse_linear_bn_eval
            module[0] = fuse(module[0], module[1])  # type: ignore[type-var]
            module[1] = nn.Identity()
    return network


def init_weights(network: Network, *, generator: torch.Generator) -> None:
    """Initialise in place.

    | layer | weight | bias |
    |---|---|---|
    | convolution, linear | normal, variance 2 / fan-in (He et al. 2015) | 0 |
    | head | normal, variance 1 / fan-in | 0 |
    | BatchNorm | 1 | 0 |
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            gain: Literal["linear", "relu"] = "linear" if module is network.head else "relu"
            nn.init.kaiming_normal_(module.weight, nonlinearity=gain, generator=generator)
            nn.init.zeros_(cast(Tensor, module.bias))


def logits_of(network: nn.Module, images: UInt8[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
    """Logits of uint8 images, in batches."""
    with torch.no_grad():
        batches = [network(_as_input(batch)) for batch in torch.split(images, BATCH_SIZE)]
    return torch.cat(batches)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a judge sees in n images of c channels; each channel is seen as a digit of its own."""

    features: Float[Tensor, "n cd"]
    """The penultimate layer, float32; of several channels one after the other."""
    logits: Float[Tensor, "n c 10"]

    @property
    def classes(self) -> Int[Tensor, "n"]:
        """The digit read in each image; of several channels the number that their digits write, first channel first."""
        digits = self.logits.argmax(dim=2)
        places = 10 ** torch.arange(digits.shape[1] - 1, -1, -1)
        return (digits * places).sum(1)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A frozen judge, ready to look at images."""

    name: JudgeName
    digest: str
    """sha256 of its weights file."""
    network: Network

    @torch.no_grad()
    def look(self, images: UInt8[Tensor, "n c h w"], *, progress: Callable[[int, int], None] | None = None) -> Seen:
        """Features and logits of uint8 images of any number of channels; other sizes than 28x28 are resized first.

        `progress` is called with (images done, images in all).
        """
        n, channels = images.shape[:2]
        features = torch.empty(n, channels * self.network.feature_dim)
        logits = torch.empty(n, channels, NUM_DIGITS)
        for start in range(0, n, BATCH_SIZE):
            batch = images[start : start + BATCH_SIZE]
            seen = self.network.features(_as_input(batch.flatten(0, 1).unsqueeze(1)))  # [k*c, d]
            rows = slice(start, start + len(batch))
            features[rows] = seen.view(len(batch), -1)
            logits[rows] = self.network.head(seen).view(len(batch), channels, NUM_DIGITS)
            if progress is not None:
                progress(rows.stop, n)
        return Seen(features=features, logits=logits)


@lru_cache(maxsize=2)
def load_judge(name: JudgeName = "mnistnet") -> Judge:
    """A shipped judge, verified against the digest in this module.

    Raises:
        ArtifactError: its file is missing from the installation, or differs from the one released.
    """
    path = resources.files("mnist_gan.weights") / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"the judge's weights {path} are missing; install mnist-gan again") from error
    if sha256_bytes(content) != DIGESTS[name]:
        raise ArtifactError(f"the judge's weights {path} are not the ones released; install mnist-gan again")
    return Judge(name=name, digest=DIGESTS[name], network=network_from_bytes(name, content))


def network_from_bytes(name: JudgeName, content: bytes) -> Network:
    """The network of a judge from its safetensors file, in eval mode, without gradients, BatchNorm folded."""
    network = ARCHITECTURES[name]()
    network.load_state_dict(safetensors.torch.load(content))
    network.eval().requires_grad_(False)
    return fold_batchnorm_(network)


def _as_input(images: UInt8[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 28 28"]:
    x = images.float() / 127.5 - 1
    if x.shape[2:] != (JUDGE_RESOLUTION, JUDGE_RESOLUTION):
        size = (JUDGE_RESOLUTION, JUDGE_RESOLUTION)
        x = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    return x.contiguous(memory_format=torch.channels_last)

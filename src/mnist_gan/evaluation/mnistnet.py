"""The judges: two small frozen digit classifiers whose penultimate layers are the features of every distance.

The usual FID uses features of Inception, which was trained on photographs and resolves little in 28x28 digits. These
two networks ship with the package. Their name is in every figure (`fd10k_mnistnet`), and weights never change under a
name: a file whose sha256 differs from the one in this module is refused. No training objective may use them. The same
architectures can be trained on other data (`judges`).

Both are scaled after training so that the features of MNIST's training images have a total variance of
`TOTAL_VARIANCE` = 100: under either judge, a Frechet distance of 1 is one percent of the variance of real digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal, TypeAlias, TypeVar, cast

import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 - the usual alias
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from mnist_gan.errors import ArtifactError
from mnist_gan.parallel import map_in_parallel
from mnist_gan.storage import sha256_bytes
from mnist_gan.torch_defaults import default_torch_state

JudgeName: TypeAlias = Literal["mnistnet", "mnistnet-b"]

NUM_DIGITS: Final = 10
JUDGE_SIZE: Final = (28, 28)
TOTAL_VARIANCE: Final = 100.0
BATCH_SIZE: Final = 500

DIGESTS: Final[dict[JudgeName, str]] = {
    "mnistnet": "41bb5f7eb63e62a5c2d582ee91d1c4d8be4213d110be55a7310449e7b0eb2626",
    "mnistnet-b": "9e70e663f41d9f92f8dabc2bf41ded55810ae58ad4db87bba6b73698f4c051c3",
}
"""sha256 of each judge's weights file."""


class JudgeNetwork(nn.Module):
    """A classifier with named features: `body` computes them, `head` turns them into logits.

    Args:
        channels: of the images that are read as a whole; 1 reads each channel of an image as an image of its own.
        num_classes: number of classes, ten for digits.
    """

    feature_dim: int
    body: nn.Sequential
    head: nn.Linear

    def __init__(self, *, channels: int = 1, num_classes: int = NUM_DIGITS) -> None:
        super().__init__()
        self.channels, self.num_classes = channels, num_classes

    def forward(self, images: Float[Tensor, "n c 28 28"]) -> Float[Tensor, "n classes"]:
        """Logits of the classes for images in [-1, 1]."""
        return cast(Tensor, self.head(self.features(images)))

    def features(self, images: Float[Tensor, "n c 28 28"]) -> Float[Tensor, "n d"]:
        """Penultimate layer, non-negative."""
        return cast(Tensor, self.body(images))


class MnistNet(JudgeNetwork):
    """The first judge: five plain convolutions with strides and no pooling; its 64 features keep positions.

    1x28x28 -> 32x14x14 -> 48x14x14 -> 64x7x7 -> 64x7x7 -> 96x4x4 -> flattened -> 64 features -> 10 logits; ReLU after
    each.
    """

    feature_dim = 64

    def __init__(self, *, channels: int = 1, num_classes: int = NUM_DIGITS) -> None:
        super().__init__(channels=channels, num_classes=num_classes)
        self.body = nn.Sequential(
            conv_block(channels, 32, kernel=5, stride=2),
            conv_block(32, 48),
            conv_block(48, 64, stride=2),
            conv_block(64, 64),
            conv_block(64, 96, stride=2),
            nn.Flatten(),
            linear_block(96 * 4 * 4, self.feature_dim),
        )
        self.head = nn.Linear(self.feature_dim, num_classes)


class MnistNetB(JudgeNetwork):
    """The second judge: residual and average-pooled; its 96 features are less sensitive to position.

    1x28x28 -> 16x28x28 -> pooled -> 48x14x14 residual -> pooled -> 64x7x7 residual -> 96x4x4 -> mean -> 96 features ->
    10 logits.
    """

    feature_dim = 96

    def __init__(self, *, channels: int = 1, num_classes: int = NUM_DIGITS) -> None:
        super().__init__(channels=channels, num_classes=num_classes)
        self.body = nn.Sequential(
            conv_block(channels, 16),
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
        self.head = nn.Linear(self.feature_dim, num_classes)


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


AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

ARCHITECTURES: Final[dict[JudgeName, type[JudgeNetwork]]] = {"mnistnet": MnistNet, "mnistnet-b": MnistNetB}


def fold_batchnorm_(network: AnyNetwork) -> AnyNetwork:
    """Fold every BatchNorm of a network in evaluation mode into the layer before it, in place."""
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


def init_weights(network: JudgeNetwork, *, generator: torch.Generator) -> None:
    """Initialize in place.

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


def predict_logits(network: nn.Module, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
    """Logits of uint8 images, computed in batches without gradients."""

    @torch.no_grad()
    def compute(batch: Tensor) -> Tensor:
        return cast(Tensor, network(_as_input(batch)))

    return torch.cat(map_in_parallel(compute, torch.split(images, BATCH_SIZE)))


def accuracy(network: nn.Module, images: UInt8[Tensor, "n c h w"], labels: Int[Tensor, "n"]) -> float:
    """Share of images whose most likely class is their label."""
    return float((predict_logits(network, images).argmax(1) == labels).double().mean())


@dataclass(frozen=True, kw_only=True)
class JudgeOutput:
    """Features and logits of n images in r readings: one of the whole image, or one of each channel."""

    features: Float[Tensor, "n rd"]
    """Penultimate layer, float32; the readings' features are concatenated."""
    logits: Float[Tensor, "n r classes"]

    @property
    def classes(self) -> Int[Tensor, "n"]:
        """Class read in each image; with several readings the number that their digits form, first channel first."""
        digits = self.logits.argmax(dim=2)
        places = self.logits.shape[2] ** torch.arange(digits.shape[1] - 1, -1, -1)
        return (digits * places).sum(1)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A frozen judge."""

    name: str
    digest: str
    """sha256 of its weights file."""
    network: JudgeNetwork
    data_sha256: str | None = None
    """Digest of the data set that it was trained on; None for the shipped judges, which were trained on MNIST."""
    accuracy: float | None = None
    """Share of the data set's held-out images that it reads right; None for the shipped judges."""

    @default_torch_state()
    def predict(
        self, images: UInt8[Tensor, "n c h w"], *, progress: Callable[[int, int], None] | None = None
    ) -> JudgeOutput:
        """Features and logits of uint8 images; sizes other than 28x28 are resized.

        Args:
            images: as many channels as the network reads as a whole, or a multiple of them.
            progress: receives (images done, images in all) after each batch.
        """
        n, channels, *size = images.shape
        readings = channels // self.network.channels
        features = torch.empty(n, readings * self.network.feature_dim)
        logits = torch.empty(n, readings, self.network.num_classes)

        @torch.no_grad()
        def compute(rows: slice) -> None:
            batch = images[rows]
            read = self.network.features(_as_input(batch.reshape(-1, self.network.channels, *size)))  # [k*r, d]
            features[rows] = read.view(len(batch), -1)
            logits[rows] = self.network.head(read).view(len(batch), readings, -1)

        def report(batches: int) -> None:
            if progress is not None:
                progress(min(batches * BATCH_SIZE, n), n)

        map_in_parallel(compute, (slice(i, i + BATCH_SIZE) for i in range(0, n, BATCH_SIZE)), progress=report)
        return JudgeOutput(features=features, logits=logits)


@lru_cache(maxsize=2)
@default_torch_state()
def load_judge(name: JudgeName = "mnistnet") -> Judge:
    """Load a shipped judge and verify its digest.

    Raises:
        ArtifactError: the weights file is missing from the installation, or differs from the released one.
    """
    path = resources.files("mnist_gan.weights") / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"the judge's weights {path} are missing; install mnist-gan again") from error
    if sha256_bytes(content) != DIGESTS[name]:
        raise ArtifactError(f"the judge's weights {path} are not the ones released; install mnist-gan again")
    return Judge(name=name, digest=DIGESTS[name], network=network_from_bytes(name, content))


def network_from_bytes(
    architecture: JudgeName, content: bytes, *, channels: int = 1, num_classes: int = NUM_DIGITS
) -> JudgeNetwork:
    """Build a judge's network from its safetensors file: evaluation mode, no gradients, BatchNorm folded."""
    with torch.random.fork_rng(devices=[]):  # the initial weights, replaced at once, would move the caller's generator
        network = ARCHITECTURES[architecture](channels=channels, num_classes=num_classes)
        network.load_state_dict(safetensors.torch.load(content))
        network.eval().requires_grad_(False)
        return fold_batchnorm_(network)


def at_judge_size(images: UInt8[Tensor, "n c h w"]) -> UInt8[Tensor, "n c 28 28"]:
    """Images at the size that judges read, rounded to uint8."""
    if images.shape[2:] == JUDGE_SIZE:
        return images
    return torch.cat([((_as_input(batch) + 1) * 127.5).round().byte() for batch in torch.split(images, BATCH_SIZE)])


def _as_input(images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n c 28 28"]:
    x = images.float() / 127.5 - 1
    if x.shape[2:] != JUDGE_SIZE:
        x = F.interpolate(x, JUDGE_SIZE, mode="bilinear", antialias=True, align_corners=False)
    return x.contiguous(memory_format=torch.channels_last)

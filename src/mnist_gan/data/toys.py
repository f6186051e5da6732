"""Two-dimensional toys: points whose distribution is known, points from a file, and mixtures of Gaussians.

Points are float32 (N, 2, 1, 1), in the units of their source. The built-in toys have fixed seeds: the same points on
every machine, up to the last bits of the processor's arithmetic.
"""

from __future__ import annotations

import io
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from mnist_gan import rng
from mnist_gan.config import DATA_NAMES, ToyName
from mnist_gan.data.foreign import recognize
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.paths import user_path
from mnist_gan.settings import shown
from mnist_gan.storage import read_regular, sha256_bytes
from mnist_gan.text import decode_text, pluralize

TOY_POINTS: Final = 100_000
"""Training points of a toy, as in PacGAN (Lin et al. 2018, section 4.1)."""
TOY_HELD_OUT_POINTS: Final = 10_000
HELD_OUT_SHARE: Final = 7
"""One point of a file in seven is held out, as of MNIST's images."""
MIN_POINTS: Final = 20
"""Smallest number of points in a file."""
MAX_FILE_BYTES: Final = 64 << 20
MAX_COORDINATE: Final = 1e9
MAX_COMPONENTS: Final = 1_000
SWISS_ROLL_STD: Final = 0.1
TWO_MOONS_STD: Final = 0.05
CURVE_PLACES: Final = 1_000
"""Places along the curve of a toy at which its density is summed."""

Points: TypeAlias = Float32[Tensor, "n 2"]
Sampler: TypeAlias = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
"""Draws n points (N, 2) and their labels (N,)."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Isotropic Gaussians of the plane: the modes of a toy."""

    means: Float32[Tensor, "k 2"]
    stds: Float32[Tensor, " k"]
    """Standard deviation of each component, along any axis."""
    weights: Float32[Tensor, " k"]
    """Probability of each component."""

    def sample(self, n: int, source: torch.Generator) -> tuple[Points, Int64[Tensor, " n"]]:
        """Draw points, and the component of each."""
        labels = torch.multinomial(self.weights, n, replacement=True, generator=source)
        return self.means[labels] + self.stds[labels, None] * torch.randn(n, 2, generator=source), labels


@dataclass(frozen=True, kw_only=True)
class Board:
    """Equal squares of the plane, all as likely, each uniform."""

    corners: Float32[Tensor, "k 2"]
    """Lower left corner of each square."""
    side: float


@dataclass(frozen=True, kw_only=True)
class PointSet:
    """Training and held-out points with their labels, before they become a `Dataset`."""

    name: str
    points: Points
    labels: Int64[Tensor, " n"]
    held_out_points: Float32[Tensor, "m 2"]
    held_out_labels: Int64[Tensor, " m"]
    digests: dict[str, str]
    source: str
    mixture: Mixture | None = None
    """Modes of the distribution, where they are known."""


def ring8() -> Mixture:
    """Eight Gaussians on the unit circle, standard deviation 0.01 (Lin et al. 2018, section 4.1)."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return _equal_components(torch.stack([angles.cos(), angles.sin()], dim=1), std=0.01)


def grid25() -> Mixture:
    """A 5 x 5 grid of Gaussians, 2 apart, standard deviation 0.05 (Lin et al. 2018, section 4.1)."""
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return _equal_components(torch.cartesian_prod(ticks, ticks), std=0.05)


def board() -> Board:
    """The dark squares of a 4 x 4 board over [-4, 4] x [-4, 4]."""
    squares = torch.arange(8)
    row, column = squares // 2, 2 * (squares % 2) + squares // 2 % 2
    return Board(corners=torch.stack([column, row], dim=1) * 2.0 - 4, side=2.0)


def swiss_roll(n: int, source: torch.Generator) -> tuple[Points, Int64[Tensor, " n"]]:
    """A spiral of one and a half turns with noise of 0.1; one label."""
    spiral = _spiral(torch.rand(n, generator=source))
    return spiral + SWISS_ROLL_STD * torch.randn(n, 2, generator=source), torch.zeros(n, dtype=torch.int64)


def two_moons(n: int, source: torch.Generator) -> tuple[Points, Int64[Tensor, " n"]]:
    """Two interleaving half circles with noise of 0.05; the label is the moon."""
    labels = torch.randint(2, (n,), generator=source)
    upper, lower = _half_circles(torch.rand(n, generator=source))
    moons = torch.where(labels[:, None] == 0, upper, lower)
    return moons + TWO_MOONS_STD * torch.randn(n, 2, generator=source), labels


def checkerboard(n: int, source: torch.Generator) -> tuple[Points, Int64[Tensor, " n"]]:
    """The squares of `board`; the label is the square."""
    labels = torch.randint(8, (n,), generator=source)
    corners, side = board().corners, board().side
    return corners[labels] + side * torch.rand(n, 2, generator=source), labels


def along(curves: Sequence[Float32[Tensor, "_ 2"]], *, std: float) -> Mixture:
    """The distribution of points at random places of curves with noise, as a mixture of a Gaussian at each place.

    Args:
        curves: places at equal steps of each curve's parameter; all curves are as likely.
        std: of the noise. Steps of up to one standard deviation change the density by less than 1e-6 of its value.
    """
    weights = [torch.full((len(curve),), 1 / (len(curves) * len(curve))) for curve in curves]
    means = torch.cat(list(curves))
    return Mixture(means=means, stds=torch.full((len(means),), std), weights=torch.cat(weights))


def density_of(name: ToyName) -> Mixture | Board:
    """The distribution that the points of a built-in toy are drawn from."""
    match name:
        case "ring8" | "grid25":
            return MIXTURES[name]()
        case "swiss-roll":
            return along([_spiral(_middles(CURVE_PLACES))], std=SWISS_ROLL_STD)
        case "two-moons":
            return along(_half_circles(_middles(CURVE_PLACES // 2)), std=TWO_MOONS_STD)
        case "checkerboard":
            return board()


def _spiral(share: Float32[Tensor, " n"]) -> Points:
    """One and a half turns of a spiral, for shares 0 to 1."""
    angle = 1.5 * math.pi * (1 + 2 * share)
    return torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1) / 5


def _half_circles(share: Float32[Tensor, " n"]) -> tuple[Points, Points]:
    """Both half circles of the moons, for shares 0 to 1."""
    angle = math.pi * share
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    return upper, torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)


def _middles(n: int) -> Float32[Tensor, " n"]:
    return (torch.arange(n) + 0.5) / n


MIXTURES: Final[Mapping[ToyName, Callable[[], Mixture]]] = {"ring8": ring8, "grid25": grid25}
SAMPLERS: Final[Mapping[ToyName, Sampler]] = {
    "swiss-roll": swiss_roll,
    "two-moons": two_moons,
    "checkerboard": checkerboard,
}


def load_toy(name: ToyName) -> PointSet:
    """Draw a built-in toy."""
    mixture = MIXTURES[name]() if name in MIXTURES else None
    sampler = SAMPLERS[name] if mixture is None else mixture.sample
    return _drawn(name, sampler, digest=sha256_bytes(f"{name}, version 1".encode()), mixture=mixture)


def load_points(file: str | None) -> PointSet:
    """Read points (CSV or .npy, two columns), or draw from a mixture (.toml).

    Raises:
        ConfigError: there is no file, or its suffix is another.
        DataError: the file cannot be read, or does not hold what its suffix says.
    """
    if file is None:
        raise ConfigError(
            "data.name points needs a file; add --data.file FILE with points (.csv or .npy) or a mixture (.toml)"
        )
    path = user_path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"data.file is {file}; points are read from .csv, .txt or .npy, and a mixture from .toml")
    content = _read(path)
    name = f"{path.stem}-points" if path.stem in DATA_NAMES else path.stem
    digest = sha256_bytes(content)
    if path.suffix.lower() == ".toml":
        mixture = parse_mixture(content, source=str(path))
        return _drawn(name, mixture.sample, digest=digest, mixture=mixture, origin=f" of {path}")
    return _split(name, read_points(content, path=path), digest=digest, path=path)


def read_points_file(path: Path) -> Points:
    """Read a file of points (.csv, .txt or .npy).

    Raises:
        DataError: it cannot be read, or does not hold points.
    """
    return read_points(_read(path), path=path)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, most=MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_points(content: bytes, *, path: Path) -> Points:
    """Parse a file of points, by the suffix of its path.

    Raises:
        DataError: it is no table of two columns of finite numbers.
    """
    found = recognize(content)
    if found is not None:
        raise DataError(f"{path} {found.clause}; {found.remedy}")
    try:
        table = READERS[path.suffix.lower()](content)
    except Exception as error:  # numpy raises all kinds of errors for damaged files
        advice = "write two numbers per line, x and y" if path.suffix.lower() != ".npy" else "save it with numpy.save"
        raise DataError(f"{path} cannot be read as a table of points ({error}); {advice}") from error
    if table.ndim != 2 or table.shape[1] != 2 or not np.issubdtype(table.dtype, np.number) or np.iscomplexobj(table):
        raise DataError(
            f"{path} holds an array of shape {table.shape} and type {table.dtype}; expected N x 2 numbers, x and y"
        )
    if len(table) == 0:
        raise DataError(f"{path} holds 0 points; write two numbers per line, x and y")
    rows = np.flatnonzero(~(np.abs(table.astype(np.float64)) <= MAX_COORDINATE).all(axis=1))
    if len(rows):
        raise DataError(
            f"{path}: point {rows[0] + 1} is ({table[rows[0], 0]}, {table[rows[0], 1]}); "
            f"coordinates must be finite and at most {MAX_COORDINATE:g}"
        )
    return torch.from_numpy(table.astype(np.float32))


def parse_mixture(content: bytes, *, source: str) -> Mixture:
    """Parse a mixture in TOML: `[[component]]` tables with `mean = [x, y]`, `std`, and optionally `weight`.

    Raises:
        DataError: it is no such mixture; the message names the component.
    """
    try:
        values = tomllib.loads(decode_text(content))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not valid TOML: {error}") from error
    components = values.get("component")
    if set(values) != {"component"} or not isinstance(components, list) or not 1 <= len(components) <= MAX_COMPONENTS:
        raise DataError(
            f"{source} is not a mixture; give 1 to {MAX_COMPONENTS:,} tables [[component]] with mean = [x, y] and std"
        )
    rows = [_component(each, place=f"{source}: component {i}") for i, each in enumerate(components, start=1)]
    means, stds, weights = (torch.tensor(column, dtype=torch.float32) for column in zip(*rows, strict=True))
    return Mixture(means=means, stds=stds, weights=weights / weights.sum())


def _component(values: Any, *, place: str) -> tuple[list[float], float, float]:
    if not isinstance(values, dict) or not {"mean", "std"} <= set(values) <= {"mean", "std", "weight"}:
        raise DataError(f"{place} must have the fields mean and std, and may have weight")
    mean = values["mean"]
    if not isinstance(mean, list) or len(mean) != 2 or not all(_is_coordinate(each) for each in mean):
        raise DataError(f"{place}: mean is {shown(mean)}; it must be two finite numbers, [x, y]")
    for name in ("std", "weight"):
        number = values.get(name, 1.0)
        if not _is_coordinate(number) or number <= 0:
            raise DataError(f"{place}: {name} is {shown(number)}; it must be a number above 0")
    return [float(each) for each in mean], float(values["std"]), float(values.get("weight", 1.0))


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_COORDINATE


def _equal_components(means: Float32[Tensor, "k 2"], *, std: float) -> Mixture:
    k = len(means)
    return Mixture(means=means, stds=torch.full((k,), std), weights=torch.full((k,), 1 / k))


def _drawn(name: str, sampler: Sampler, *, digest: str, mixture: Mixture | None, origin: str = "") -> PointSet:
    points, labels = sampler(TOY_POINTS, rng.generator(0, "toy/train"))
    held_out_points, held_out_labels = sampler(TOY_HELD_OUT_POINTS, rng.generator(0, "toy/held-out"))
    modes = "" if mixture is None else f", {pluralize(len(mixture.means), 'mode')}"
    return PointSet(
        name=name,
        points=points,
        labels=labels,
        held_out_points=held_out_points,
        held_out_labels=held_out_labels,
        digests={name: digest},
        source=f"points of the plane{origin}: {name}{modes}, {TOY_POINTS:,} for training",
        mixture=mixture,
    )


def _split(name: str, points: Points, *, digest: str, path: Path) -> PointSet:
    """Hold out one point in `HELD_OUT_SHARE`, at random."""
    if len(points) < MIN_POINTS:
        raise DataError(f"{path} holds {pluralize(len(points), 'point')}; at least {MIN_POINTS} are needed")
    points = points[torch.randperm(len(points), generator=rng.generator(0, "points/split"))]
    held_out, training = points.tensor_split([len(points) // HELD_OUT_SHARE])
    return PointSet(
        name=name,
        points=training,
        labels=torch.zeros(len(training), dtype=torch.int64),
        held_out_points=held_out,
        held_out_labels=torch.zeros(len(held_out), dtype=torch.int64),
        digests={path.name: digest},
        source=f"points of {path}: {len(training):,} for training, {len(held_out):,} held out",
    )


def _parse_csv(content: bytes) -> NDArray[np.float64]:
    """Numbers separated by commas, semicolons, tabs or spaces; a first line without numbers is a header."""
    lines = decode_text(content).replace(",", " ").replace(";", " ").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    if rows and len(rows[0]) == 3:  # a column of labels, as `mnist-gan sample` writes it
        rows = [row[:2] for row in rows]
    wrong = next((i for i, row in enumerate(rows, start=1) if len(row) != 2 or not all(map(_is_number, row))), None)
    if wrong is not None:
        raise ValueError(f"row {wrong} is {shown(' '.join(rows[wrong - 1]))}")
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_npy(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


READERS: Final[Mapping[str, Callable[[bytes], NDArray[Any]]]] = {
    ".csv": _parse_csv,
    ".txt": _parse_csv,
    ".npy": _parse_npy,
}
SUFFIXES: Final = frozenset({*READERS, ".toml"})

"""Flipped bytes and truncated files: checkpoints, models, IDX files."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.world import make_data, tiny

from mnist_gan.data.idx import read_idx, write_idx
from mnist_gan.data.idx_set import check_published, dimensions_of
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, MNIST_FILES, PublishedFile
from mnist_gan.data.sources import mnist_in_environment
from mnist_gan.errors import ArtifactError, DataError, MnistGanError


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Every byte of small files; random places of full-size ones."""
    places = scale.count("FAULTS_PLACES", full=1000, short=12)
    every = scale.count("FAULTS_BYTES_EVERY", full=1, short=13)
    tally.remark_every(every, "places of the small files")
    jobs: list[Callable[[], dict[str, Any]]] = [
        lambda: _networks(folder / "small", every=every, places=None, full_size=False),
        lambda: _networks(folder / "full", every=1, places=places, full_size=True),
        lambda: _small_idx(folder, every=every),
        lambda: _full_idx(folder, places),
    ]
    for job in jobs:
        ended = fork(job, timeout=1800)
        if ended.value is None:
            raise RuntimeError(ended.output)
        tally.add(ended.value)


def _networks(folder: Path, *, every: int, places: int | None, full_size: bool) -> dict[str, Any]:
    """A checkpoint and a model, small with every byte changed, or of the preset quick at random places."""
    import dataclasses

    from mnist_gan import presets
    from mnist_gan.artifacts.checkpoints import restore_checkpoint, save_checkpoint
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.experiment.model import averaged_generator, make_model
    from mnist_gan.experiment.setup import set_up

    tally = Tally()
    config = tiny(make_data(folder / "data", side=28 if full_size else 8))
    nets = presets.quick() if full_size else config
    if not full_size:
        nets = dataclasses.replace(
            config,
            generator=dataclasses.replace(config.generator, z_dim=2, channels=(2,)),
            discriminator=dataclasses.replace(config.discriminator, channels=(2,)),
        )
    config = dataclasses.replace(config, generator=nets.generator, discriminator=nets.discriminator)
    with set_up(config) as setup:
        checkpoint = save_checkpoint(folder / "checkpoints", setup.state, keep=3)
        gan = make_model(averaged_generator(setup.state, config), setup.state, config, setup.dataset, facts={})
        gan.save(folder / "model")
        size = "full-size" if full_size else "small"
        for kind, target, load in (
            ("checkpoint", checkpoint, lambda: restore_checkpoint(checkpoint, setup.state)),
            ("model", folder / "model", lambda: GAN.load(folder / "model")),
        ):
            load()  # it is whole
            files = sorted(target.iterdir())
            before = tally.tried
            for file in files:
                share = None if places is None else max(3, round(places * file.stat().st_size / _size(files)))
                for change in _changes(file, every=every, places=share):
                    remedy = ("another copy", "use a", "release")
                    _expect(tally, load, file, change, names=(ArtifactError,), remedy=remedy)
            tally.note(f"in a {size} {kind}", tally.tried - before)
        return tally.as_dict()


def _small_idx(folder: Path, *, every: int) -> dict[str, Any]:
    tally, before = Tally(), 0
    images = (np.arange(4 * 9 * 9) % 251).astype(np.uint8).reshape(4, 9, 9)
    for name, array in ((HELD_OUT_IMAGES, images), (HELD_OUT_LABELS, np.arange(90, dtype=np.uint8) % 10)):
        for suffix in ("", ".gz"):
            file = folder / f"{name}{suffix}"
            digest = write_idx(file, array)
            published = PublishedFile(content_bytes=0, download_bytes=0, digest=digest)
            for change in _changes(file, every=every, places=None):
                _expect_idx(tally, file, name, published, change)
    tally.note("in a small IDX file", tally.tried - before)
    return tally.as_dict()


def _full_idx(folder: Path, places: int) -> dict[str, Any]:
    """MNIST's held-out images where they are on disk, else made-up ones as large."""
    tally = Tally()
    real = mnist_in_environment()
    name = HELD_OUT_IMAGES
    source = next((p for p in ((real / f"{name}.gz", real / name) if real else ()) if p.is_file()), None)
    if source is not None:
        file = folder / f"full-{source.name}"
        shutil.copyfile(source, file)
        published = MNIST_FILES[name]
    else:
        file = folder / f"full-{name}.gz"
        random_pixels = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28)).astype(np.uint8)
        published = PublishedFile(content_bytes=0, download_bytes=0, digest=write_idx(file, random_pixels))
    for change in _changes(file, every=1, places=places):
        _expect_idx(tally, file, name, published, change)
    tally.note("in MNIST's held-out images" if source else "in a full-size IDX file", tally.tried)
    return tally.as_dict()


def _expect_idx(tally: Tally, file: Path, name: str, published: PublishedFile, change: tuple[str, bytes]) -> None:
    def load() -> None:
        check_published(
            read_idx(file, dimensions=dimensions_of(name)), published, path=file, remedy="get the file again"
        )

    harmless = _expect(tally, load, file, change, names=(DataError,), remedy=("get the file again",), gzip=True)
    if harmless:
        tally.note("in a gzip header's date or name, where the content is the same and verifies")


def _expect(
    tally: Tally,
    load: Callable[[], Any],
    file: Path,
    change: tuple[str, bytes],
    *,
    names: tuple[type[MnistGanError], ...],
    remedy: tuple[str, ...],
    gzip: bool = False,
) -> bool:
    """Load with the change in place: refused, with the file and a remedy named. True if it changes nothing, in gzip."""
    what, content = change
    whole = file.read_bytes()
    try:
        _overwrite(file, content)
        try:
            load()
        except names as error:
            said = str(error)
            named = str(file) in said or str(file.parent) in said
            problem = "" if named and any(word in said for word in remedy) else f"said only: {said}"
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
        else:
            problem = "was not noticed"
    finally:
        _overwrite(file, whole)
    harmless = gzip and problem == "was not noticed" and file.suffix == ".gz"  # the digest of the content has held
    tally.check(not problem or harmless, f"{file.name}, {what}: {problem}")
    return harmless


def _overwrite(file: Path, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.write(content)
        opened.truncate()


def _changes(file: Path, *, every: int, places: int | None) -> Iterator[tuple[str, bytes]]:
    """Flipped bytes (one bit, or all eight, in turn) and truncations: everywhere, or at random places."""
    content = file.read_bytes()
    choice = random.Random(len(content))
    if places is None:
        flips, cuts = range(0, len(content), every), range(0, len(content), every)
    else:
        flips = sorted(choice.randrange(len(content)) for _ in range(places - places // 4))  # type: ignore[assignment]
        cuts = sorted(choice.randrange(len(content)) for _ in range(places // 4))  # type: ignore[assignment]
    for number, place in enumerate(flips):
        changed = bytearray(content)
        changed[place] ^= 0xFF if number % 2 else 1 << (number // 2 % 8)
        yield f"byte {place} flipped", bytes(changed)
    for length in cuts:
        yield f"cut to {length} bytes", content[:length]


def _size(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


ROW = Row(
    name="damage",
    provoked="a byte flipped or a file cut: all over a small checkpoint, model and IDX file, at random places "
    "of full-size ones",
    holds="refused every time, with the file and a remedy named",
    play=play,
)

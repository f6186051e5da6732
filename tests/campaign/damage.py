"""Flipped bytes and truncated files: checkpoints, models, IDX files."""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.workspace import make_data, tiny_config

from mnist_gan import presets
from mnist_gan.config import Config
from mnist_gan.data.idx import read_idx, write_idx
from mnist_gan.data.idx_set import check_published, dimensions_of
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, MNIST_FILES, PublishedFile
from mnist_gan.data.sources import mnist_in_environment
from mnist_gan.errors import ArtifactError, DataError, MnistGanError

REMEDY = "get the file again"
UNDETECTED = "was not detected"


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Change every byte of small files, and random bytes of full-size ones."""
    places = scale.count("FAULTS_PLACES", full=1000, short=12)
    every = scale.count("FAULTS_BYTES_EVERY", full=1, short=13)
    tally.remark_every(every, "bytes of the small files")
    for job in (
        partial(_damage_networks, folder / "small", every=every, places=None),
        partial(_damage_networks, folder / "full", every=1, places=places),
        partial(_damage_small_idx, folder, every=every),
        partial(_damage_full_idx, folder, places),
    ):
        tally.add(fork(job, timeout=1800).returned())


def _damage_networks(folder: Path, *, every: int, places: int | None) -> dict[str, Any]:
    """Damage a checkpoint and a model: small ones at every n-th byte, those of the preset quick at random places."""
    from mnist_gan.artifacts.checkpoints import restore_checkpoint, save_checkpoint
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.experiment.model import averaged_generator, make_model
    from mnist_gan.experiment.setup import set_up

    tally = Tally()
    config = _small_config(folder / "data") if places is None else _full_config(folder / "data")
    with set_up(config) as setup:
        state, dataset = setup.state, setup.dataset
    checkpoint = save_checkpoint(folder / "checkpoints", state, keep=3)
    gan = make_model(averaged_generator(state, config), state, config, dataset, facts={})
    gan.save(folder / "model")
    for kind, target, load in (
        ("checkpoint", checkpoint, lambda: restore_checkpoint(checkpoint, state)),
        ("model", folder / "model", lambda: GAN.load(folder / "model")),
    ):
        load()  # intact
        files = sorted(target.iterdir())
        total = sum(file.stat().st_size for file in files)
        before = tally.tried
        for file in files:
            share = None if places is None else max(3, round(places * file.stat().st_size / total))
            for change in _changes(file, every=every, places=share):
                problem = _try(
                    load, file, change[1], error=ArtifactError, remedies=("another copy", "use a", "release")
                )
                tally.check(not problem, f"{file.name}, {change[0]}: {problem}")
        tally.note(f"in a {'small' if places is None else 'full-size'} {kind}", tally.tried - before)
    return tally.as_dict()


def _small_config(data: Path) -> Config:
    config = tiny_config(make_data(data, side=8))
    return dataclasses.replace(
        config,
        generator=dataclasses.replace(config.generator, z_dim=2, channels=(2,)),
        discriminator=dataclasses.replace(config.discriminator, channels=(2,)),
    )


def _full_config(data: Path) -> Config:
    config, quick = tiny_config(make_data(data, side=28)), presets.quick()
    return dataclasses.replace(config, generator=quick.generator, discriminator=quick.discriminator)


def _damage_small_idx(folder: Path, *, every: int) -> dict[str, Any]:
    tally = Tally()
    images = (np.arange(4 * 9 * 9) % 251).astype(np.uint8).reshape(4, 9, 9)
    for name, array in ((HELD_OUT_IMAGES, images), (HELD_OUT_LABELS, np.arange(90, dtype=np.uint8) % 10)):
        for suffix in ("", ".gz"):
            file = folder / f"{name}{suffix}"
            published = PublishedFile(content_bytes=0, download_bytes=0, digest=write_idx(file, array))
            for change in _changes(file, every=every, places=None):
                _check_idx(tally, file, name, published, change)
    tally.note("in a small IDX file", tally.tried)
    return tally.as_dict()


def _damage_full_idx(folder: Path, places: int) -> dict[str, Any]:
    """Damage MNIST's held-out images if they are on disk, else made-up ones of the same size."""
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
        _check_idx(tally, file, name, published, change)
    tally.note("in MNIST's held-out images" if source else "in a full-size IDX file", tally.tried)
    return tally.as_dict()


def _check_idx(tally: Tally, file: Path, name: str, published: PublishedFile, change: tuple[str, bytes]) -> None:
    def load() -> None:
        check_published(read_idx(file, dimensions=dimensions_of(name)), published, path=file, remedy=REMEDY)

    words, content = change
    problem = _try(load, file, content, error=DataError, remedies=(REMEDY,))
    if problem == UNDETECTED and file.suffix == ".gz":  # only the header differs: the digest of the content matched
        tally.note("in a gzip header's date or name, where the content is unchanged and verifies")
        problem = ""
    tally.check(not problem, f"{file.name}, {words}: {problem}")


def _try(
    load: Callable[[], Any], file: Path, content: bytes, *, error: type[MnistGanError], remedies: Sequence[str]
) -> str:
    """Load with `content` in the file, which must fail and name the file and a remedy; return the problem, or ""."""
    intact = file.read_bytes()
    _overwrite(file, content)
    try:
        load()
    except error as refusal:
        message = str(refusal)
        named = str(file) in message or str(file.parent) in message
        return "" if named and any(remedy in message for remedy in remedies) else f"the error is only: {message}"
    except Exception as other:
        return f"raised {type(other).__name__}: {other}"
    finally:
        _overwrite(file, intact)
    return UNDETECTED


def _overwrite(file: Path, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.write(content)
        opened.truncate()


def _changes(file: Path, *, every: int, places: int | None) -> Iterator[tuple[str, bytes]]:
    """Yield flipped bytes (one bit or all eight, in turn) and truncations: at every n-th byte, or at random places."""
    content = file.read_bytes()
    choice = random.Random(len(content))
    flips: Sequence[int] = range(0, len(content), every)
    cuts = flips
    if places is not None:
        flips = sorted(choice.randrange(len(content)) for _ in range(places - places // 4))
        cuts = sorted(choice.randrange(len(content)) for _ in range(places // 4))
    for number, place in enumerate(flips):
        changed = bytearray(content)
        changed[place] ^= 0xFF if number % 2 else 1 << (number // 2 % 8)
        yield f"byte {place} flipped", bytes(changed)
    for length in cuts:
        yield f"cut to {length} bytes", content[:length]


ROW = Row(
    name="damage",
    provoked="a flipped byte or a truncated file: every byte of a small checkpoint, model and IDX file, random places "
    "of full-size ones",
    holds="every load is refused, and the error names the file and a remedy",
    inject=inject,
)

"""Relatives of MNIST with their mirrors and published digests: Fashion-MNIST, KMNIST, QMNIST and EMNIST.

The publishers state MD5 digests of the compressed files. Each is in two published sources: the data set's own page or
torchvision, and a port of it. MD5 detects damage and other versions of a file, no forgery by intent.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mnist_gan.data.download import TIMEOUT_S, DownloadError, fetch
from mnist_gan.data.importers.conversion import Prepared
from mnist_gan.data.importing import read_source, write_data_set
from mnist_gan.data.mnist import FILE_NAMES
from mnist_gan.errors import DataError

logger = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 64 << 20
MAX_ARCHIVE_BYTES: Final = 700 << 20
"""Limit for EMNIST's archive, which has 562 MB."""
UNVERIFIED: Final = "unverified: no digest of these files is published"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSet:
    """A published data set."""

    title: str
    files: Mapping[str, str | None]
    """File name at the mirrors -> MD5 of the file; None if none is published."""
    mirrors: tuple[str, ...]
    """URLs of folders with the files, in the order of attempts."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, if the files do not state them."""
    part: str = ""
    """Beginning of the names in the archive, for a data set that is one of several in an archive."""


EMNIST_ARCHIVE: Final = {"gzip.zip": "58c8d27c78d21e728a6bc7b3cc06412e"}
EMNIST_MIRRORS: Final = (
    "https://biometrics.nist.gov/cs_links/EMNIST/",
    "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
)


def _four_files(*digests: str) -> dict[str, str | None]:
    return {f"{name}.gz": digest for name, digest in zip(FILE_NAMES, digests, strict=True)}


def _emnist(part: str) -> KnownSet:
    return KnownSet(title=f"EMNIST {part}", files=EMNIST_ARCHIVE, mirrors=EMNIST_MIRRORS, part=f"emnist-{part}-")


KNOWN_SETS: Final[Mapping[str, KnownSet]] = {
    "fashion-mnist": KnownSet(
        title="Fashion-MNIST",
        files=_four_files(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    "kmnist": KnownSet(
        title="KMNIST",
        files=_four_files(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "qmnist": KnownSet(
        title="QMNIST",
        files={
            "qmnist-train-images-idx3-ubyte.gz": "ed72d4157d28c017586c42bc6afe6370",
            "qmnist-train-labels-idx2-int.gz": "0058f8dd561b90ffdd0f734c6a30e5e4",
            "qmnist-test-images-idx3-ubyte.gz": "1394631089c404de565df7b7aeaf9412",
            "qmnist-test-labels-idx2-int.gz": "5b5b05890a5e13444e108efe57b788aa",
        },
        mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    ),
    **{f"emnist-{part}": _emnist(part) for part in ("digits", "letters", "balanced", "bymerge", "byclass", "mnist")},
}


def get_known_set(
    name: str,
    *,
    out: Path | str,
    sets: Mapping[str, KnownSet] = KNOWN_SETS,
    mirrors: Sequence[str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Prepared:
    """Download a data set, verify it, and write it in the four-file layout as a new folder.

    Args:
        name: key of `sets`.
        out: a new or empty folder.
        sets: the data sets that are known.
        mirrors: URLs of folders with the files, in place of the set's own.
        timeout_s: seconds that a mirror may take to respond.

    Raises:
        ConfigError: the folder is not empty.
        DownloadError: all mirrors failed for a file.
        StorageError: a file cannot be written.
    """
    known = sets[name]
    order = known.mirrors if mirrors is None else tuple(mirrors)
    with tempfile.TemporaryDirectory(prefix="mnist-gan-") as temporary:
        folder = Path(temporary)
        for file, digest in known.files.items():
            content = _download(file, digest, order, timeout_s=timeout_s)
            _unpack(content, file, known, folder)
        prepared = read_source(folder)
    verified = None not in known.files.values()
    prepared = replace(
        prepared,
        class_names=known.class_names or prepared.class_names,
        steps=(*prepared.steps, "verified by the published MD5 digests" if verified else UNVERIFIED),
    )
    source = {"name": known.title, "mirrors": list(order), "md5": dict(known.files), "verified": verified}
    write_data_set(prepared, out, source=source)
    return prepared


def _download(name: str, digest: str | None, mirrors: Sequence[str], *, timeout_s: float) -> bytes:
    """One file from the first mirror that succeeds."""
    failures = []
    limit = MAX_ARCHIVE_BYTES if name.endswith(".zip") else MAX_FILE_BYTES
    for mirror in mirrors:
        host = urlsplit(mirror).netloc
        logger.info(f"downloading {name} from {host}")
        try:
            content = fetch(f"{mirror.rstrip('/')}/{name}", limit=limit, timeout_s=timeout_s)
            _verify(content, digest)
        except DataError as error:
            failures.append(f"{host}: {error}")
            logger.warning(f"the download from {host} failed: {error}")
        else:
            return content
    raise DownloadError(
        f"{name} could not be downloaded ({'; '.join(failures)}); try again with a connection, or download "
        "the data set in a browser and use `mnist-gan data import`"
    )


def _verify(content: bytes, digest: str | None) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest is not None and found != digest:
        raise DownloadError(f"the MD5 of the response is {found[:12]}..., expected {digest[:12]}...; it was discarded")


def _unpack(content: bytes, name: str, known: KnownSet, folder: Path) -> None:
    """Write a downloaded file, or the files of one data set in an archive, into a folder."""
    if not known.part:
        (folder / name).write_bytes(content)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                file = entry.filename.rpartition("/")[2]
                if file.startswith(known.part) and entry.file_size <= MAX_FILE_BYTES * 8:
                    (folder / file).write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise DownloadError(f"{name} is no archive of {known.title} ({error}); download it in a browser") from error

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.sources import images

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.download import DownloadError
from mnist_gan.data.idx import write_idx
from mnist_gan.data.known_sets import KNOWN_SETS, KnownSet, get_known_set

LABELS = np.arange(20, dtype=np.uint8) % 4


@pytest.fixture
def mirror() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server on loopback, and the files that it sends."""
    files: dict[str, bytes] = {}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", files
    server.shutdown()
    thread.join()
    server.server_close()


def content_of(folder: Path, start: str, labels: np.ndarray = LABELS) -> dict[str, bytes]:
    """The four files of a data set."""
    for part, seed in (("train", 0), ("test", 1)):
        write_idx(folder / f"{start}{part}-images-idx3-ubyte.gz", images(20, seed=seed))
        write_idx(folder / f"{start}{part}-labels-idx1-ubyte.gz", labels)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def md5(files: Mapping[str, bytes]) -> dict[str, str | None]:
    return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}


def test_get_known_set_verifies_names_and_records_the_files(mirror: Any, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    url, files = mirror
    files |= content_of(tmp_path / "made", "")
    known = KnownSet(
        title="Clothes", files=md5(files), mirrors=(f"{url}nowhere/", url), class_names=("a", "b", "c", "d")
    )
    get_known_set("clothes", out=tmp_path / "out", sets={"clothes": known})
    dataset = load_dataset(DataConfig(dir=str(tmp_path / "out")))
    assert (dataset.class_names, len(dataset.images)) == (("a", "b", "c", "d"), 20)
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (record["source"]["name"], record["source"]["verified"]) == ("Clothes", True)
    assert record["steps"][-1] == "verified by the published MD5 digests"


def test_get_known_set_takes_one_set_of_an_archive_upright(mirror: Any, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    url, files = mirror
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in content_of(tmp_path / "made", "emnist-letters-", LABELS + 1).items():
            archive.writestr(f"gzip/{name}", content)
        archive.writestr("gzip/emnist-digits-train-images-idx3-ubyte.gz", b"")
    files["gzip.zip"] = packed.getvalue()
    known = KnownSet(title="EMNIST letters", files={"gzip.zip": None}, mirrors=(url,), part="emnist-letters-")
    prepared = get_known_set("letters", out=tmp_path / "out", sets={"letters": known})
    dataset = load_dataset(DataConfig(dir=str(tmp_path / "out")))
    np.testing.assert_array_equal(dataset.images[:, 0].numpy(), images(20).transpose(0, 2, 1))
    assert dataset.class_names == ("Aa", "Bb", "Cc", "Dd")
    assert prepared.steps[-1].startswith("unverified: ")


def test_get_known_set_discards_another_file_and_writes_nothing(mirror: Any, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    url, files = mirror
    files |= content_of(tmp_path / "made", "")
    known = KnownSet(title="Clothes", files={**md5(files), "train-images-idx3-ubyte.gz": "0" * 32}, mirrors=(url,))
    with pytest.raises(DownloadError, match=r"train-images.* expected 000000000000\.\.\.; it was discarded"):
        get_known_set("clothes", out=tmp_path / "out", sets={"clothes": known})
    assert not (tmp_path / "out").exists()


def test_known_sets_state_a_digest_for_every_file() -> None:
    for known in KNOWN_SETS.values():
        assert all(digest is not None and len(digest) == 32 for digest in known.files.values())
        assert known.mirrors

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnist_gan.data.idx import MAX_CONTENT_BYTES, idx_bytes, parse_idx, read_idx, write_idx
from mnist_gan.errors import DataError

ARRAY = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
CONTENT = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 3, 3) + bytes(range(18))


LINE_FEEDS = np.arange(2 * 16 * 16, dtype=np.int64).reshape(2, 16, 16).astype(np.uint8)
NOISE = idx_bytes(np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8))


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def refusal(content: bytes, *, dimensions: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        parse_idx(content, name="digits.idx", dimensions=dimensions, remedy="fetch it anew")
    message = str(caught.value)
    assert message.startswith("digits.idx ")
    assert message.endswith("; fetch it anew")
    assert "\n" not in message
    return message


def test_parse_idx_and_idx_bytes_match_a_hand_written_file() -> None:
    file = parse_idx(CONTENT, name="x")
    np.testing.assert_array_equal(file.array, ARRAY)
    assert file.array.dtype == np.uint8
    assert file.digest == hashlib.sha256(CONTENT).hexdigest()
    assert idx_bytes(ARRAY) == CONTENT


@pytest.mark.parametrize("name", ["labels", "labels.gz"])
def test_read_idx_returns_the_array_and_digest_of_write_idx(tmp_path: Path, name: str) -> None:
    digest = write_idx(tmp_path / name, ARRAY)
    file = read_idx(tmp_path / name, dimensions=3)
    np.testing.assert_array_equal(file.array, ARRAY)
    assert file.digest == digest == hashlib.sha256(CONTENT).hexdigest()
    assert ((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_write_idx_is_deterministic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "a.gz", ARRAY)
    before = (tmp_path / "a.gz").read_bytes()
    monkeypatch.setattr(time, "time", lambda: 2e9)  # a gzip header has a time stamp
    write_idx(tmp_path / "a.gz", ARRAY)
    assert (tmp_path / "a.gz").read_bytes() == before


def test_read_idx_detects_gzip_by_content(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(CONTENT)
    (tmp_path / "compressed").write_bytes(gzip.compress(CONTENT, mtime=0))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz").array, ARRAY)
    np.testing.assert_array_equal(read_idx(tmp_path / "compressed").array, ARRAY)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)), st.booleans())
def test_parse_idx_inverts_idx_bytes(array: np.ndarray, compress: bool) -> None:
    content = idx_bytes(array)
    file = parse_idx(gzip.compress(content, mtime=0) if compress else content, name="x", dimensions=array.ndim)
    np.testing.assert_array_equal(file.array, array)
    assert file.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_read_idx_reads_wider_labels_in_big_endian_order(tmp_path: Path, kind: type) -> None:
    labels: np.ndarray = np.array([0, 1, 999], kind)
    write_idx(tmp_path / "labels", labels)
    assert (tmp_path / "labels").read_bytes()[-2:] == b"\x03\xe7"
    found = read_idx(tmp_path / "labels", dimensions=1).array
    assert found.dtype == kind
    assert found.tolist() == [0, 1, 999]
    assert "the type int" in refusal(idx_bytes(labels.reshape(1, 1, 3)), dimensions=3)


def test_idx_bytes_writes_strided_arrays_in_c_order() -> None:
    np.testing.assert_array_equal(parse_idx(idx_bytes(ARRAY.T), name="x").array, ARRAY.T)


@pytest.mark.parametrize("array", [np.zeros((), np.uint8), np.zeros((1,) * 9, np.uint8), np.zeros((0, 2), np.uint8)])
def test_idx_bytes_refuses_unsupported_arrays(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="in 1 to 8 dimensions"):
        idx_bytes(array)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it is empty"),
        (b"\0", "ends within its header"),
        (header(2, 3, 3)[:10], "ends within its header"),
        (b"P5 28 28 255 " + bytes(100), "starts with two zero bytes, this one with 50 35"),
        (b"PK\x03\x04" + bytes(100), "is a ZIP archive"),
        (b"<html>404</html>", "is a web page, not the file itself; "),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "is a Git LFS pointer"),
        (idx_bytes(np.tile(LINE_FEEDS, (2, 1, 1))).replace(b"\n", b"\r\n"), "line ends were converted"),
        (gzip.compress(NOISE, mtime=0).replace(b"\n", b"\r\n"), "line ends were converted"),
        (header(2, kind=0x0D) + bytes(8), "the type float32, expected unsigned bytes"),
        (header(2, kind=0x77) + bytes(2), "unknown type 0x77"),
        (bytes([0, 0, 8, 0]), "states 0 dimensions"),
        (bytes([0, 0, 8, 9]) + bytes(36), "states 9 dimensions"),
        (header(2, 0, 3), "2 x 0 x 3 elements, so it is empty"),
        (CONTENT[:-1], "34 bytes in all, but the file has 33"),
        (CONTENT + b"\0", "34 bytes in all, but the file has 35"),
        (header(2**32 - 1, 2**32 - 1), "above the limit of 4,294,967,296"),
        (gzip.compress(b"", mtime=0), "ends within its header"),
        (gzip.compress(CONTENT[:-1], mtime=0), "ends before the size in its header"),
        (gzip.compress(CONTENT + b"\0", mtime=0), "it continues after the 34 bytes"),
        (gzip.compress(CONTENT, mtime=0) + b"rubbish", "followed by data that is not gzip"),
        (gzip.compress(CONTENT, mtime=0) + bytes(512), "followed by data that is not gzip"),
        (gzip.compress(CONTENT, mtime=0)[:-1], "compressed data is truncated"),
        (gzip.compress(CONTENT, mtime=0)[:-8], "compressed data is truncated"),
        (gzip.compress(CONTENT, mtime=0)[:20], "compressed data is truncated"),
        (b"\x1f\x8b\x07" + bytes(30), "compressed data is corrupt"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parse_idx_names_the_defect(content: bytes, complaint: str) -> None:
    assert complaint in refusal(content)


def test_parse_idx_tells_images_from_labels() -> None:
    assert "3 dimensions, labels have 1" in refusal(CONTENT, dimensions=1)
    assert "states 1 dimension, images have 3" in refusal(idx_bytes(ARRAY.ravel()), dimensions=3)


def test_parse_idx_checks_the_gzip_checksum() -> None:
    compressed = bytearray(gzip.compress(CONTENT, mtime=0))
    compressed[-8] ^= 1  # the CRC
    assert "incorrect data check" in refusal(bytes(compressed))
    compressed = bytearray(gzip.compress(CONTENT, mtime=0))
    compressed[-4] ^= 1  # the length
    assert "incorrect length check" in refusal(bytes(compressed))


def test_parse_idx_detects_every_cut_and_flipped_byte_of_a_gzip_file() -> None:
    compressed = gzip.compress(CONTENT, mtime=0)
    for length in range(len(compressed)):
        refusal(compressed[:length])
    digest = hashlib.sha256(CONTENT).hexdigest()
    for place in range(len(compressed)):
        flipped = bytearray(compressed)
        flipped[place] ^= 0xFF
        try:
            file = parse_idx(bytes(flipped), name="x")
        except DataError:
            continue
        assert place in range(4, 10), "only the time stamp and the system's name in gzip's header may change"
        assert file.digest == digest


def test_parse_idx_joins_gzip_members() -> None:
    pieces = [CONTENT[:3], b"", CONTENT[3:10], CONTENT[10:], b""]  # block-wise compressors end with an empty member
    content = b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
    np.testing.assert_array_equal(parse_idx(content, name="x").array, ARRAY)
    assert "compressed data is truncated" in refusal(content[:-3])


def test_parse_idx_bounds_the_number_of_gzip_members() -> None:
    began = time.thread_time()
    assert "more than 65,536 gzip members" in refusal(gzip.compress(b"", mtime=0) * 70_000)
    assert time.thread_time() - began < 10


def test_parse_idx_does_not_decompress_a_bomb() -> None:
    compressor = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = compressor.compress(header(1_000)) + b"".join(compressor.compress(zeros) for _ in range(256))
    bomb += compressor.flush()
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        assert "it continues after the 1,008 bytes" in refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_parse_idx_allocates_nothing_for_an_impossible_header() -> None:
    tracemalloc.start()
    try:
        assert "cannot hold" in refusal(gzip.compress(header(MAX_CONTENT_BYTES - 100), mtime=0))
        assert "but the file has" in refusal(header(MAX_CONTENT_BYTES - 100))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda tail: header(2, 3, 3) + tail),
        st.binary(max_size=300).map(gzip.compress),
        st.binary(max_size=300).map(lambda tail: gzip.compress(CONTENT, mtime=0)[:12] + tail),
        st.tuples(st.integers(0, 33), st.binary(max_size=4)).map(
            lambda edit: CONTENT[: edit[0]] + edit[1] + CONTENT[edit[0] + len(edit[1]) :]
        ),
    )
)
def test_parse_idx_gives_an_array_or_a_data_error_for_any_bytes(content: bytes) -> None:
    try:
        file = parse_idx(content, name="x")
    except DataError:
        return
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert idx_bytes(file.array) == plain


def test_read_idx_refuses_a_missing_file_a_folder_and_a_pipe(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no-such-file does not exist; get the file again"):
        read_idx(tmp_path / "no-such-file")
    with pytest.raises(DataError, match="is not a file"):
        read_idx(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="pipe is not a file"):
            read_idx(tmp_path / "pipe")


def test_read_idx_refuses_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels"
    path.write_bytes(CONTENT)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"labels cannot be read \(Permission denied\)"):
        read_idx(path)


def test_read_idx_does_not_import_torch() -> None:
    code = (
        "import sys, mnist_gan.data; mnist_gan.data.read_idx; mnist_gan.data.data_status; print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"

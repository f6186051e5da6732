"""Generated and mutated IDX files, configs, manifests and images, and decompression bombs."""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork

from mnist_gan import config as config_module
from mnist_gan import presets, storage
from mnist_gan.data.idx import parse_idx, read_idx
from mnist_gan.data.image_sets import read_image_set
from mnist_gan.data.preprocess import prepare_image
from mnist_gan.errors import ArtifactError, ConfigError, DataError, MnistGanError

SECONDS: Final = 2.0
"""Allowed processor time of one case."""
MEMORY: Final = 512 << 20
"""Allowed growth of memory, for all cases of a target together and for each bomb."""
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader to fuzz."""

    cases: st.SearchStrategy[Any]
    read: Callable[[Any, Path], object]
    """Reads a case; its second argument is a folder to write into."""
    error: type[MnistGanError]
    """The only error that it may raise."""


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Fuzz each target in its own victim, whose memory is measured, then read the bombs."""
    cases = scale.count("FAULTS_FUZZ", full=10_000, short=100)
    slowest, peak = 0.0, 0
    for name in TARGETS:
        place = folder / name.replace(" ", "-")
        place.mkdir()
        result = fork(partial(_fuzz, name, place, cases), timeout=3600)
        counts = result.returned()
        tally.add(counts)
        slowest = max(slowest, counts["slowest"])
        peak = max(peak, result.grown_bytes)
        if result.grown_bytes > MEMORY:
            tally.lost.append(f"{name}: memory grew by {result.grown_bytes >> 20} MB")
    tally.remarks.append(f"slowest case {slowest:.2f} s, peak memory {peak / 2**20:,.0f} MB")
    for name, content in bombs().items():
        path = folder / "bomb"
        path.write_bytes(content)
        _read_bomb(tally, name, path)


def _fuzz(name: str, place: Path, cases: int) -> dict[str, Any]:
    target, tally, slowest = TARGETS[name](), Tally(), 0.0

    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(target.cases)
    def read_cases(case: Any) -> None:
        nonlocal slowest
        began = time.process_time()
        problem = ""
        try:
            target.read(case, place)
        except target.error as error:
            problem = "" if str(error) and "\n" not in str(error) else f"the message is {str(error)!r}"
            tally.note(f"{name} refused")
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
        seconds = time.process_time() - began
        slowest = max(slowest, seconds)
        if seconds > SECONDS:
            problem += f" took {seconds:.1f} s"
        tally.check(not problem, f"{name} {case!r:.200}: {problem}")

    before = -1
    while before < tally.tried < cases:  # hypothesis stops early if it finds no new case
        before = tally.tried
        read_cases()
    return {**tally.as_dict(), "slowest": slowest}


def idx_files() -> Target:
    """Valid, nearly valid and invalid headers, plain and compressed, truncated and mutated."""
    lengths = st.one_of(st.integers(0, 5), st.sampled_from([2**31, 2**32 - 1, 65_536]))
    header = st.builds(
        lambda zeros, kind, sizes: bytes([*zeros, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes),
        st.sampled_from([(0, 0), (0, 1), (31, 139)]),
        st.sampled_from([8, 8, 8, 9, 11, 13, 0, 255]),
        st.lists(lengths, min_size=0, max_size=9),
    )
    plain = st.builds(lambda head, body: head + body, header, st.binary(max_size=130))
    packed = st.builds(lambda content, level: gzip.compress(content, level, mtime=0), plain, st.integers(0, 9))
    sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)
    valid = st.builds(
        lambda shape, seed: (
            bytes([0, 0, 8, len(shape)])
            + struct.pack(f">{len(shape)}I", *shape)
            + np.random.default_rng(seed).bytes(math.prod(shape))
        ),
        st.one_of(sizes, st.tuples(*[st.integers(1, 5)] * 3)),
        st.integers(0, 99),
    )
    files = st.one_of(
        valid,
        st.builds(lambda content: gzip.compress(content, mtime=0), valid),
        plain,
        packed,
        st.builds(lambda a, b: a + b, packed, packed),
        st.binary(max_size=60),
    )

    def read(content: bytes, place: Path) -> None:
        parse_idx(content, name="the file")
        path = place / "file"
        path.write_bytes(content)
        read_idx(path, dimensions=3)

    return Target(cases=mutated(files), read=read, error=DataError)


def configs() -> Target:
    """Values of every type in every field, and damaged TOML."""
    valid = config_module.to_dict(presets.quick())
    toml = config_module.to_toml(presets.quick()).encode()
    value = json_values(
        st.integers(-(10**400), 10**400),
        st.text(max_size=20),
        st.sampled_from(["os.system", "../../etc/passwd", "auto", "mlp", "\0", 0, -1, 1, 2**31, 2**64, 1e308, 10**300]),
    )
    tables = [name for name in valid if isinstance(valid[name], dict)]
    fields = [(table, field) for table in tables for field in valid[table]]

    def change(changes: list[tuple[tuple[str, str], Any]], extra: Any) -> dict[str, Any]:
        changed = json.loads(json.dumps(valid))
        for (table, field), new in changes:
            changed[table][field] = new
        return {**changed, **extra}

    name = st.one_of(st.text(max_size=8), st.sampled_from(tables))
    changed = st.builds(
        change,
        st.lists(st.tuples(st.sampled_from(fields), value), max_size=3),
        st.one_of(st.just({}), st.dictionaries(name, value, max_size=1)),
    )

    def read(case: Any, place: Path) -> None:
        del place
        if isinstance(case, bytes):
            try:
                config_module.from_toml(case.decode())
            except UnicodeDecodeError:
                return  # not text: an error of the reader of the file, which is not called here
        else:
            config_module.from_toml(config_module.to_toml(config_module.from_dict(case)))

    return Target(cases=st.one_of(changed, mutated(st.just(toml))), read=read, error=ConfigError)


def manifests() -> Target:
    """Manifests of a committed directory: any JSON, names of every kind, mutated bytes."""
    files = {"a": b"content", "b": b"more"}
    valid = storage.describe_files(files)
    sizes = st.one_of(st.integers(), st.text(max_size=5), st.none())
    entry = st.one_of(
        st.sampled_from(list(valid["files"].values())),
        st.fixed_dictionaries({"bytes": sizes, "sha256": st.text(max_size=70)}),
        st.dictionaries(st.text(max_size=6), st.integers(), max_size=2),
        st.integers(),
    )
    name = st.one_of(
        st.sampled_from(["a", "b", "../a", "/etc/passwd", "..", ".", "", "a/b", "manifest.json", "\0"]),
        st.text(max_size=12),
    )
    built = st.fixed_dictionaries(
        {
            "version": st.sampled_from([1, 1, 1, 0, 2, "1", None, 1.0, True, 10**30]),
            "files": st.dictionaries(name, entry, max_size=3),
        }
    )
    encoded = st.builds(
        lambda value: (json.dumps(value) + "\n").encode("utf-8", "surrogatepass"),
        st.one_of(built, json_values(st.text(max_size=10))),
    )

    def read(content: bytes, place: Path) -> None:
        folder = place / "committed"
        if not folder.exists():
            storage.write_committed_directory(folder, files)
        (folder / storage.MANIFEST_NAME).write_bytes(content)
        wrong = [name for name, found in storage.read_committed_directory(folder).items() if files.get(name) != found]
        if wrong:
            raise AssertionError(f"read {wrong[0]}, which was not written")
        storage.read_committed_directory(folder, most={"a": 10})

    valid_bytes = st.just((json.dumps(valid, indent=2) + "\n").encode())
    return Target(cases=mutated(st.one_of(encoded, valid_bytes)), read=read, error=ArtifactError)


def images() -> Target:
    """Images in supported and unsupported formats, mutated and truncated, and made-up PNG chunks."""

    def read(content: bytes, place: Path) -> None:
        del place
        prepared = prepare_image(content, resolution=28, channels=1, name="the image")
        if prepared.image.shape != (1, 28, 28):
            raise AssertionError(f"gave {prepared.image.shape}")

    kinds = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "acTL", "fcTL", "fdAT", "eXIf", "zTXt", "iCCP", "gAMA"]
    chunk = st.builds(
        _png_chunk,
        st.sampled_from([kind.encode() for kind in kinds]),
        st.one_of(st.binary(max_size=30), st.builds(zlib.compress, st.binary(max_size=60))),
    )
    png = st.builds(lambda chunks: PNG_SIGNATURE + b"".join(chunks), st.lists(chunk, max_size=5))
    cases = st.one_of(mutated(st.sampled_from(_valid_images())), mutated(png))
    return Target(cases=cases, read=read, error=DataError)


def json_values(*leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nested JSON values, with further kinds of leaves."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), *leaves),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=8,
    )


def mutated(files: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes with up to four changed, some truncated, some extended."""

    def mutate(content: bytes, changes: list[tuple[int, int]], cut: int | None, suffix: bytes) -> bytes:
        array = bytearray(content)
        for place, value in changes:
            if array:
                array[place % len(array)] = value
        kept = bytes(array) if cut is None else bytes(array)[: cut % (len(array) + 1)]
        return kept + suffix

    return st.builds(
        mutate,
        files,
        st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
        st.one_of(st.none(), st.none(), st.integers(0, 1 << 16)),
        st.one_of(st.just(b""), st.just(b""), st.binary(max_size=8)),
    )


def _valid_images() -> list[bytes]:
    """A bar as an image of every mode, in every format that supports the mode."""
    grey = np.zeros((28, 28), np.uint8)
    grey[6:22, 12:16] = 255
    encoded = []
    for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"):
        image = Image.fromarray(grey.astype(np.uint16) * 200 if mode == "I;16" else grey)
        image = image if mode == "I;16" else image.convert(mode)
        for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO", "PDF", "TGA"):
            buffer = io.BytesIO()
            try:
                image.resize((40, 33)).save(buffer, kind)
            except (OSError, ValueError, KeyError):
                continue  # the format does not support the mode
            encoded.append(buffer.getvalue())
    return encoded


def bombs() -> dict[str, bytes]:
    """Small files that decompress to gigabytes."""
    return {
        "a gzip bomb with a true header": _gzip_bomb((1 << 20, 64, 64)),
        "a gzip bomb with a small header": _gzip_bomb((1, 28, 28)),
        "a gzip bomb in a gzip bomb": gzip.compress(gzip.compress(bytes(1 << 27))),
        "a PNG of 60,000 x 60,000": _png_bomb(60_000, 60_000),
        "an RGBA PNG of 9,000 x 9,000": _png_bomb(9_000, 9_000, rgba=True),
        "a PNG with a gigabyte of text": _png_bomb(28, 28, text=True),
    }


def _read_bomb(tally: Tally, name: str, path: Path) -> None:
    def read() -> str:
        readers: dict[str, Callable[[], object]] = {
            "read_idx": lambda: read_idx(path),
            "read_image_set": lambda: read_image_set(path),
            "prepare_image": lambda: prepare_image(path, resolution=28),
        }
        for reader, call in readers.items():
            try:
                call()
            except DataError:
                continue
            return f"{reader} accepted it"
        return ""

    result = fork(read, timeout=60)
    problems = [] if result.value == "" else [result.value or str(result)]
    if result.grown_bytes > MEMORY:
        problems.append(f"took {result.grown_bytes >> 20} MB")
    if result.processor_seconds > 2 * SECONDS:
        problems.append(f"took {result.processor_seconds:.1f} s")
    tally.check_problems(name, problems)
    tally.note("bombs")


def _gzip_bomb(shape: tuple[int, ...]) -> bytes:
    """Compress a gigabyte of zeros behind an IDX header."""
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    checksum = zlib.crc32(header)
    for _ in range(1 << 6):
        checksum = zlib.crc32(bytes(1 << 24), checksum)
    end = struct.pack("<II", checksum, (len(header) + (1 << 30)) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + _deflate(header, megabytes=1 << 10) + end


def _deflate(beginning: bytes, *, megabytes: int) -> bytes:
    """Raw deflate stream of `beginning` and zeros; one megabyte is compressed once and repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    head = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * megabytes + packer.flush(zlib.Z_FINISH)


def _png_bomb(width: int, height: int, *, rgba: bool = False, text: bool = False) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + width * (4 if rgba else 1))
    rows = b"".join(packer.compress(row) for _ in range(min(height, 9_000))) + packer.flush()
    # zlib streams end with a checksum, which no reader may reach here
    long_text = b"\x78\xda" + _deflate(b"a", megabytes=1 << 10) + b"none" if text else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if rgba else 0, 0, 0, 0)
    text_chunk = _png_chunk(b"zTXt", b"a\0\0" + long_text) if text else b""
    pixels = _png_chunk(b"IDAT", rows) + _png_chunk(b"IEND", b"")
    return PNG_SIGNATURE + _png_chunk(b"IHDR", header) + text_chunk + pixels


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


TARGETS: Final[dict[str, Callable[[], Target]]] = {
    "IDX files": idx_files,
    "configs": configs,
    "manifests": manifests,
    "images": images,
}

ROW = Row(
    name="fuzz",
    provoked="generated and mutated IDX files, configs, manifests and images (hypothesis); gzip and PNG bombs",
    holds="each is read, or refused with one sentence, in bounded time and memory; bombs are refused",
    inject=inject,
)

"""Made-up and mutated IDX files, configs, manifests and images, by the ten thousand."""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, ConfigError, DataError, MnistGanError

SECONDS: Final = 2.0
"""Of processor time, that one case may take."""
MEMORY: Final = 512 << 20
"""That all cases of a kind may add."""
BOMB_MEMORY: Final = 512 << 20

Case = Callable[[Any, Path], None]


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Each kind in a victim of its own, whose memory is measured; then the bombs."""
    cases = scale.count("FAULTS_FUZZ", full=10_000, short=100)
    slowest, most = 0.0, 0
    for kind in KINDS:
        place = folder / kind.replace(" ", "-")
        place.mkdir()
        ended = fork(lambda kind=kind, place=place: _victim(kind, place, cases), timeout=3600)  # type: ignore[misc]
        if ended.value is None:
            raise RuntimeError(f"{kind}: {ended.output[-3000:]}")
        tally.add(ended.value)
        slowest = max(slowest, ended.value["slowest"])
        most = max(most, ended.grown_bytes)
        if ended.grown_bytes > MEMORY:
            tally.lost.append(f"{kind}: memory grew by {ended.grown_bytes >> 20} MB")
    tally.remarks.append(f"the slowest took {slowest:.2f} s, and the most memory was {most / 2**20:,.0f} MB")
    for what, content in bombs().items():
        path = folder / "bomb"
        path.write_bytes(content)
        _bomb(tally, what, path)


def _victim(kind: str, place: Path, cases: int) -> dict[str, Any]:
    import time

    strategy, accept, kinds = KINDS[kind]()
    tally = Tally()
    slowest = 0.0

    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(strategy)
    def one(case: Any) -> None:
        nonlocal slowest
        began = time.process_time()
        problem = ""
        try:
            accept(case, place)
        except kinds as error:
            problem = "" if str(error) and "\n" not in str(error) else f"said {str(error)!r}"
            tally.note(f"{kind} refused")
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
        seconds = time.process_time() - began
        slowest = max(slowest, seconds)
        if seconds > SECONDS:
            problem += f" took {seconds:.1f} s"
        tally.check(not problem, f"{kind} {case!r:.200}: {problem}")

    one()
    while tally.tried < cases:  # hypothesis stops where it knows of nothing new
        before = tally.tried
        one()
        if tally.tried == before:
            break
    return {**tally.as_dict(), "slowest": slowest}


def idx_files() -> tuple[st.SearchStrategy[bytes], Case, tuple[type[MnistGanError], ...]]:
    """Headers that are right, nearly right and wrong, plain and compressed, cut and mutated."""
    from mnist_gan.data.idx import parse_idx, read_idx

    lengths = st.one_of(st.integers(0, 5), st.sampled_from([2**31, 2**32 - 1, 65_536]))
    header = st.builds(
        lambda zeros, kind, sizes: (
            bytes(zeros) + bytes([kind, len(sizes)]) + b"".join(struct.pack(">I", s) for s in sizes)
        ),
        st.sampled_from([(0, 0), (0, 1), (31, 139)]),
        st.sampled_from([8, 8, 8, 9, 11, 13, 0, 255]),
        st.lists(lengths, min_size=0, max_size=9),
    )
    plain = st.builds(lambda head, body: head + body, header, st.binary(max_size=130))
    packed = st.builds(lambda content, level: gzip.compress(content, level, mtime=0), plain, st.integers(0, 9))
    sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)
    right = st.builds(
        lambda shape, seed: (
            bytes([0, 0, 8, len(shape)])
            + b"".join(struct.pack(">I", size) for size in shape)
            + np.random.default_rng(seed).bytes(math.prod(shape))
        ),
        st.one_of(sizes, st.tuples(*[st.integers(1, 5)] * 3)),
        st.integers(0, 99),
    )
    whole = st.one_of(
        right,
        st.builds(lambda content: gzip.compress(content, mtime=0), right),
        plain,
        packed,
        st.builds(lambda a, b: a + b, packed, packed),
        st.binary(max_size=60),
    )

    def accept(content: bytes, place: Path) -> None:
        parse_idx(content, name="the file")
        path = place / "file"
        path.write_bytes(content)
        read_idx(path, dimensions=3)

    return mutated(whole), accept, (DataError,)


def configs() -> tuple[st.SearchStrategy[Any], Case, tuple[type[MnistGanError], ...]]:
    """Values of every kind in every field, and TOML that is damaged."""
    from mnist_gan import config as config_module
    from mnist_gan import presets

    whole = config_module.to_dict(presets.quick())
    text = config_module.to_toml(presets.quick()).encode()
    value = st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.integers(-(10**400), 10**400),
            st.floats(),
            st.text(max_size=20),
            st.sampled_from(
                ["os.system", "../../etc/passwd", "auto", "mlp", "\0", 0, -1, 1, 2**31, 2**64, 1e308, 10**300]
            ),
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=6,
    )
    tables = [name for name in whole if isinstance(whole[name], dict)]
    places = [(table, field) for table in tables for field in whole[table]]

    def change(changes: list[tuple[tuple[str, str], Any]], extra: Any) -> dict[str, Any]:
        described = json.loads(json.dumps(whole))
        for (table, field), new in changes:
            described[table][field] = new
        return {**described, **extra}

    described = st.builds(
        change,
        st.lists(st.tuples(st.sampled_from(places), value), max_size=3),
        st.one_of(
            st.just({}), st.dictionaries(st.one_of(st.text(max_size=8), st.sampled_from(tables)), value, max_size=1)
        ),
    )

    def accept(case: Any, place: Path) -> None:
        del place
        if isinstance(case, bytes):
            try:
                config_module.from_toml(case.decode())
            except UnicodeDecodeError:
                return  # no text at all: whoever reads the file says so
        else:
            config = config_module.from_dict(case)
            config_module.from_toml(config_module.to_toml(config))

    return st.one_of(described, mutated(st.just(text))), accept, (ConfigError,)


def manifests() -> tuple[st.SearchStrategy[bytes], Case, tuple[type[MnistGanError], ...]]:
    """Of a committed folder: any JSON, names of every kind, mutated bytes."""
    files = {"a": b"content", "b": b"more"}
    described = storage.describe_files(files)
    entry = st.one_of(
        st.sampled_from(list(described["files"].values())),
        st.fixed_dictionaries(
            {"bytes": st.one_of(st.integers(), st.text(max_size=5), st.none()), "sha256": st.text(max_size=70)}
        ),
        st.dictionaries(st.text(max_size=6), st.integers(), max_size=2),
        st.integers(),
    )
    name = st.one_of(
        st.sampled_from(["a", "b", "../a", "/etc/passwd", "..", ".", "", "a/b", "manifest.json", "\0"]),
        st.text(max_size=12),
    )
    any_json = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=8,
    )
    built = st.fixed_dictionaries(
        {
            "version": st.sampled_from([1, 1, 1, 0, 2, "1", None, 1.0, True, 10**30]),
            "files": st.dictionaries(name, entry, max_size=3),
        }
    )
    good = (json.dumps(described, indent=2) + "\n").encode()
    text = st.one_of(
        st.builds(
            lambda value: (json.dumps(value) + "\n").encode("utf-8", "surrogatepass"), st.one_of(built, any_json)
        ),
        st.just(good),
    )

    def accept(content: bytes, place: Path) -> None:
        folder = place / "committed"
        if not folder.exists():
            storage.write_committed_directory(folder, files)
        (folder / storage.MANIFEST_NAME).write_bytes(content)
        read = storage.read_committed_directory(folder)
        wrong = [found for found, was in read.items() if files.get(found) != was]
        if wrong:
            raise AssertionError(f"read {wrong[0]}, which was not written")
        storage.read_committed_directory(folder, most={"a": 10})

    return mutated(text), accept, (ArtifactError,)


def images() -> tuple[st.SearchStrategy[bytes], Case, tuple[type[MnistGanError], ...]]:
    """Pictures of every format that is read and of some that are not, mutated and cut."""
    from mnist_gan.data.preprocess import prepare_image

    seeds = _pictures()

    def accept(content: bytes, place: Path) -> None:
        del place
        prepared = prepare_image(content, resolution=28, channels=1, name="the image")
        if prepared.image.shape != (1, 28, 28):
            raise AssertionError(f"gave {prepared.image.shape}")

    chunk = st.builds(
        lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)),
        st.sampled_from(
            [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"zTXt", b"iCCP", b"gAMA"]
        ),
        st.one_of(st.binary(max_size=30), st.builds(zlib.compress, st.binary(max_size=60))),
    )
    png = st.builds(lambda chunks: b"\x89PNG\r\n\x1a\n" + b"".join(chunks), st.lists(chunk, max_size=5))
    return st.one_of(mutated(st.sampled_from(seeds)), mutated(png)), accept, (DataError,)


def mutated(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes, some of them with a few changed, some cut, some with more behind."""

    def change(content: bytes, changes: list[tuple[int, int]], cut: int | None, more: bytes) -> bytes:
        array = bytearray(content)
        for place, value in changes:
            if array:
                array[place % len(array)] = value
        kept = bytes(array) if cut is None else bytes(array)[: cut % (len(array) + 1)]
        return kept + more

    return st.builds(
        change,
        whole,
        st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
        st.one_of(st.none(), st.none(), st.integers(0, 1 << 16)),
        st.one_of(st.just(b""), st.just(b""), st.binary(max_size=8)),
    )


def _pictures() -> list[bytes]:
    """A digit-like picture in every format and mode."""
    grey = np.zeros((28, 28), np.uint8)
    grey[6:22, 12:16] = 255
    pictures = []
    for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"):
        picture = (
            Image.fromarray(grey).convert(mode) if mode != "I;16" else Image.fromarray(grey.astype(np.uint16) * 200)
        )
        for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO", "PDF", "TGA"):
            buffer = io.BytesIO()
            try:
                picture.resize((40, 33)).save(buffer, kind)
            except (OSError, ValueError, KeyError):
                continue  # this format has no such mode
            pictures.append(buffer.getvalue())
    return pictures


def bombs() -> dict[str, bytes]:
    """Small files that unpack to gigabytes."""
    return {
        "a gzip bomb with an honest header": _gzip_bomb(3, (1 << 20, 64, 64)),
        "a gzip bomb with a small header": _gzip_bomb(3, (1, 28, 28)),
        "a gzip bomb in a gzip bomb": gzip.compress(gzip.compress(bytes(1 << 27))),
        "a PNG of 60,000 x 60,000": _png_bomb(60_000, 60_000),
        "a PNG of 9,000 x 9,000 with colours": _png_bomb(9_000, 9_000, kind=6),
        "a PNG with a text of a gigabyte": _png_bomb(28, 28, text=True),
    }


def _bomb(tally: Tally, what: str, path: Path) -> None:
    def opened() -> str:
        from mnist_gan.data.idx import read_idx
        from mnist_gan.data.image_sets import read_image_set
        from mnist_gan.data.preprocess import prepare_image

        readers: tuple[Callable[[], Any], ...] = (
            lambda: read_idx(path),
            lambda: read_image_set(path),
            lambda: prepare_image(path, resolution=28),
        )
        for number, read in enumerate(readers):
            try:
                read()
            except DataError:
                continue
            return f"reader {number} took it"
        return ""

    ended = fork(opened, timeout=60)
    problems = [] if ended.value == "" else [ended.value or f"exit code {ended.code}: {ended.said}"]
    if ended.grown_bytes > BOMB_MEMORY:
        problems.append(f"took {ended.grown_bytes >> 20} MB")
    if ended.processor_seconds > 2 * SECONDS:
        problems.append(f"took {ended.processor_seconds:.1f} s")
    tally.check(not problems, f"{what}: {'; '.join(problems)}")
    tally.note("bombs")


def _gzip_bomb(rank: int, shape: tuple[int, ...]) -> bytes:
    """A gigabyte of zeros behind an IDX header."""
    header = bytes([0, 0, 8, rank]) + b"".join(struct.pack(">I", n) for n in shape)
    length = len(header) + (1 << 30)
    checksum = zlib.crc32(header)
    for _ in range(1 << 6):
        checksum = zlib.crc32(bytes(1 << 24), checksum)
    end = struct.pack("<II", checksum, length & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + _deflated(header, megabytes=1 << 10) + end


def _deflated(beginning: bytes, *, megabytes: int) -> bytes:
    """A raw deflate stream of `beginning` and zeros; one megabyte is packed, and stands there again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    head = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * megabytes + packer.flush(zlib.Z_FINISH)


def _png_bomb(width: int, height: int, *, kind: int = 0, text: bool = False) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + width * {0: 1, 6: 4}[kind])
    rows = b"".join(packer.compress(row) for _ in range(min(height, 9_000))) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    long = b"\x78\xda" + _deflated(b"a", megabytes=1 << 10) + b"none" if text else b""  # nobody comes to its checksum
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
            chunk(b"zTXt", b"a\0\0" + long) if text else b"",
            chunk(b"IDAT", rows),
            chunk(b"IEND", b""),
        ]
    )


KINDS: Final[dict[str, Callable[[], tuple[Any, Case, tuple[type[MnistGanError], ...]]]]] = {
    "IDX files": idx_files,
    "configs": configs,
    "manifests": manifests,
    "images": images,
}

ROW = Row(
    name="fuzz",
    provoked="made-up and mutated IDX files, configs, manifests and images (hypothesis); gzip and PNG bombs",
    holds="each is read or refused with one sentence, in bounded time and memory; bombs are refused",
    play=play,
)

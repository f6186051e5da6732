"""The IDX format of MNIST's files, read strictly and written.

An IDX file is two zero bytes, a byte that names the element type, a byte with the number of dimensions, each dimension
as a big-endian 32-bit number, and the elements, the last dimension changing fastest (LeCun, Cortes and Burges, "The
MNIST database of handwritten digits", section "File formats"). MNIST and its relatives use unsigned bytes, as we do.

A file may be gzip-compressed (RFC 1952); that is told by its content and not by its name, since browsers take the
compression off and leave the name. Whatever bytes a file holds, reading it gives an array or a `DataError`, in time
that grows with the file. Memory is taken for what the header states, after that is held against what a file of this
size can contain; nothing is inflated beyond it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist_gan import storage
from mnist_gan.errors import DataError

MAX_CONTENT_BYTES: Final = 1 << 32
"""No header is believed that states more than 4 GiB: MNIST's largest file has 47 MB, EMNIST's 550 MB."""
MAX_DIMENSIONS: Final = 8
GET_AGAIN: Final = "get the file again from where it came, and check that the whole of it arrived"

_Read: TypeAlias = Callable[[int], bytes]
_UINT8: Final = 0x08
_OTHER_TYPES: Final = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
GZIP_MAGIC: Final = b"\x1f\x8b"
_MAX_GZIP_MEMBERS: Final = 1 << 16
_MAX_DEFLATE_RATIO: Final = (
    1032  # a deflate stream cannot expand further (zlib technical details, zlib.net/zlib_tech.html)
)
_STEP: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class IdxFile:
    """What an IDX file holds."""

    array: NDArray[np.uint8]
    """Its elements, in its dimensions."""
    digest: str
    """sha256 of its content without any compression, header included."""


class _DamagedError(Exception):
    """What is wrong with a file, as the middle of a sentence."""


def read_idx(path: Path, *, dimensions: int | None = None, remedy: str = GET_AGAIN) -> IdxFile:
    """Read an IDX file of unsigned bytes, gzip-compressed or plain, all of it or nothing.

    Args:
        path: a regular file.
        dimensions: how many it must have: 3 for images, 1 for labels; None takes 1 to 8.
        remedy: what the user can do if it is damaged; the end of the error's sentence.

    Raises:
        DataError: it is missing, unreadable, or not exactly what the format and `dimensions` ask for.
    """
    try:
        size = _regular_size(path)
        with path.open("rb") as file:
            return _read(file, size=size, dimensions=dimensions)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; {remedy}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); {remedy}") from error
    except _DamagedError as error:
        raise DataError(f"{path} is damaged: {error}; {remedy}") from error


def parse_idx(content: bytes, *, name: str, dimensions: int | None = None, remedy: str = GET_AGAIN) -> IdxFile:
    """`read_idx` for bytes in memory; `name` stands for the path in errors.

    Raises:
        DataError: the bytes are not exactly what the format and `dimensions` ask for.
    """
    try:
        return _read(io.BytesIO(content), size=len(content), dimensions=dimensions)
    except _DamagedError as error:
        raise DataError(f"{name} is damaged: {error}; {remedy}") from error


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An array of unsigned bytes, of 1 to 8 dimensions and not empty, as the content of an IDX file."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= MAX_DIMENSIONS or array.size == 0:
        raise ValueError(
            f"an IDX file here holds uint8 in 1 to {MAX_DIMENSIONS} dimensions, not {array.dtype} {array.shape}"
        )
    header = bytes([0, 0, _UINT8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes(order="C")


def write_idx(path: Path, array: NDArray[np.uint8]) -> str:
    """Write an IDX file atomically, compressed if its name ends in .gz; the same array gives the same bytes.

    Returns:
        The sha256 of the content without compression.

    Raises:
        StorageError: the operating system refused.
    """
    content = idx_bytes(array)
    storage.write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return storage.sha256_bytes(content)


def _regular_size(path: Path) -> int:
    """The size of a file in bytes; a FIFO or a device, which could be read for ever, is refused."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is not a file; an IDX file is expected there")
    return status.st_size


def _read(file: io.BufferedIOBase, *, size: int, dimensions: int | None) -> IdxFile:
    if size == 0:
        raise _DamagedError("it is empty")
    compressed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    read = _Inflater(file).read if compressed else file.read
    header, shape = _read_header(read, dimensions)
    total = len(header) + math.prod(shape)
    _check_total(total, shape, size=size, compressed=compressed)
    digest = hashlib.sha256(header)
    elements = _allocate(math.prod(shape))
    _fill(elements, read, digest.update)
    if read(1):  # for gzip this also has the checksum at the end compared
        raise _DamagedError(f"more data follows the {total:,} bytes that its header states ({_by(shape)})")
    return IdxFile(array=elements.reshape(shape), digest=digest.hexdigest())


def _read_header(read: _Read, dimensions: int | None) -> tuple[bytes, tuple[int, ...]]:
    """The header's bytes, and the dimensions in it."""
    magic = _read_exactly(read, 4, where="inside its header")
    rank = _check_magic(magic, dimensions)
    lengths = _read_exactly(read, 4 * rank, where="inside its header")
    return magic + lengths, tuple(int(length) for length in np.frombuffer(lengths, ">u4"))


def _check_magic(header: bytes, dimensions: int | None) -> int:
    """The number of dimensions, after the type is found to be uint8."""
    if header[:2] != b"\0\0":
        raise _DamagedError(f"an IDX file begins with two zero bytes, this one with {header[:2].hex(' ')}")
    if header[2] != _UINT8:
        kind = _OTHER_TYPES.get(header[2], f"the unknown type 0x{header[2]:02x}")
        raise _DamagedError(f"its header says that it holds {kind}, expected are unsigned bytes (0x08)")
    rank = header[3]
    if not 1 <= rank <= MAX_DIMENSIONS:
        raise _DamagedError(f"its header says {rank} dimensions, expected are {dimensions or f'1 to {MAX_DIMENSIONS}'}")
    if dimensions is not None and rank != dimensions:
        kind = {1: "labels have 1", 3: "images have 3"}.get(dimensions, f"expected are {dimensions}")
        raise _DamagedError(f"its header says {rank} dimensions, {kind}")
    return rank


def _check_total(total: int, shape: tuple[int, ...], *, size: int, compressed: bool) -> None:
    """Hold what the header states against the file's size, before any memory is taken for it."""
    states = f"its header states {_by(shape)} elements, {total:,} bytes in all"
    if 0 in shape:
        raise _DamagedError(f"its header states {_by(shape)} elements, which is none")
    if total > MAX_CONTENT_BYTES:
        raise _DamagedError(f"{states}, more than the {MAX_CONTENT_BYTES:,} that are read")
    if compressed and total > size * _MAX_DEFLATE_RATIO:
        raise _DamagedError(f"{states}, which a .gz file of {size:,} bytes cannot hold")
    if not compressed and total != size:
        raise _DamagedError(f"{states}, but it has {size:,}")


def _allocate(size: int) -> NDArray[np.uint8]:
    try:
        return np.empty(size, np.uint8)
    except MemoryError as error:
        raise _DamagedError(f"its header states {size:,} elements, for which there is no memory") from error


def _fill(elements: NDArray[np.uint8], read: _Read, observe: Callable[[bytes], None]) -> None:
    filled = 0
    while filled < len(elements):
        piece = _read_exactly(read, min(_STEP, len(elements) - filled), where="before all that its header states")
        observe(piece)
        elements[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)


def _read_exactly(read: _Read, size: int, *, where: str) -> bytes:
    content = read(size)
    if len(content) < size:
        raise _DamagedError(f"it ends {where}")
    return content


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{length:,}" for length in shape)


class _Inflater:
    """Reads the content of a gzip file, never inflating past what is asked for.

    Several members one after the other are one content (RFC 1952, 2.2), as block-wise compressors write them.
    """

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._members = 1
        self._input = b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the content ends."""
        pieces = []
        while size > 0 and (piece := self._piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none at the end of the last member."""
        while True:
            self._input = self._input or self._file.read(_STEP // 16)
            if self._member.eof and not self._input:
                return b""
            if self._member.eof:
                self._begin_member()
            try:
                piece = self._member.decompress(self._input, size)
            except zlib.error as error:
                raise _DamagedError(self._complaint(error)) from error
            if not (piece or self._input or self._member.eof):
                raise _DamagedError("its compressed data was cut short")
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                return piece

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > _MAX_GZIP_MEMBERS:
            raise _DamagedError(f"it has more than {_MAX_GZIP_MEMBERS:,} gzip members")
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def _complaint(self, error: zlib.error) -> str:
        if self._members > 1 and "header" in str(error):
            return "data that is no gzip follows its compressed data"
        return f"its compressed data is not what was compressed ({str(error).rpartition(': ')[2]})"

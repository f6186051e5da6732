"""Strict reader and writer of the IDX format of MNIST's files.

An IDX file has two zero bytes, a byte for the element type, a byte for the number of dimensions, each dimension as a
big-endian 32-bit number, and the elements in C order (LeCun, Cortes and Burges, "The MNIST database of handwritten
digits", section "File formats"). Supported are unsigned bytes, which MNIST and its relatives use, and integers of 16
and 32 bits for labels above 255.

Gzip (RFC 1952) is detected from the content, not from the name: browsers decompress a file and keep its name. Any
input gives an array or a `DataError`, in time linear in the file's size. Memory is allocated for the size in the
header, after a check that a file of this size can contain it; nothing is decompressed beyond it.
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
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist_gan import storage
from mnist_gan.data.foreign import HEAD_BYTES, Foreign, recognize, recognize_file
from mnist_gan.errors import DataError
from mnist_gan.text import pluralize

MAX_CONTENT_BYTES: Final = 1 << 32
"""Limit of 4 GiB for the size in a header; MNIST's largest file has 47 MB, EMNIST's 550 MB."""
MAX_DIMENSIONS: Final = 8
GET_AGAIN: Final = "get the file again from its source, and check that it arrived complete"

Dimensions: TypeAlias = int | tuple[int, ...]
_Read: TypeAlias = Callable[[int], bytes]
_UINT8: Final = 0x08
_TYPES: Final[dict[int, np.dtype[np.integer[Any]]]] = {
    _UINT8: np.dtype("u1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
}
"""Supported element types, as they are stored."""
_TYPE_NAMES: Final = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
GZIP_MAGIC: Final = b"\x1f\x8b"
_MAX_GZIP_MEMBERS: Final = 1 << 16
_MAX_DEFLATE_RATIO: Final = 1032  # the maximum expansion of deflate (zlib technical details, zlib.net/zlib_tech.html)
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class IdxFile:
    """Content of an IDX file."""

    array: NDArray[np.integer[Any]]
    """uint8, int16 or int32."""
    digest: str
    """sha256 of the uncompressed content, header included."""


class _DamagedError(Exception):
    """A file that violates the format; the message is the reason."""


def read_idx(path: Path, *, dimensions: Dimensions | None = None, remedy: str = GET_AGAIN) -> IdxFile:
    """Read an IDX file, plain or gzip-compressed.

    Args:
        path: a regular file.
        dimensions: allowed numbers of dimensions; None allows 1 to 8. Images, of 3 or more, must be unsigned bytes.
        remedy: advice for the user, at the end of the error message.

    Raises:
        DataError: the file is missing or unreadable, or violates the format or `dimensions`.
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
        raise _defect(str(path), recognize_file(path), error, remedy=remedy) from error


def parse_idx(content: bytes, *, name: str, dimensions: Dimensions | None = None, remedy: str = GET_AGAIN) -> IdxFile:
    """`read_idx` for bytes in memory; `name` stands for the path in errors.

    Raises:
        DataError: the bytes violate the format or `dimensions`.
    """
    try:
        return _read(io.BytesIO(content), size=len(content), dimensions=dimensions)
    except _DamagedError as error:
        raise _defect(name, recognize(content[:HEAD_BYTES]), error, remedy=remedy) from error


def idx_bytes(array: NDArray[np.integer[Any]]) -> bytes:
    """Encode a non-empty array (uint8, int16 or int32) of 1 to 8 dimensions as the content of an IDX file."""
    kind = next((kind for kind, stored in _TYPES.items() if stored.newbyteorder("=") == array.dtype), None)
    if kind is None or not 1 <= array.ndim <= MAX_DIMENSIONS or array.size == 0:
        raise ValueError(
            f"expected a non-empty array of uint8, int16 or int32 in 1 to {MAX_DIMENSIONS} dimensions, "
            f"got {array.dtype} {array.shape}"
        )
    header = bytes([0, 0, kind, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(_TYPES[kind], copy=False).tobytes(order="C")


def write_idx(path: Path, array: NDArray[np.integer[Any]]) -> str:
    """Write an IDX file atomically, compressed if its name ends in .gz. The bytes are deterministic.

    Returns:
        The sha256 of the uncompressed content.

    Raises:
        StorageError: the file cannot be written.
    """
    content = idx_bytes(array)
    storage.write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return storage.sha256_bytes(content)


def _defect(name: str, foreign: Foreign | None, error: _DamagedError, *, remedy: str) -> DataError:
    """The error for a file that violates the format. A recognized content has its own remedy, unless one is given."""
    if foreign is not None:
        return DataError(f"{name} {foreign.clause}; {foreign.remedy if remedy == GET_AGAIN else remedy}")
    return DataError(f"{name} is damaged: {error}; {remedy}")


def _regular_size(path: Path) -> int:
    """Size of a file in bytes. FIFOs and devices, which could block or never end, are refused."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is not a file; expected an IDX file")
    return status.st_size


def _read(file: io.BufferedIOBase, *, size: int, dimensions: Dimensions | None) -> IdxFile:
    if size == 0:
        raise _DamagedError("it is empty")
    compressed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    read = _Inflater(file).read if compressed else file.read
    header, shape = _read_header(read, (dimensions,) if isinstance(dimensions, int) else dimensions)
    stored = _TYPES[header[2]]
    content = math.prod(shape) * stored.itemsize
    total = len(header) + content
    _check_total(total, shape, size=size, compressed=compressed)
    digest = hashlib.sha256(header)
    elements = _allocate(content)
    _fill(elements, read, digest.update)
    if read(1):  # for gzip, this also verifies the checksum at the end
        raise _DamagedError(
            f"it continues after the {pluralize(total, 'byte')} that its header states ({_format_shape(shape)})"
        )
    array = elements.view(stored).astype(stored.newbyteorder("="), copy=False).reshape(shape)
    return IdxFile(array=array, digest=digest.hexdigest())


def _read_header(read: _Read, dimensions: tuple[int, ...] | None) -> tuple[bytes, tuple[int, ...]]:
    """The header's bytes, and its dimensions."""
    magic = _read_exactly(read, 4, where="within its header")
    rank = _check_magic(magic, dimensions)
    lengths = _read_exactly(read, 4 * rank, where="within its header")
    return magic + lengths, tuple(int(length) for length in np.frombuffer(lengths, ">u4"))


def _check_magic(header: bytes, dimensions: tuple[int, ...] | None) -> int:
    """Check the magic number and return the number of dimensions."""
    if header[:2] != b"\0\0":
        raise _DamagedError(f"an IDX file starts with two zero bytes, this one with {header[:2].hex(' ')}")
    allowed = dimensions or tuple(range(1, MAX_DIMENSIONS + 1))
    of_images = min(allowed) > 2
    if header[2] not in ({_UINT8} if of_images else _TYPES):
        kind = _TYPE_NAMES.get(header[2], f"the unknown type 0x{header[2]:02x}")
        raise _DamagedError(f"its header states the type {kind}, expected unsigned bytes (0x08)")
    rank = header[3]
    if not 1 <= rank <= MAX_DIMENSIONS or rank not in allowed:
        ranks = " or ".join(map(str, allowed)) if dimensions else f"1 to {MAX_DIMENSIONS}"
        kind = "images have" if of_images else "labels have" if allowed == (1,) else "expected"
        raise _DamagedError(f"its header states {pluralize(rank, 'dimension')}, {kind} {ranks}")
    return rank


def _check_total(total: int, shape: tuple[int, ...], *, size: int, compressed: bool) -> None:
    """Compare the size in the header with the file's size, before memory is allocated for it."""
    states = f"its header states {_format_shape(shape)} elements, {total:,} bytes in all"
    if 0 in shape:
        raise _DamagedError(f"its header states {_format_shape(shape)} elements, so it is empty")
    if total > MAX_CONTENT_BYTES:
        raise _DamagedError(f"{states}, above the limit of {MAX_CONTENT_BYTES:,}")
    if compressed and total > size * _MAX_DEFLATE_RATIO:
        raise _DamagedError(f"{states}, which a .gz file of {size:,} bytes cannot hold")
    if not compressed and total != size:
        raise _DamagedError(f"{states}, but the file has {size:,}")


def _allocate(size: int) -> NDArray[np.uint8]:
    try:
        return np.empty(size, np.uint8)
    except MemoryError as error:
        raise _DamagedError(f"its header states {size:,} elements, more than the memory can hold") from error


def _fill(elements: NDArray[np.uint8], read: _Read, observe: Callable[[bytes], None]) -> None:
    filled = 0
    while filled < len(elements):
        piece = _read_exactly(read, min(_CHUNK_BYTES, len(elements) - filled), where="before the size in its header")
        observe(piece)
        elements[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)


def _read_exactly(read: _Read, size: int, *, where: str) -> bytes:
    content = read(size)
    if len(content) < size:
        raise _DamagedError(f"it ends {where}")
    return content


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{length:,}" for length in shape)


class _Inflater:
    """Decompresses a gzip file incrementally, never beyond the requested size.

    Consecutive members form one content (RFC 1952, 2.2), as block-wise compressors write them.
    """

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._members = 1
        self._input = b""

    def read(self, size: int) -> bytes:
        """Read `size` bytes, fewer only at the end of the content."""
        pieces = []
        while size > 0 and (piece := self._piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none after the last member."""
        while True:
            self._input = self._input or self._file.read(_CHUNK_BYTES // 16)
            if self._member.eof and not self._input:
                return b""
            if self._member.eof:
                self._begin_member()
            try:
                piece = self._member.decompress(self._input, size)
            except zlib.error as error:
                raise _DamagedError(self._reason(error)) from error
            if not (piece or self._input or self._member.eof):
                raise _DamagedError("its compressed data is truncated")
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                return piece

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > _MAX_GZIP_MEMBERS:
            raise _DamagedError(f"it has more than {_MAX_GZIP_MEMBERS:,} gzip members")
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def _reason(self, error: zlib.error) -> str:
        if self._members > 1 and "header" in str(error):
            return "its compressed data is followed by data that is not gzip"
        return f"its compressed data is corrupt ({str(error).rpartition(': ')[2]})"

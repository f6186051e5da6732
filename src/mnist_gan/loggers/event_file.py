"""TensorBoard's event files: a sequence of records, each with its length and checksums.

A record is the length of its data (uint64), the masked CRC-32C of those eight bytes, the data, and the data's masked
CRC-32C, all little-endian (TensorFlow, `tensorflow/core/lib/io/record_writer.h`). Written here rather than by a writer
from elsewhere: those hand the data to a thread, so that what a killed process has written is a matter of luck, and
import TensorFlow where it is installed.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Final

CASTAGNOLI: Final = 0x82F63B78
"""The polynomial of CRC-32C, its bits reversed."""
MASK_DELTA: Final = 0xA282EAD8


def frame_record(data: bytes) -> bytes:
    """`data` as a record."""
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def read_records(content: bytes) -> Iterator[bytes]:
    """The data of each whole record; ends at the first that is torn or damaged."""
    position = 0
    while position + 12 <= len(content):
        header = content[position : position + 8]
        (length,) = struct.unpack("<Q", header)
        start, end = position + 12, position + 12 + length
        data = content[start:end]
        whole = content[position + 8 : start] == _masked_crc(header) and content[end : end + 4] == _masked_crc(data)
        if not whole:
            return
        yield data
        position = end + 4


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of `data`, RFC 3720 appendix B.4."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> bytes:
    """Rotated and shifted, so that the checksum of data that holds checksums is no special case."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF)


@functools.cache
def _crc_table() -> tuple[int, ...]:
    def entry(byte: int) -> int:
        for _ in range(8):
            byte = (byte >> 1) ^ (CASTAGNOLI if byte & 1 else 0)
        return byte

    return tuple(entry(byte) for byte in range(256))

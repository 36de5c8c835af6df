"""Scalar curves as TensorBoard event files, written without TensorBoard or TensorFlow, so that any backend can log.

An event file is a run of records (length, checksum, bytes, checksum; TensorFlow `lib/io/record_writer.h`), each a
serialised `Event` (`core/util/event.proto`) that holds a `Summary` (`core/framework/summary.proto`).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path


class Writer:
    """Appends scalars to one new event file in `directory`, which is made where it is missing.

    Args:
        directory: what `tensorboard --logdir` is given; a folder of its own for each run.

    Raises:
        ValueError: the directory cannot be made or written to.
    """

    def __init__(self, directory: Path) -> None:
        # TensorBoard knows event files by "tfevents" in their names.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = (directory / name).open("xb")
        except OSError as error:
            raise ValueError(f"expected a writable folder at {directory}, received {error}") from error
        self._write(_text(3, "brain.Event:2"))  # file_version

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Log `values` by name at `step`; they are on disk when this returns."""
        summary = b"".join(_part(1, _text(1, name) + _float(2, value)) for name, value in values.items())
        self._write(_number(2, step) + _part(5, summary))

    def close(self) -> None:
        """Close the file; nothing can be added after that."""
        self._file.close()

    def _write(self, event: bytes) -> None:
        event = _tag(1, 1) + struct.pack("<d", time.time()) + event  # wall_time, seconds
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))
        self._file.flush()


# What protocol buffers need of their encoding: a tag (field << 3 | wire type), then the value.


def _tag(field: int, wire: int) -> bytes:
    return bytes([field << 3 | wire])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    if value < 0:
        raise ValueError(f"expected a step of at least 0, received {value}")
    return _tag(field, 0) + _varint(value)


def _float(field: int, value: float) -> bytes:
    return _tag(field, 5) + struct.pack("<f", value)


def _part(field: int, content: bytes) -> bytes:
    return _tag(field, 2) + _varint(len(content)) + content


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # CRC-32C, Castagnoli
        table.append(byte)
    return tuple(table)


_CRC = _table()


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted as records store it ("masked")."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

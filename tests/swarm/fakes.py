"""Stand-ins for what surrounds the engine: a peer as the manager sees it, a clock moved by hand, content in memory."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bencodepy

from gotorrent.clock import Clock
from gotorrent.metainfo import metainfo
from gotorrent.metainfo.layout import FileEntry, Layout
from gotorrent.swarm.open_piece import OpenPiece
from gotorrent.wire.bitfield import Bitfield

BLOCK = 16384


def make_layout(piece_length: int, total: int) -> Layout:
    """One file of `total` bytes."""
    return Layout(piece_length, [FileEntry(("f",), total, 0)])


def make_data(size: int, seed: object = 1) -> bytes:
    """Bytes that are different in every piece and the same in every run."""
    return random.Random(f"{seed} {size}").randbytes(size)


def make_metainfo(data: bytes, piece_length: int, name: str = "f") -> metainfo.Metainfo:
    """The torrent of one file with this content."""
    from hashlib import sha1

    pieces = b"".join(sha1(data[at : at + piece_length]).digest() for at in range(0, len(data), piece_length))
    info: dict[bytes, Any] = {b"length": len(data), b"name": name.encode(), b"piece length": piece_length, b"pieces": pieces}
    return metainfo.parse(bencodepy.encode({b"info": info}))


def bits_of(size: int, pieces: Sequence[int]) -> Bitfield:
    """A bitfield with exactly these pieces."""
    bits = Bitfield(size)
    for piece in pieces:
        bits.add(piece)
    return bits


class FakeLink:
    """A peer as the manager sees it; what it is told is kept."""

    def __init__(self, piece_count: int) -> None:
        self.bits = Bitfield(piece_count)
        self.useful = 0
        self.suspect = False
        self.share_asked = False
        self.posted: list[bytes] = []
        self.forgotten: list[OpenPiece] = []

    def post(self, message: bytes) -> None:
        self.posted.append(message)

    def forget(self, piece: OpenPiece) -> None:
        self.forgotten.append(piece)


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class MemoryContent:
    """Content that rests in memory."""

    def __init__(self, layout: Layout, data: bytes = b"") -> None:
        self.layout = layout
        self.folder = Path()
        self.data = bytearray(data or bytes(layout.total))
        self.reads: list[tuple[int, int]] = []

    def write(self, offset: int, data: memoryview) -> None:
        self.data[offset : offset + len(data)] = data

    def read_into(self, offset: int, views: Sequence[memoryview]) -> None:
        self.reads.append((offset, sum(map(len, views))))
        for view in views:
            view[:] = self.data[offset : offset + len(view)]
            offset += len(view)

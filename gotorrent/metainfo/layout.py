"""Pieces, blocks and files: the only place that does arithmetic between them (BEP 3).

A torrent is one run of `total` bytes. Seen one way it is pieces, each with its SHA-1, each asked for in blocks of 16 KiB;
seen the other way it is files laid end to end. This module turns one view into the other. It opens nothing, and takes the
names it is given as they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

BLOCK = 16384
"""Bytes of one request. BEP 3 names no size; every client uses 16 KiB, and many close a connection that asks for more."""

MAX_REQUEST = 128 * 1024
"""The longest request that we serve: old clients ask for up to 128 KiB, nobody for more."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a torrent: a safe relative path, `length` bytes, from byte `offset` of the torrent on.

    In a multi-file torrent `path` begins with the torrent's name, in a single-file torrent it is `(name,)`. A `pad` file
    (BEP 47) holds zeros that only align the next file: it is never written.
    """

    path: tuple[str, ...]
    length: int
    offset: int
    pad: bool = False


class Layout:
    """Where every piece, block and file lies. Immutable, so any thread may use it without a lock.

    `piece_length`, `total` and `offset` are bytes; pieces, blocks and files count from 0. Pieces are not checked against
    `piece_count` here (these methods are on the hot path): whoever reads an index from the wire checks it first.
    """

    __slots__ = ("_last_piece", "_last_size", "_starts", "bitfield_size", "files", "piece_count", "piece_length", "total")

    def __init__(self, piece_length: int, files: Sequence[FileEntry]) -> None:
        """Lay out `files`, which must follow each other without gaps. Raises ValueError when they do not."""
        if piece_length < 1:
            raise ValueError(f"piece length {piece_length} is not positive")
        total = 0
        for file in files:
            if file.length < 0 or file.offset != total:
                raise ValueError(f"file {file.path} has length {file.length} at {file.offset}, expected offset {total}")
            total += file.length
        self.piece_length = piece_length
        self.files = tuple(files)
        self.total = total
        self.piece_count = -(-total // piece_length)
        self.bitfield_size = (self.piece_count + 7) // 8
        self._last_piece = self.piece_count - 1
        self._last_size = total - self._last_piece * piece_length
        self._starts = [file.offset for file in self.files]

    def piece_size(self, piece: int) -> int:
        """Bytes in this piece: `piece_length`, less in the last one."""
        return self._last_size if piece == self._last_piece else self.piece_length

    def piece_offset(self, piece: int) -> int:
        """The byte of the torrent at which this piece begins."""
        return piece * self.piece_length

    def block_count(self, piece: int) -> int:
        """Blocks of 16 KiB in this piece; the last may be short."""
        return (self.piece_size(piece) + BLOCK - 1) // BLOCK

    def block_size(self, piece: int, block: int) -> int:
        """Bytes in this block: 16 KiB, less in the last one of a piece."""
        return min(BLOCK, self.piece_size(piece) - block * BLOCK)

    def blocks(self, piece: int) -> list[tuple[int, int]]:
        """The blocks of this piece as they are requested: (begin, length) of each, in bytes."""
        size = self.piece_size(piece)
        return [(begin, min(BLOCK, size - begin)) for begin in range(0, size, BLOCK)]

    def offset(self, piece: int, begin: int) -> int:
        """The byte of the torrent that is `begin` bytes into the piece."""
        return piece * self.piece_length + begin

    def spans(self, offset: int, length: int) -> list[tuple[int, int, int]]:
        """Which bytes of which files `length` bytes from `offset` on are: (file index, offset in that file, length), in order.

        Files of length 0 never appear. Raises ValueError when the range is not inside the torrent.
        """
        if offset < 0 or length < 0 or offset + length > self.total:
            raise ValueError(f"bytes {offset} to {offset + length} are outside of a torrent of {self.total} bytes")
        if len(self.files) == 1:
            return [(0, offset, length)] if length else []
        found = []
        index = bisect_right(self._starts, offset) - 1
        while length:
            file = self.files[index]
            inside = offset - file.offset
            part = min(length, file.length - inside)
            if part > 0:
                found.append((index, inside, part))
                offset += part
                length -= part
            index += 1
        return found

    def pieces_of(self, file_index: int) -> range:
        """The pieces that hold at least one byte of this file; none for a file of length 0."""
        file = self.files[file_index]
        first = file.offset // self.piece_length
        if not file.length:
            return range(first, first)
        return range(first, (file.offset + file.length - 1) // self.piece_length + 1)

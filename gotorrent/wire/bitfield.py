"""Which pieces somebody has: one bit a piece, highest bit first (BEP 3). Refuses wrong lengths and set spare bits."""

from __future__ import annotations

from collections.abc import Iterator

from gotorrent.errors import PeerError


class Bitfield:
    """`size` bits in `bytes`, packed as on the wire; `count` of them are set."""

    __slots__ = ("bytes", "count", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes = bytearray((size + 7) // 8)
        self.count = 0

    @classmethod
    def from_wire(cls, data: bytes | memoryview, size: int) -> Bitfield:
        """The bitfield that a peer sent for a torrent of `size` pieces. PeerError when its length or spare bits are wrong."""
        field = cls(size)
        if len(data) != len(field.bytes):
            raise PeerError(f"the peer sent a bitfield of {len(data)} bytes, this torrent needs {len(field.bytes)}")
        field.bytes[:] = data
        if size % 8 and field.bytes[-1] & (0xFF >> size % 8):
            raise PeerError("the peer sent a bitfield with spare bits set")
        field.count = int.from_bytes(field.bytes, "big").bit_count()
        return field

    @classmethod
    def full(cls, size: int) -> Bitfield:
        """All bits set."""
        field = cls(size)
        field.bytes[:] = b"\xff" * len(field.bytes)
        if size % 8:
            field.bytes[-1] = 0xFF00 >> size % 8 & 0xFF
        field.count = size
        return field

    def __contains__(self, index: int) -> bool:
        return bool(self.bytes[index >> 3] & 128 >> (index & 7))

    def __iter__(self) -> Iterator[int]:
        """The indices that are set, ascending."""
        for at, byte in enumerate(self.bytes):
            while byte:
                bit = 8 - byte.bit_length()
                yield at * 8 + bit
                byte &= ~(128 >> bit)

    def add(self, index: int) -> bool:
        """Set one bit; True when it was not set before."""
        mask = 128 >> (index & 7)
        if self.bytes[index >> 3] & mask:
            return False
        self.bytes[index >> 3] |= mask
        self.count += 1
        return True

    def discard(self, index: int) -> None:
        """Clear one bit."""
        mask = 128 >> (index & 7)
        if self.bytes[index >> 3] & mask:
            self.bytes[index >> 3] &= ~mask
            self.count -= 1

    @property
    def complete(self) -> bool:
        """Whether every bit is set."""
        return self.count == self.size

    def new_in(self, other: Bitfield) -> Iterator[int]:
        """The indices that are set in `other` but not here, ascending; costs little when there are few."""
        new = Bitfield(self.size)
        fresh = int.from_bytes(other.bytes, "big") & ~int.from_bytes(self.bytes, "big")
        new.bytes[:] = fresh.to_bytes(len(new.bytes), "big")
        return iter(new)

    def missing_from(self, other: Bitfield) -> int:
        """How many bits are set in `other` but not here."""
        mine = int.from_bytes(self.bytes, "big")
        return (int.from_bytes(other.bytes, "big") & ~mine).bit_count()

"""Cuts the bytes of a connection into messages (BEP 3, "peer messages"). Refuses a message longer than its type may be.

The length is checked before a byte of the message is waited for, so a peer cannot make us buffer more than the longest legal
message. Nothing is copied: a message is (id, start, end) of its payload in the caller's buffer.
"""

from __future__ import annotations

from gotorrent.errors import PeerError
from gotorrent.wire.messages import BITFIELD, CANCEL, HAVE, KEEP_ALIVE, NAMES, NOT_INTERESTED, PIECE, PREFIX, REQUEST

MAX_BLOCK = 16 * 1024
"""Longest block that we ever ask for, so the longest that may come."""

MAX_UNKNOWN = 16 * 1024
"""Longest message of a type we do not know (an extension nobody negotiated): read and ignored."""

Message = tuple[int, int, int]
"""(id, start of the payload, end of the payload); the id is KEEP_ALIVE for a message without one."""


class Framing:
    """The lengths that messages of one torrent may have."""

    def __init__(self, bitfield_size: int) -> None:
        """`bitfield_size` is the number of bytes of this torrent's bitfield."""
        self._limits = [(0, MAX_UNKNOWN)] * 256
        for kind in range(NOT_INTERESTED + 1):
            self._limits[kind] = (0, 0)
        self._limits[HAVE] = (4, 4)
        self._limits[BITFIELD] = (bitfield_size, bitfield_size)
        self._limits[REQUEST] = self._limits[CANCEL] = (12, 12)
        self._limits[PIECE] = (9, 8 + MAX_BLOCK)
        self.longest = 5 + max(high for _, high in self._limits)

    def split(self, buffer: bytearray, end: int) -> tuple[list[Message], int]:
        """All complete messages in `buffer[:end]`, and where the first incomplete one starts. PeerError for a bad length."""
        messages: list[Message] = []
        add, limits, unpack = messages.append, self._limits, PREFIX.unpack_from
        at = 0
        while end - at >= 5:
            length, kind = unpack(buffer, at)
            if not length:
                add((KEEP_ALIVE, at + 4, at + 4))
                at += 4
                continue
            low, high = limits[kind]
            if not low < length <= high + 1:
                raise PeerError(_bad_length(kind, length, low, high))
            stop = at + 4 + length
            if stop > end:
                break
            add((kind, at + 5, stop))
            at = stop
        if end - at == 4 and not any(buffer[at:end]):
            add((KEEP_ALIVE, end, end))
            at = end
        return messages, at


def _bad_length(kind: int, length: int, low: int, high: int) -> str:
    name = NAMES.get(kind, f"type {kind}")
    wanted = str(low + 1) if low == high else f"{low + 1} to {high + 1}"
    return f"the peer sent a {name} message of {length} bytes, it may have {wanted}"

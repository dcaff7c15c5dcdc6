"""Serving one peer: its requests, read and packed in bulk (BEP 3, "request", "piece", "cancel").

Requests are answered as fast as the socket takes blocks, never on a timer. 16 to 64 of them go out together: neighbours in the
torrent are read by one call, straight to where they stand between the headers. Refused: requests outside of the torrent, for
pieces that we did not announce, and more of them waiting than `MAX_PENDING`.
"""

from __future__ import annotations

from collections import deque

from gotorrent.errors import PeerError
from gotorrent.metainfo.layout import BLOCK, MAX_REQUEST
from gotorrent.storage.files import Content
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.messages import BLOCK as REQUEST_PAYLOAD
from gotorrent.wire.messages import PIECE, PIECE_HEADER, REQUEST
from gotorrent.wire.stream import Message

MAX_PENDING = 2000
"""Requests of one peer that may wait, what libtorrent and Transmission allow; more are a flood."""

MAX_REFUSED = 300
"""Requests of one peer that came while it was choked, since it last was not. Some always cross our choke on the way."""

MIN_BATCH, MAX_BATCH = 16, 64
BATCH_SECONDS = 0.05
"""A batch is what the peer takes in so many seconds, within those numbers of requests: what is in it can no longer be cancelled."""

_HEADER = PIECE_HEADER.size


class Uploader:
    """The requests of one peer and the buffer in which they are answered. The owner thread only."""

    def __init__(self, content: Content, have: Bitfield) -> None:
        self._content = content
        self._have = have
        self._layout = content.layout
        self._refused = 0
        self._buffer = memoryview(b"")
        self.pending: deque[tuple[int, int, int]] = deque()

    def take_requests(self, messages: list[Message], at: int, payload: bytearray, *, choked: bool) -> int:
        """Queue the run of request messages that begins at `messages[at]`; the index behind it. PeerError for a bad one."""
        pending, unpack, total = self.pending, REQUEST_PAYLOAD.unpack_from, len(messages)
        known = size = -1
        while at < total:
            kind, start, _ = messages[at]
            if kind != REQUEST:
                break
            at += 1
            request = piece, begin, length = unpack(payload, start)
            if piece != known:
                known, size = piece, self._offered(piece)
            if not 0 < length <= MAX_REQUEST or begin + length > size:
                raise PeerError(f"the peer asked for {length} bytes at {begin} of piece {piece}, which we do not offer")
            if choked:
                self._refused += 1
            else:
                pending.append(request)
        if not choked:
            self._refused = 0
        elif self._refused > MAX_REFUSED:
            raise PeerError("the peer goes on asking for blocks while it is choked")
        if len(pending) > MAX_PENDING:
            raise PeerError(f"the peer asked for more than {MAX_PENDING} blocks at a time")
        return at

    def _offered(self, piece: int) -> int:
        """How many bytes of this piece we may be asked for: all of them, or none."""
        offered = piece < self._layout.piece_count and piece in self._have
        return self._layout.piece_size(piece) if offered else 0

    def cancel(self, payload: bytearray, at: int) -> None:
        """A cancel message. One for a block that is gone already, or was never asked for, changes nothing."""
        try:
            self.pending.remove(REQUEST_PAYLOAD.unpack_from(payload, at))
        except ValueError:
            pass

    def next_batch(self, rate: float) -> tuple[memoryview, int]:
        """The next piece messages, ready to be sent, and how many bytes of content are in them. ReadError.

        `rate` is how many bytes per second the peer has taken lately. The memory is used again by the next call.
        """
        count = min(MAX_BATCH, max(MIN_BATCH, int(rate * BATCH_SECONDS) // BLOCK), len(self.pending))
        batch = [self.pending.popleft() for _ in range(count)]
        size = sum(length for _, _, length in batch)
        total = size + _HEADER * len(batch)
        if len(self._buffer) < total:
            self._buffer = memoryview(bytearray(total))
        buffer, at = self._buffer, 0
        run: list[memoryview] = []
        start = end = -1
        for piece, begin, length in batch:
            PIECE_HEADER.pack_into(buffer, at, 9 + length, PIECE, piece, begin)
            offset = self._layout.offset(piece, begin)
            if offset != end and run:
                self._content.read_into(start, run)
                run = []
            if not run:
                start = offset
            run.append(buffer[at + _HEADER : at + _HEADER + length])
            end = offset + length
            at += _HEADER + length
        self._content.read_into(start, run)
        return buffer[:total], size

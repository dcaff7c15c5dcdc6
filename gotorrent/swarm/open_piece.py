"""A piece in flight, and the peer that works on it: what the piece manager and the peers' threads share (BEP 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gotorrent.wire.bitfield import Bitfield


class PeerLink(Protocol):
    """What the manager needs to know of a peer."""

    bits: Bitfield  # the pieces that it says it has
    useful: int  # how many of them we lack
    suspect: bool  # contributed to a piece that failed, with others: starts pieces of its own until one is good
    share_asked: bool  # set for its thread: make your open pieces shared

    def post(self, message: bytes) -> None:
        """Append a message to its outbox."""

    def forget(self, piece: OpenPiece) -> None:
        """Somebody else has completed this piece: stop waiting for its blocks."""


class OpenPiece:
    """A piece in flight. `needed` maps begin to length of the blocks that are neither received nor being copied."""

    __slots__ = (
        "alone",
        "asked",
        "claims",
        "contributors",
        "holders",
        "index",
        "needed",
        "owner",
        "shared",
        "size",
        "vain",
        "view",
    )

    def __init__(self, index: int, size: int, blocks: Iterable[tuple[int, int]], buffer: bytearray) -> None:
        self.index = index
        self.size = size
        self.view = memoryview(buffer)[:size]
        self.needed = dict(blocks)
        self.owner: PeerLink | None = None
        self.contributors: set[PeerLink] = set()
        self.alone = False  # one peer must deliver all of it, so that a bad piece has one culprit
        self.shared = False
        self.vain = 0  # shared: how often a peer found nothing here to ask for
        self.claims = 0  # shared: blocks being copied right now
        self.asked: dict[int, int] = {}  # shared: begin -> how many peers have been asked for that block
        self.holders: list[PeerLink] = []  # shared: the peers that have been asked for blocks of it

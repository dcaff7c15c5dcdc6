"""Rarest first: which missing piece to ask for next (BEP 3, "peers ... download pieces in random or rarest first order").

Pieces that few peers have are fetched first, so that they spread before their owners leave; among equally rare ones chance
decides, so that peers who start together do not all fetch the same. Each change costs the same however many pieces there are.
It knows pieces and counts only: which piece is open, verified or too much for memory is the piece manager's business.
"""

from __future__ import annotations

import random
from array import array

from gotorrent.wire.bitfield import Bitfield


class RarestFirst:
    """The pieces that may be picked, kept in one bucket for each availability. Not locked: its manager's lock covers it."""

    def __init__(self, piece_count: int, rng: random.Random) -> None:
        """Nothing may be picked until it is added. `rng` breaks ties."""
        self._random = rng.random
        self._availability = array("I", bytes(4 * piece_count))
        self._place = array("i", b"\xff" * (4 * piece_count))  # index in its bucket, -1 = not to be picked
        self._buckets: list[list[int]] = [[]]
        self.count = 0

    def availability(self, piece: int) -> int:
        """How many of the counted peers have this piece."""
        return self._availability[piece]

    def add(self, piece: int) -> None:
        """This piece is missing and nobody fetches it."""
        self._insert(piece, self._availability[piece])
        self.count += 1

    def remove(self, piece: int) -> None:
        """This piece is being fetched, or is had."""
        self._take_out(piece, self._availability[piece])
        self._place[piece] = -1
        self.count -= 1

    def change(self, piece: int, step: int) -> None:
        """One peer more (`step` 1) or less (-1) has this piece."""
        before = self._availability[piece]
        self._availability[piece] = before + step
        if self._place[piece] >= 0:
            self._take_out(piece, before)
            self._insert(piece, before + step)

    def within_reach(self, seeds: int) -> int:
        """How many pieces that may be picked somebody has; `seeds` are peers with everything, which are not counted here."""
        return self.count if seeds else self.count - len(self._buckets[0])

    def pick(self, bits: Bitfield) -> int | None:
        """A piece of the rarest that a peer with `bits` has, or None. It stays in until it is removed."""
        packed = bits.bytes
        everything = bits.complete
        for bucket in self._buckets:
            if everything:
                if bucket:
                    return bucket[-1]
                continue
            for piece in reversed(bucket):
                if packed[piece >> 3] & 128 >> (piece & 7):
                    return piece
        return None

    def _insert(self, piece: int, availability: int) -> None:
        while len(self._buckets) <= availability:
            self._buckets.append([])
        bucket = self._buckets[availability]
        bucket.append(piece)
        at = int(self._random() * len(bucket))
        other = bucket[at]
        bucket[at], bucket[-1] = piece, other
        self._place[other] = len(bucket) - 1
        self._place[piece] = at

    def _take_out(self, piece: int, availability: int) -> None:
        bucket = self._buckets[availability]
        at, last = self._place[piece], bucket.pop()
        if last != piece:
            bucket[at] = last
            self._place[last] = at

"""Swarms that were announced only once: a flood of invented info-hashes ends here. No BEP rules it.

They are kept in the smallest form, may take only a part of the tracker's memory, and when room is needed the address that made
most of them loses its oldest one. So whoever floods displaces himself. All IPv6 addresses of one /64 count as one: that is what
a single machine is given.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

from gotorrent.wire.compact import PEER4

NETWORK6 = 8  # bytes of an IPv6 address that count


class Probation:
    """One peer for each info-hash, and who made how many. Not locked. Every operation takes the same short time."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[bytes, bool, int]] = {}
        self._made: dict[bytes, dict[bytes, None]] = {}  # address -> its info-hashes, oldest first
        self._ranks: dict[int, OrderedDict[bytes, None]] = {}  # number -> the addresses that made so many
        self._most = 0  # no address made more
        self.seeds = 0  # how many of the peers are seeds

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, info_hash: bytes) -> bool:
        return info_hash in self._entries

    def add(self, info_hash: bytes, peer: bytes, seed: bool, age: int) -> None:
        """Keep the first announce of a swarm that is not here: a compact peer, and when it is forgotten (see `Peers.ages`)."""
        self._entries[info_hash] = peer, seed, age
        self.seeds += seed
        source = _source(peer)
        made = self._made.setdefault(source, {})
        self._rank(source, len(made), len(made) + 1)
        made[info_hash] = None

    def get(self, info_hash: bytes) -> tuple[bytes, bool, int] | None:
        """(peer, seed, age) of a swarm on probation."""
        return self._entries.get(info_hash)

    def pop(self, info_hash: bytes) -> tuple[bytes, bool, int] | None:
        """The same, and it is not on probation any more."""
        entry = self._entries.pop(info_hash, None)
        if entry is not None:
            self.seeds -= entry[1]
            source = _source(entry[0])
            made = self._made[source]
            del made[info_hash]
            self._rank(source, len(made) + 1, len(made))
            if not made:
                del self._made[source]
        return entry

    def evict(self) -> None:
        """Forget the oldest swarm of the address that made most, if there is one; of a hundred or more, the oldest hundredth."""
        if self._most:
            made = self._made[next(iter(self._ranks[self._most]))]
            for info_hash in list(islice(made, 1 + len(made) // 100)):  # in a run: the front of a dictionary is slow to find
                self.pop(info_hash)

    def expire(self, tick: int, limit: int) -> None:
        """Forget what is too old at `tick`, from the oldest on, at most `limit` swarms."""
        old = []
        for info_hash, (_, _, age) in islice(self._entries.items(), limit):
            if not 0 < (tick - age) & 255 < 128:
                break
            old.append(info_hash)
        for info_hash in old:
            self.pop(info_hash)

    def newest(self, limit: int) -> list[bytes]:
        """At most `limit` info-hashes, the last announced first."""
        return list(islice(reversed(self._entries), limit))

    def _rank(self, source: bytes, old: int, new: int) -> None:
        """Note that an address has made `new` swarms and no longer `old`."""
        if old:
            del self._ranks[old][source]
            if not self._ranks[old]:
                del self._ranks[old]
        if new:
            self._ranks.setdefault(new, OrderedDict())[source] = None
        if new > self._most or (old == self._most and old not in self._ranks):
            self._most = new


def _source(peer: bytes) -> bytes:
    return peer[:4] if len(peer) == PEER4 else peer[:NETWORK6]

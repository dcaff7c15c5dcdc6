"""The peers of one torrent and one address family, as compact peers end to end in one buffer (BEP 23, 7).

Seeds stand first, leechers behind them, so that a random answer is a slice of the buffer: no copy of the swarm, no object per
peer. A peer that leaves is overwritten by the last one. Below `INDEX_FROM` peers one is found by searching the buffer, which is
as fast as a dictionary there and needs a tenth of the memory; from there on an index holds the place of each.

What a peer calls itself (its peer id) is not kept: nobody is known by it.
"""

from __future__ import annotations

from random import random

from gotorrent.wire.compact import PEER4, PEER6

INDEX_FROM = 64  # peers at which the index is built; it goes again below half of that


class Peers:
    """IPv4 peers. `ages` has one byte per peer: the tick, modulo 256, after which it is forgotten. Not locked."""

    __slots__ = ("ages", "compact", "index", "seeds")
    size = PEER4  # bytes of one compact peer

    def __init__(self) -> None:
        self.compact = bytearray()
        self.ages = bytearray()
        self.seeds = 0  # how many of them, from the start, are seeds
        self.index: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.ages)

    def find(self, peer: bytes) -> int:
        """The place of a compact peer; -1 when it is not here."""
        if self.index is not None:
            return self.index.get(peer, -1)
        place = self.compact.find(peer)
        while place > 0 and place % self.size:  # across two peers: no peer
            place = self.compact.find(peer, place + 1)
        return place // self.size

    def add(self, peer: bytes, seed: bool, age: int) -> int:
        """Append a peer that is not here; its place."""
        place = len(self.ages)
        self.compact += peer
        self.ages.append(age)
        if self.index is not None:
            self.index[peer] = place
        elif place + 1 >= INDEX_FROM:
            self._build_index()
        return self.turn(place, True) if seed else place

    def turn(self, place: int, seed: bool) -> int:
        """Make the leecher at `place` a seed, or the seed a leecher; its new place."""
        border = self.seeds if seed else self.seeds - 1
        self.seeds += 1 if seed else -1
        if place != border:
            size = self.size
            moved = bytes(self.compact[place * size : (place + 1) * size])
            age = self.ages[place]
            self._move(border, place)
            self._set(border, moved, age)
        return border

    def remove(self, place: int) -> None:
        """Forget the peer at `place`."""
        size = self.size
        if self.index is not None:
            del self.index[bytes(self.compact[place * size : (place + 1) * size])]
        if place < self.seeds:
            self.seeds -= 1
            self._move(self.seeds, place)
            place = self.seeds
        self._move(len(self.ages) - 1, place)
        del self.compact[-size:], self.ages[-1]
        if self.index is not None and len(self.ages) < INDEX_FROM // 2:
            self.index = None

    def sample(self, want: int, for_seed: bool, own: int) -> bytes | bytearray:
        """At most `want` peers, never the one at place `own` (-1: nobody's): runs that begin at a random place.

        A seed is given leechers only; a leecher half of each kind, and more of one when there are too few of the other.
        """
        count, seeds = len(self.ages), self.seeds
        if for_seed:
            return self._run(seeds, count, want, own)
        if count <= want:
            return self._run(0, count, want, own)
        leechers = count - seeds - (own >= seeds)
        half = (want + 1) // 2
        of_seeds = min(seeds - (0 <= own < seeds), max(half, want - leechers))
        if not of_seeds:
            return self._run(seeds, count, want, own)
        return self._run(0, seeds, of_seeds, own) + self._run(seeds, count, want - of_seeds, own)

    def _run(self, low: int, high: int, want: int, own: int) -> bytes | bytearray:
        """At most `want` peers of the places `low` to `high` (exclusive), going on at `low` behind the end."""
        size, compact, count = self.size, self.compact, high - low
        others = count - 1 if low <= own < high else count
        if want <= 0 or others <= 0:
            return b""
        if want >= others:
            if others == count:
                return compact[low * size : high * size]
            return compact[low * size : own * size] + compact[(own + 1) * size : high * size]
        start = low + int(random() * count)  # noqa: S311
        end = start + want
        if others != count and (start <= own < end or own + count < end):
            end += 1
            if own < start:
                own += count
        else:
            own = end
        if end <= high and own == end:
            return compact[start * size : end * size]
        run = compact[start * size : end * size]
        if end > high:
            run = compact[start * size : high * size] + compact[low * size : (end - count) * size]
        del run[(own - start) * size : (own - start + 1) * size]
        return run

    def expire(self, due: bytes) -> tuple[int, int]:
        """Forget everybody whose age is one of `due`; how many seeds and leechers that were."""
        before, seeds = len(self.ages), self.seeds
        for age in due:
            while (place := self.ages.find(age)) >= 0:
                self.remove(place)
        gone = seeds - self.seeds
        return gone, before - len(self.ages) - gone

    def _move(self, source: int, target: int) -> None:
        if source != target:
            size = self.size
            self._set(target, bytes(self.compact[source * size : (source + 1) * size]), self.ages[source])

    def _set(self, place: int, peer: bytes, age: int) -> None:
        self.compact[place * self.size : (place + 1) * self.size] = peer
        self.ages[place] = age
        if self.index is not None:
            self.index[peer] = place

    def _build_index(self) -> None:
        compact, size = bytes(self.compact), self.size
        self.index = {compact[place * size : (place + 1) * size]: place for place in range(len(self.ages))}


class Peers6(Peers):
    """IPv6 peers."""

    __slots__ = ()
    size = PEER6

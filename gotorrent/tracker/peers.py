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

    def sample(self, want: int, for_seed: bool, own: int) -> bytearray:
        """At most `want` peers for the one at place `own` (-1: it is not here), which is not among them.

        A seed is given leechers only; a leecher half of each kind, and more of one when there are too few of the other.
        """
        seeds, end = self.seeds, len(self.ages)
        if for_seed:
            return self._run(seeds, end, min(want, end - seeds), -1)
        leechers = end - seeds if own < 0 else end - seeds - 1
        if want > seeds + leechers:
            want = seeds + leechers
        of_seeds = (want + 1) >> 1
        if of_seeds > seeds:
            of_seeds = seeds
        if want - of_seeds > leechers:
            of_seeds = want - leechers
        if not of_seeds:
            return self._run(seeds, end, want, own)
        return self._run(0, seeds, of_seeds, -1) + self._run(seeds, end, want - of_seeds, own)

    def _run(self, low: int, high: int, count: int, own: int) -> bytearray:
        """`count` peers, which there must be, of the places from `low` up to `high`, going on at `low` behind the end.

        The run begins anywhere, or (`own` is one of the places) anywhere behind `own` from where it does not reach it again:
        seen over all who ask, everybody is chosen equally often.
        """
        size = self.size
        if own < 0:
            start = low + int(random() * (high - low))  # noqa: S311
        else:
            start = own + 1 + int(random() * (high - low - count))  # noqa: S311
            if start >= high:
                start -= high - low
        end = start + count
        if end <= high:
            return self.compact[start * size : end * size]
        return self.compact[start * size : high * size] + self.compact[low * size : (low + end - high) * size]

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

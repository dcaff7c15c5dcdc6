"""Who is in which swarm: the tracker's memory (BEP 3, 7), built so that an announce costs the same in a swarm of 10 or a million.

A swarm keeps its seeds and leechers apart, IPv4 and IPv6 apart, each kind as compact peers end to end in one buffer: a random
answer is one slice of it, and a peer that leaves is overwritten by the last one. Nothing is ever scanned whole: each announce
looks at a few old entries and forgets the expired ones, and `sweep` does the same for swarms that nobody announces to.

A peer is known by the address it came from and its port, never by what it calls itself, so nobody can remove another's entry.
It refuses new peers once `max_peers` are kept. All times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from random import randrange
from typing import NamedTuple

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.metainfo.metainfo import InfoHash
from gotorrent.wire.compact import PEER4, PEER6

PEER_ID = 20  # bytes
SWEEP_ON_ANNOUNCE = 8  # old entries looked at per announce, here and in the next swarm: more than one, so expiry keeps pace


class Peers:
    """Peers of one kind and family. Three buffers in step (address, peer id, time) and the place of each peer in them."""

    __slots__ = ("compact", "cursor", "ids", "index", "seen", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.index: dict[bytes, int] = {}
        self.compact = bytearray()
        self.ids = bytearray()
        self.seen = array("I")
        self.cursor = 0

    def __len__(self) -> int:
        return len(self.index)

    def put(self, peer: bytes, peer_id: bytes, now: float) -> bool:
        """Add or refresh `peer` (compact). True when it was not here before."""
        place = self.index.get(peer)
        if place is not None:
            self.seen[place] = int(now)
            self.ids[place * PEER_ID : (place + 1) * PEER_ID] = peer_id
            return False
        self.index[peer] = len(self.seen)
        self.compact += peer
        self.ids += peer_id
        self.seen.append(int(now))
        return True

    def remove(self, peer: bytes) -> bool:
        """Forget `peer`: the last one takes its place. True when it was here."""
        place = self.index.pop(peer, None)
        if place is None:
            return False
        last = bytes(self.compact[-self.size :])
        if last != peer:
            self.index[last] = place
            self.compact[place * self.size : (place + 1) * self.size] = last
            self.ids[place * PEER_ID : (place + 1) * PEER_ID] = self.ids[-PEER_ID:]
            self.seen[place] = self.seen[-1]
        del self.compact[-self.size :], self.ids[-PEER_ID:], self.seen[-1]
        return True

    def sample(self, want: int, asker: bytes) -> bytes:
        """At most `want` peers, without `asker`: a run that begins at a random place, as compact peers end to end."""
        count, size = len(self.seen), self.size
        own = self.index.get(asker)
        want = min(want, count if own is None else count - 1)
        if want <= 0:
            return b""
        start = randrange(count)  # noqa: S311
        skip = count if own is None else (own - start) % count
        take = want if skip >= want else want + 1
        run = self.compact[start * size : (start + take) * size]
        if start + take > count:
            run += self.compact[: (start + take - count) * size]
        if take > want:
            del run[skip * size : (skip + 1) * size]
        return bytes(run)

    def expire(self, before: int, budget: int) -> int:
        """Look at the next `budget` entries and forget those last seen before second `before`.

        The next call goes on behind them, and from the start after the end. Returns how many were forgotten.
        """
        first, stop = self.cursor, self.cursor + budget
        checked = self.seen[first:stop]
        removed = 0
        if checked and min(checked) < before:
            for place in range(first + len(checked) - 1, first - 1, -1):  # backwards: the last entry fills each gap
                if self.seen[place] < before:
                    self.remove(bytes(self.compact[place * self.size : (place + 1) * self.size]))
                    removed += 1
        self.cursor = stop if stop < len(self.seen) else 0
        return removed


class Swarm:
    """The peers of one torrent."""

    __slots__ = ("leechers", "seeds")

    def __init__(self) -> None:
        self.seeds = (Peers(PEER4), Peers(PEER6))
        self.leechers = (Peers(PEER4), Peers(PEER6))

    def counts(self) -> tuple[int, int]:
        """Number of seeds and of leechers."""
        return len(self.seeds[0]) + len(self.seeds[1]), len(self.leechers[0]) + len(self.leechers[1])

    def longest(self) -> int:
        """Entries of the largest of the four kinds."""
        return max(map(len, self.seeds + self.leechers))


class Answer(NamedTuple):
    """What an announce is answered with: the counts of BEP 48 and compact peers of both families (BEP 23, 7)."""

    complete: int
    incomplete: int
    downloaded: int
    peers4: bytes
    peers6: bytes


class Totals(NamedTuple):
    """The tracker in five numbers. `announces` since the start, those that did not parse not counted."""

    torrents: int
    seeds: int
    leechers: int
    downloaded: int
    announces: int


class Swarms:
    """All swarms, under one lock. Times are seconds of one monotonic clock."""

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._swarms: dict[InfoHash, Swarm] = {}
        self._to_sweep: deque[InfoHash] = deque()  # every swarm exactly once
        self._sweep_left = 0  # entries still to look at in the first of them
        self._downloaded: dict[InfoHash, int] = {}  # outlives its swarm; never more entries than max_peers
        self._seeds = 0
        self._leechers = 0
        self._all_downloaded = 0
        self._announces = 0

    def announce(self, info_hash: InfoHash, peer: bytes, peer_id: bytes, event: bytes, seed: bool, want: int, now: float) -> Answer:
        """Take note of `peer` (compact: its source address and port) and give it at most `want` others (BEP 3).

        `event` is `started`, `completed`, `stopped` or anything else for a regular announce; `seed` says that nothing is left.
        A seed is given no seeds, `stopped` nobody. Raises `TrackerError` when memory is full and the peer is new.
        """
        with self._lock:
            self._announces += 1
            before = int(now - self.config.peer_timeout)
            self._sweep(before, SWEEP_ON_ANNOUNCE)
            swarm = self._swarms.get(info_hash)
            if swarm is not None:
                self._expire(swarm, before, SWEEP_ON_ANNOUNCE)
            if event == b"stopped":
                if swarm is not None:
                    self._remove(swarm, peer)
                    return Answer(*swarm.counts(), self._downloaded.get(info_hash, 0), b"", b"")
                return Answer(0, 0, self._downloaded.get(info_hash, 0), b"", b"")
            if swarm is None:
                self._check_room()
                swarm = self._swarms[info_hash] = Swarm()
                self._to_sweep.append(info_hash)
            new_seed = self._put(swarm, peer, peer_id, seed, now)
            if event == b"completed" and new_seed:
                self._count_download(info_hash)
            seeds, leechers = swarm.counts()
            wanted_seeds, wanted_leechers = (0, want) if seed else shares(want, seeds, leechers - 1)
            peers4, peers6 = _choose(swarm.leechers, wanted_leechers, peer)
            if wanted_seeds:
                seeds4, seeds6 = _choose(swarm.seeds, wanted_seeds, peer)
                peers4 += seeds4
                peers6 += seeds6
            return Answer(seeds, leechers, self._downloaded.get(info_hash, 0), peers4, peers6)

    def scrape(self, info_hash: InfoHash) -> tuple[int, int, int]:
        """Seeds, downloads counted, leechers of one torrent; zeros when nobody announced it (BEP 48)."""
        with self._lock:
            swarm = self._swarms.get(info_hash)
            seeds, leechers = swarm.counts() if swarm is not None else (0, 0)
            return seeds, self._downloaded.get(info_hash, 0), leechers

    def peer_id(self, info_hash: InfoHash, peer: bytes) -> bytes | None:
        """The 20 bytes by which a compact peer calls itself; None when it has just left."""
        with self._lock:
            swarm = self._swarms.get(info_hash)
            family = 0 if len(peer) == PEER4 else 1
            for peers in (swarm.seeds[family], swarm.leechers[family]) if swarm is not None else ():
                place = peers.index.get(peer)
                if place is not None:
                    return bytes(peers.ids[place * PEER_ID : (place + 1) * PEER_ID])
            return None

    def totals(self) -> Totals:
        """How much is kept now. Torrents whose last peer has just left may still be counted."""
        with self._lock:
            return Totals(len(self._swarms), self._seeds, self._leechers, self._all_downloaded, self._announces)

    def sweep(self, now: float, budget: int = 10_000) -> None:
        """Look at about `budget` old entries and forget the expired ones; call it every second or so, whatever happens."""
        with self._lock:
            self._sweep(int(now - self.config.peer_timeout), budget)

    def _sweep(self, before: int, budget: int) -> None:
        for _ in range(len(self._to_sweep)):
            swarm = self._swarms[self._to_sweep[0]]
            left = self._sweep_left or swarm.longest()
            step = min(left, budget)
            self._expire(swarm, before, step)
            self._sweep_left = left - step
            if not self._sweep_left:
                info_hash = self._to_sweep.popleft()
                if any(swarm.counts()):
                    self._to_sweep.append(info_hash)
                else:
                    del self._swarms[info_hash]
            budget -= step + 1
            if budget <= 0:
                return

    def _expire(self, swarm: Swarm, before: int, budget: int) -> None:
        """Look at up to `budget` entries of each kind."""
        for peers in swarm.seeds:
            if peers.seen:
                self._seeds -= peers.expire(before, budget)
        for peers in swarm.leechers:
            if peers.seen:
                self._leechers -= peers.expire(before, budget)

    def _put(self, swarm: Swarm, peer: bytes, peer_id: bytes, seed: bool, now: float) -> bool:
        """Add, refresh or move a peer; True when it was no seed before and is one now."""
        family = 0 if len(peer) == PEER4 else 1
        seeds, leechers = swarm.seeds[family], swarm.leechers[family]
        here, other = (seeds, leechers) if seed else (leechers, seeds)
        if peer not in here.index and peer not in other.index:
            self._check_room()
        if other.remove(peer):
            self._seeds -= not seed
            self._leechers -= seed
        if not here.put(peer, peer_id, now):
            return False
        self._seeds += seed
        self._leechers += not seed
        return seed

    def _remove(self, swarm: Swarm, peer: bytes) -> None:
        family = 0 if len(peer) == PEER4 else 1
        self._seeds -= swarm.seeds[family].remove(peer)
        self._leechers -= swarm.leechers[family].remove(peer)

    def _check_room(self) -> None:
        if self._seeds + self._leechers >= self.config.max_peers:
            raise TrackerError(
                f"this tracker is full: it keeps {self.config.max_peers} peers at most; try again later or use another tracker"
            )

    def _count_download(self, info_hash: InfoHash) -> None:
        if info_hash in self._downloaded or len(self._downloaded) < self.config.max_peers:
            self._downloaded[info_hash] = self._downloaded.get(info_hash, 0) + 1
            self._all_downloaded += 1


def shares(want: int, first: int, second: int) -> tuple[int, int]:
    """Divide `want` between two groups of `first` and `second` members: half each, and what one cannot fill goes to the other."""
    half = (want + 1) // 2
    of_first = min(first, max(half, want - second))
    return of_first, min(second, want - of_first)


def _choose(families: tuple[Peers, Peers], want: int, asker: bytes) -> tuple[bytes, bytes]:
    """At most `want` compact peers without `asker`, the asker's own family first when they are not all wanted."""
    own, other = families if len(asker) == PEER4 else families[::-1]
    wanted_own, wanted_other = shares(want, len(own.index) - (asker in own.index), len(other.index))
    from_own, from_other = own.sample(wanted_own, asker), other.sample(wanted_other, asker)
    return (from_own, from_other) if len(asker) == PEER4 else (from_other, from_own)

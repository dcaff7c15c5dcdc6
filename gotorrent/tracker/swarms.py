"""Who is in which swarm: the store that keeps everything in this process's memory (BEP 3, 7, 48).

An announce costs the same in a swarm of 10 or a million, and with 10 swarms or a million: nothing is ever scanned whole. Time is
counted in ticks; each peer has the tick after which it is forgotten, one byte of it, so that a sweep finds the expired peers of
a swarm by searching its bytes for the ticks that are over.

Memory has a cap. A new swarm is on probation until a second announce or a second address; all those together may take a quarter
of the cap. Who needs room takes it from them first, then from the swarm that was announced to least recently; a tracker full of
one swarm refuses new peers. A peer is known by the address it came from and its port, so nobody can remove another's entry.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from itertools import islice

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.peers import Peers, Peers6
from gotorrent.tracker.probation import Probation
from gotorrent.tracker.store import (
    COMPLETED,
    MAX_INTERVAL,
    NONE,
    STOPPED,
    SWARM_RATE,
    Compact,
    Found,
    Torrent,
    Totals,
    interval,
    time_out,
)
from gotorrent.wire.compact import PEER4

PROBATION_SHARE = 4  # swarms on probation may take the cap divided by this
TICKS = 100  # of the longest time-out; one byte has 256, so that old and new are never mixed up
SWEEPS = 32  # a sweep looks at this part of all swarms, at least `SWEEP_FLOOR`
SWEEP_FLOOR = 1000


class Swarm:
    """The peers of one torrent."""

    __slots__ = ("announced", "downloaded", "peers4", "peers6")

    def __init__(self, downloaded: int, tick: int) -> None:
        self.peers4: Peers | None = None
        self.peers6: Peers | None = None
        self.downloaded = downloaded
        self.announced = tick

    def counts(self) -> tuple[int, int]:
        """Number of seeds and of leechers."""
        families = [peers for peers in (self.peers4, self.peers6) if peers is not None]
        seeds = sum(peers.seeds for peers in families)
        return seeds, sum(map(len, families)) - seeds


class Swarms:
    """All swarms, under one lock. Implements `store.Store`."""

    immediate = True

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._swarms: dict[bytes, Swarm] = {}  # by the tick of their last announce, oldest first
        self._probation = Probation()
        self._downloaded: dict[bytes, int] = {}  # of torrents whose swarm is gone; never more entries than max_peers
        self._all_downloaded = 0
        self._seeds = 0  # in `_swarms`; those on probation are counted there
        self._leechers = 0
        self._tick_seconds = -(-time_out(config, max(MAX_INTERVAL, config.announce_interval)) // TICKS)
        self._now, self._tick = 0.0, 0  # of the last announce
        self._swept: int | None = None  # everybody of this tick and before is forgotten, or will be in this round
        self._due = b""  # ages that this round of the sweep looks for
        self._round: list[bytes] = []  # swarms that it still has to look at
        self._kept_after = [self._ticks(told) for told in range(MAX_INTERVAL + 1)]
        self._set_pace()

    def announce(self, info_hash: bytes, peer: bytes, event: int, seed: bool, want: int, both: bool, now: float) -> Found:
        """See `Store.announce`. What nearly all of them take, a known peer that is still what it was, is written out here."""
        with self._lock:
            if now != self._now:
                self._now, self._tick = now, int(now / self._tick_seconds)
            tick = self._tick
            swarm = self._swarms.get(info_hash)
            if swarm is None or event == STOPPED:
                answer = self._begin_or_end(info_hash, swarm, peer, event, seed)
                if answer is not None:
                    return answer
                swarm = self._swarms[info_hash]
            if swarm.announced != tick:
                swarm.announced = tick
                self._swarms[info_hash] = self._swarms.pop(info_hash)
            if len(peer) == PEER4:
                own, other = swarm.peers4, swarm.peers6
            else:
                own, other = swarm.peers6, swarm.peers4
            if own is None:
                own, place = self._put(info_hash, swarm, peer, seed, event)
            else:
                place = own.find(peer) if own.index is None else own.index.get(peer, -1)
                if place < 0 or (place < own.seeds) is not seed:
                    own, place = self._put(info_hash, swarm, peer, seed, event)
            seeds, count = own.seeds, len(own.ages)
            if other is not None:
                seeds += other.seeds
                count += len(other.ages)
            if count <= self._small:
                told, kept = self._interval, self._kept
            else:
                told = min(count // SWARM_RATE, MAX_INTERVAL)
                kept = self._kept_after[told]
            own.ages[place] = (tick + kept) & 255
            if other is None or not both:
                chosen = own.sample(want, seed, place)
                rest: Compact = b""
            else:
                chosen, rest = _from_both(own, other, want, seed, place)
            if len(peer) == PEER4:
                return seeds, count - seeds, swarm.downloaded, told, chosen, rest
            return seeds, count - seeds, swarm.downloaded, told, rest, chosen

    def scrape(self, info_hashes: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """See `Store.scrape`."""
        with self._lock:
            return [self._counts(info_hash) for info_hash in info_hashes]

    def totals(self) -> Totals:
        """See `Store.totals`."""
        with self._lock:
            seeds = self._seeds + self._probation.seeds
            return Totals(len(self._swarms) + len(self._probation), seeds, self._occupied() - seeds, self._all_downloaded)

    def torrents(self, limit: int) -> list[Torrent]:
        """See `Store.torrents`; those on probation come last."""
        with self._lock:
            newest = list(islice(reversed(self._swarms), limit))
            newest += self._probation.newest(limit - len(newest))
            found = [(info_hash, *self._counts(info_hash)) for info_hash in newest]
        return [Torrent(info_hash, seeds, leechers, done) for info_hash, seeds, done, leechers in found if seeds + leechers]

    def peers(self, info_hash: bytes, limit: int) -> tuple[bytes, bytes, bytes, bytes]:
        """See `Store.peers`."""
        with self._lock:
            swarm = self._swarms.get(info_hash)
            entry = self._probation.get(info_hash)
            if entry is not None:
                kinds = [b""] * 4
                kinds[(0 if len(entry[0]) == PEER4 else 1) + (0 if entry[1] else 2)] = entry[0]
                return kinds[0], kinds[1], kinds[2], kinds[3]
            seeds4, leechers4 = _kinds(swarm.peers4 if swarm is not None else None, limit)
            seeds6, leechers6 = _kinds(swarm.peers6 if swarm is not None else None, limit)
            return seeds4, seeds6, leechers4, leechers6

    def downloads(self) -> dict[bytes, int]:
        """Completed downloads of each torrent that has any, to be kept while the tracker does not run."""
        with self._lock:
            return self._downloaded | {key: swarm.downloaded for key, swarm in self._swarms.items() if swarm.downloaded}

    def restore(self, downloads: dict[bytes, int]) -> None:
        """Begin with these counts; before the first announce. Those beyond the cap are left out."""
        with self._lock:
            self._downloaded = dict(islice(downloads.items(), self.config.max_peers))
            self._all_downloaded = sum(self._downloaded.values())

    def sweep(self, now: float) -> None:
        """See `Store.sweep`. Each call looks at a part of the swarms; a round over all of them begins with each new tick."""
        tick = int(now / self._tick_seconds)
        with self._lock:
            self._set_pace()
            step = max(SWEEP_FLOOR, len(self._swarms) // SWEEPS)
            self._probation.expire(tick, step)
            if not self._round and self._swept is not None and self._swept < tick - 1:
                if tick - self._swept > TICKS + 1:  # nobody that was here then can still be
                    self._due = bytes(range(256))
                else:
                    self._due = bytes(age & 255 for age in range(self._swept + 1, tick))
                self._round = list(self._swarms)
                self._swept = tick - 1
            for info_hash in self._round[-step:]:
                swarm = self._swarms.get(info_hash)
                if swarm is not None and not self._expire(swarm):
                    self._drop(info_hash)
            del self._round[-step:]

    def _begin_or_end(self, info_hash: bytes, swarm: Swarm | None, peer: bytes, event: int, seed: bool) -> Found | None:
        """A peer stops, or a swarm is announced for the first time. None when it was the second: the swarm is there now."""
        waiting, tick = self._probation.get(info_hash), self._tick
        if event == STOPPED:
            if swarm is not None:
                self._remove(swarm, peer)
                if not any(swarm.counts()):
                    self._drop(info_hash)
            elif waiting is not None and waiting[0] == peer:
                self._probation.pop(info_hash)
        elif waiting is None:
            if len(self._probation) >= max(1, self.config.max_peers // PROBATION_SHARE):
                self._probation.evict()
            self._make_room(info_hash)
            self._probation.add(info_hash, peer, seed, (tick + self._kept) & 255)
            if self._swept is None:
                self._swept = tick - 1
        else:
            first, was_seed, age = waiting
            self._probation.pop(info_hash)
            swarm = self._swarms[info_hash] = Swarm(self._downloaded.pop(info_hash, 0), tick)
            own, place = self._put(info_hash, swarm, first, was_seed, NONE)
            own.ages[place] = age
            return None
        seeds, downloaded, leechers = self._counts(info_hash)
        return seeds, leechers, downloaded, self._interval, b"", b""

    def _put(self, info_hash: bytes, swarm: Swarm, peer: bytes, seed: bool, event: int) -> tuple[Peers, int]:
        """Add a peer, or make it the seed or leecher that it was not; the peers of its family, and its place there."""
        own = swarm.peers4 if len(peer) == PEER4 else swarm.peers6
        place = own.find(peer) if own is not None else -1
        if own is None or place < 0:
            self._make_room(info_hash)
            if own is None and len(peer) == PEER4:
                own = swarm.peers4 = Peers()
            elif own is None:
                own = swarm.peers6 = Peers6()
            place = own.add(peer, seed, 0)
        else:
            place = own.turn(place, seed)
            self._seeds -= not seed
            self._leechers -= seed
        self._seeds += seed
        self._leechers += not seed
        if seed and event == COMPLETED:
            swarm.downloaded += 1
            self._all_downloaded += 1
        return own, place

    def _remove(self, swarm: Swarm, peer: bytes) -> None:
        own = swarm.peers4 if len(peer) == PEER4 else swarm.peers6
        place = own.find(peer) if own is not None else -1
        if own is not None and place >= 0:
            seed = place < own.seeds
            own.remove(place)
            self._seeds -= seed
            self._leechers -= not seed

    def _expire(self, swarm: Swarm) -> bool:
        """Forget the peers of `swarm` whose time is over; whether anybody is left."""
        left = 0
        for peers in (swarm.peers4, swarm.peers6):
            if peers is not None:
                seeds, leechers = peers.expire(self._due)
                self._seeds -= seeds
                self._leechers -= leechers
                left += len(peers.ages)
        return left > 0

    def _drop(self, info_hash: bytes) -> None:
        """Forget a swarm, but not how often its torrent was downloaded."""
        swarm = self._swarms.pop(info_hash)
        seeds, leechers = swarm.counts()
        self._seeds -= seeds
        self._leechers -= leechers
        if swarm.downloaded and len(self._downloaded) < self.config.max_peers:
            self._downloaded[info_hash] = swarm.downloaded

    def _make_room(self, info_hash: bytes) -> None:
        """Make sure that one more peer may come to `info_hash`. Raises `TrackerError` when its swarm alone fills the memory."""
        cap = self.config.max_peers
        while len(self._probation) and self._occupied() >= cap:
            self._probation.evict()
        if self._occupied() < cap:
            return
        enough = cap - cap // 1000  # a run of them at once: the front of a dictionary is slow to find
        for oldest in list(islice(self._swarms, 1000)):
            if oldest != info_hash:
                self._drop(oldest)
                if self._occupied() < enough:
                    return
        if self._occupied() >= cap:
            raise TrackerError(f"this tracker is full: it keeps {cap} peers at most; try again later or use another tracker")

    def _occupied(self) -> int:
        return self._seeds + self._leechers + len(self._probation)

    def _counts(self, info_hash: bytes) -> tuple[int, int, int]:
        """Seeds, downloads, leechers."""
        swarm = self._swarms.get(info_hash)
        if swarm is not None:
            seeds, leechers = swarm.counts()
            return seeds, swarm.downloaded, leechers
        waiting = self._probation.get(info_hash)
        seeds, leechers = (int(waiting[1]), int(not waiting[1])) if waiting is not None else (0, 0)
        return seeds, self._downloaded.get(info_hash, 0), leechers

    def _set_pace(self) -> None:
        """Interval and time-out of small swarms, by how many peers there are in all."""
        self._interval = interval(self.config, 0, self._occupied())
        slower = self._interval + 1  # what the first swarm is told that is large enough for its size to matter
        self._small = slower * SWARM_RATE - 1 if slower <= MAX_INTERVAL else sys.maxsize
        self._kept = self._ticks(self._interval)

    def _ticks(self, told: int) -> int:
        """Ticks for which a peer is remembered that was told to come back after `told` seconds."""
        return -(-time_out(self.config, told) // self._tick_seconds)


def shares(want: int, first: int, second: int) -> tuple[int, int]:
    """Divide `want` between two groups of `first` and `second` members: half each, and what one cannot fill goes to the other."""
    half = (want + 1) // 2
    of_first = min(first, max(half, want - second))
    return of_first, min(second, want - of_first)


def _from_both(own: Peers, other: Peers, want: int, seed: bool, place: int) -> tuple[bytearray, bytearray]:
    """At most `want` peers, some of the asker's own family (it is at `place` there), some of the other."""
    ours = len(own) - own.seeds if seed else len(own) - 1
    theirs = len(other) - other.seeds if seed else len(other)
    of_own, of_other = shares(want, ours, theirs)
    return own.sample(of_own, seed, place), other.sample(of_other, seed, -1)


def _kinds(peers: Peers | None, limit: int) -> tuple[bytes, bytes]:
    """At most `limit` seeds and as many leechers of one family."""
    if peers is None:
        return b"", b""
    border, size = peers.seeds * peers.size, peers.size
    return bytes(peers.compact[:border][: limit * size]), bytes(peers.compact[border : border + limit * size])

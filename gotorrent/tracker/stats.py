"""What a tracker remembers for its page besides the swarms: how busy it was, what just happened, which torrents are large.

No BEP rules it. Everything is bounded, whatever peers send: a ring of points, a ring of events, a few candidates for the largest
torrents, found without ever looking at all of them. Times are seconds of one monotonic clock, given by the caller. What peers sent
is kept as bytes here; who shows it makes text of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from gotorrent.metainfo.metainfo import InfoHash

STEP = 5.0  # seconds between two points of the history: an announce interval of 60 s is still seen as a wave
POINTS = 121  # ten minutes, both ends included
EVENTS = 50  # kept; a page shows fewer
CANDIDATES = 32  # torrents that may be among the largest; half as many are kept when they become too many

STARTED, COMPLETED, STOPPED, UNREACHABLE = "started", "completed", "stopped", "unreachable"


class Point(NamedTuple):
    """Announces per second over the step that ended `age` seconds ago, over HTTP and over UDP."""

    age: float
    http: float
    udp: float


class History:
    """Announces per second over the last ten minutes, from counters that only grow. For one writer; readers may be many."""

    def __init__(self, step: float = STEP, points: int = POINTS) -> None:
        self._step = step
        self._seen: deque[tuple[float, int, int]] = deque(maxlen=points)

    def record(self, now: float, http: int, udp: int) -> None:
        """Take note of both counters; call it as often as you like, one call per step is kept."""
        if not self._seen or now >= self._seen[-1][0] + self._step:
            self._seen.append((now, http, udp))

    def points(self, now: float) -> list[Point]:
        """The steps recorded so far, oldest first; the mean of a longer one when nobody recorded in between."""
        seen = list(self._seen)
        return [
            Point(now - end, (http - old_http) / (end - start), (udp - old_udp) / (end - start))
            for (start, old_http, old_udp), (end, http, udp) in pairwise(seen)
        ]


class Event(NamedTuple):
    """Something that happened to one peer of one torrent. `peer` is compact, `peer_id` is 20 bytes of the peer's own choice."""

    at: float
    kind: str
    info_hash: InfoHash
    peer: bytes
    peer_id: bytes
    seed: bool
    udp: bool


class Events:
    """The last things that happened."""

    def __init__(self, size: int = EVENTS) -> None:
        self._ring: deque[Event] = deque(maxlen=size)

    def add(self, event: Event) -> None:
        """Keep `event` and forget the oldest one."""
        self._ring.append(event)

    def latest(self, count: int) -> list[Event]:
        """At most `count` events, newest first."""
        return list(self._ring)[: -count - 1 : -1]


class Row(NamedTuple):
    """One torrent in numbers (BEP 48)."""

    info_hash: InfoHash
    seeds: int
    downloaded: int
    leechers: int


class Largest:
    """The torrents with most peers among those that announces offer; exact as long as each torrent announces now and then."""

    def __init__(self, candidates: int = CANDIDATES) -> None:
        self._limit = candidates
        self._lock = threading.Lock()
        self._sizes: dict[InfoHash, int] = {}
        self._bar = 0  # no smaller torrent becomes a candidate

    def offer(self, info_hash: InfoHash, size: int) -> None:
        """An announce of this torrent found `size` peers in it. Nearly always this returns at once."""
        if size <= self._bar or info_hash in self._sizes:
            return
        with self._lock:
            self._sizes[info_hash] = size
            if len(self._sizes) > self._limit:
                kept = sorted(self._sizes, key=self._sizes.__getitem__, reverse=True)[: self._limit // 2]
                self._sizes = {each: self._sizes[each] for each in kept}
                self._bar = self._sizes[kept[-1]]

    def rows(self, count: int, scrape: Callable[[Sequence[InfoHash]], Sequence[tuple[int, int, int]]]) -> list[Row]:
        """At most `count` torrents, largest first, measured now by `scrape` (seeds, downloads, leechers of each).

        Empty ones are dropped, and the bar sinks with those that shrank.
        """
        hashes = list(self._sizes)
        rows = [Row(each, *counts) for each, counts in zip(hashes, scrape(hashes), strict=True)]
        rows.sort(key=lambda row: (row.seeds + row.leechers, row.info_hash), reverse=True)
        with self._lock:
            for row in rows:
                if row.seeds + row.leechers:
                    self._sizes[row.info_hash] = row.seeds + row.leechers
                else:
                    self._sizes.pop(row.info_hash, None)
            if len(self._sizes) < self._limit // 2:
                self._bar = 0
            elif self._bar:
                self._bar = min(self._bar, *self._sizes.values())
        return [row for row in rows[:count] if row.seeds + row.leechers]

"""What a tracker remembers for its page besides the swarms: how busy it was, and which torrents are large. No BEP rules it.

Both are bounded, whatever peers send: a ring of points, and a few candidates for the largest torrents, found without ever looking
at all of them. Times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from gotorrent.tracker.counters import HTTP4, HTTP6, UDP4, UDP6
from gotorrent.tracker.store import Store, Torrent

STEP = 5.0  # seconds between two points of the history: an announce interval of 60 s is still seen as a wave
POINTS = 121  # ten minutes, both ends included
CANDIDATES = 32  # torrents remembered as large ones between two looks
LOOKED_AT = 200  # torrents that announced last, each time somebody wants to know the largest
FRESH = 2.0  # seconds for which the largest torrents are not looked for again


class Point(NamedTuple):
    """Announces per second over the step that ended `age` seconds ago, over HTTP and over UDP."""

    age: float
    http: float
    udp: float


class History:
    """Announces per second over the last ten minutes, from counters that only grow. Any thread may record and read."""

    def __init__(self, step: float = STEP, points: int = POINTS) -> None:
        self._step = step
        self._seen: deque[tuple[float, int, int]] = deque(maxlen=points)
        self._lock = threading.Lock()

    def record(self, now: float, announces: Sequence[int]) -> None:
        """Take note of the counters of all doors (`counters.HTTP4` ...); call it as often as you like, one per step is kept."""
        with self._lock:
            if not self._seen or now >= self._seen[-1][0] + self._step:
                self._seen.append((now, announces[HTTP4] + announces[HTTP6], announces[UDP4] + announces[UDP6]))

    def points(self, now: float) -> list[Point]:
        """The steps recorded so far, oldest first; one longer step with its mean where nobody recorded in between."""
        with self._lock:
            seen = list(self._seen)
        return [
            Point(now - end, (http - old_http) / (end - start), (udp - old_udp) / (end - start))
            for (start, old_http, old_udp), (end, http, udp) in pairwise(seen)
        ]


class Largest:
    """The torrents with most peers among those that were offered. Large ones announce most, so a look at the last ones finds them.

    The answer is that of one look every `FRESH` seconds, however many ask.
    """

    def __init__(self, candidates: int = CANDIDATES) -> None:
        self._limit = candidates
        self._lock = threading.Lock()
        self._known: list[Torrent] = []
        self._looked: float | None = None

    def torrents(self, store: Store, count: int, now: float) -> list[Torrent]:
        """At most `count` torrents, largest first, with their numbers of this moment. Asks `store` twice at most."""
        with self._lock:
            if self._looked is None or now >= self._looked + FRESH:
                self._looked = now
                self._look(store)
            return self._known[:count]

    def _look(self, store: Store) -> None:
        recent = {each.info_hash: each for each in store.torrents(LOOKED_AT)}
        old = [each.info_hash for each in self._known if each.info_hash not in recent]
        for info_hash, (seeds, downloaded, leechers) in zip(old, store.scrape(old) if old else [], strict=True):
            recent[info_hash] = Torrent(info_hash, seeds, leechers, downloaded)
        alive = [each for each in recent.values() if each.seeds + each.leechers]
        alive.sort(key=lambda each: (each.seeds + each.leechers, each.info_hash), reverse=True)
        self._known = alive[: self._limit]

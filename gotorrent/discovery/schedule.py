"""When to announce to which tracker, decided without thread, socket or clock: time comes in as an argument.

Rules: BEP 3 (events, `interval`), BEP 12 (tiers: shuffled once, a failure moves on to the next of its tier, a success moves to
the front), BEP 27 (a private torrent talks to one tracker at a time: all its tiers are one list here). Retries begin quickly,
because a person often starts the tracker a few seconds after the client, and become rare; a tracker's `min interval`, or
`retry in`, is never cut short. It refuses to be driven below 5 s by a tracker.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gotorrent.wire.http_tracker import AnnounceReply

FIRST_RETRIES = (2.0, 5.0)
"""Seconds after the first and the second failure; each further one doubles them: 10, 20, 40 ..."""

LONGEST_RETRY = 1800.0
JITTER = 0.2
"""Retries come up to this part sooner or later, so that a whole class does not return in the same second."""

SHORTEST_INTERVAL = 5.0
LONGEST_INTERVAL = 86_400.0
"""A tracker's interval is taken between these: 0 would make us hammer it, a year would make us forget it."""


def retry_delay(failures: int) -> float:
    """Seconds to wait after this many failures in a row (1 or more), before jitter: 2, 5, 10, 20, 40 ... 1800."""
    if failures <= len(FIRST_RETRIES):
        return FIRST_RETRIES[failures - 1]
    return min(LONGEST_RETRY, FIRST_RETRIES[-1] * 2.0 ** min(failures - len(FIRST_RETRIES), 20))


def unsupported(url: str) -> str:
    """Why no announce goes to this URL, as a sentence; "" when it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "this is not a usable URL"
    scheme = parts.scheme.lower()
    if scheme == "udp":
        return "UDP trackers are not supported yet"
    if scheme not in ("http", "https"):
        return f"{scheme or 'no'}:// is not a tracker protocol that GoTorrent speaks; http:// and https:// are"
    return "" if host else "there is no host in this URL"


@dataclass(eq=False)
class TrackerSchedule:
    """One tracker of one torrent: what it took from us, what it said, and when it may be asked again (monotonic seconds)."""

    url: str
    next_at: float  # the next announce, were it this tracker's turn
    not_before: float = -math.inf  # its own wish: last answer plus `min interval`, or `retry in`
    early_at: float = math.inf  # from here on it may be asked early, by a torrent that wants peers
    min_interval: float | None = None
    started: bool = False  # it took `started`, so it will get `stopped`
    completed_due: bool = False
    failures: int = 0  # in a row
    tracker_id: bytes = b""
    seeds: int | None = None
    leechers: int | None = None
    peers: int = 0  # given in its last answer
    warning: str = ""
    last_error: str = ""
    unsupported: bool = field(init=False)

    def __post_init__(self) -> None:
        self.last_error = unsupported(self.url)
        self.unsupported = bool(self.last_error)
        if self.unsupported:
            self.next_at = math.inf

    @property
    def working(self) -> bool:
        """Did its last announce succeed?"""
        return self.started and not self.failures

    def event(self) -> str:
        """The event of the next announce (BEP 3)."""
        if not self.started:
            return "started"
        return "completed" if self.completed_due else ""

    def succeeded(self, reply: AnnounceReply, event: str, left: int, now: float) -> None:
        """It answered. A `started` that says nothing is left makes `completed` untrue, so that is never sent (BEP 3)."""
        if event == "completed" or (event == "started" and left == 0):
            self.completed_due = False
        self.started = True
        self.failures = 0
        self.last_error = ""
        self.warning = reply.warning
        self.tracker_id = reply.tracker_id or self.tracker_id
        self.seeds, self.leechers, self.peers = reply.seeds, reply.leechers, len(reply.peers)
        interval = min(max(reply.interval, SHORTEST_INTERVAL), LONGEST_INTERVAL)
        self.min_interval = None
        if reply.min_interval is not None:
            self.min_interval = min(max(reply.min_interval, SHORTEST_INTERVAL), LONGEST_INTERVAL)
            interval = max(interval, self.min_interval)
        self.not_before = now + (self.min_interval or SHORTEST_INTERVAL)
        self.early_at = math.inf if self.min_interval is None else now + self.min_interval
        self.next_at = now if self.completed_due else now + interval

    def failed(self, error: str, retry_after: float | None, now: float, jitter: float = 1.0) -> None:
        """It refused, answered nonsense or did not answer. `retry_after` is its own wish in seconds; infinity is never."""
        self.failures += 1
        self.last_error = error
        self.early_at = math.inf
        if retry_after is not None:
            self.not_before = now + (retry_after if retry_after == math.inf else min(retry_after, LONGEST_INTERVAL))
        self.next_at = max(now + retry_delay(self.failures) * jitter, self.not_before)

    def hurry(self, now: float) -> None:
        """Ask as soon as the tracker's own wishes allow."""
        if not self.unsupported:
            self.next_at = min(self.next_at, max(now, self.not_before))


class Tier:
    """Trackers of which one at a time is asked (BEP 12). While the front one works, the others wait."""

    def __init__(self, trackers: Iterable[TrackerSchedule]) -> None:
        self.trackers = list(trackers)
        self.announcing: TrackerSchedule | None = None

    def due(self) -> float:
        """When the next announce of this tier is: infinity while one is under way or none is possible."""
        if self.announcing is not None:
            return math.inf
        return min((tracker.next_at for tracker in self._candidates()), default=math.inf)

    def planned(self, tracker: TrackerSchedule) -> float:
        """When this tracker is asked next as things stand; infinity for one that only stands by, or is being asked."""
        if self.announcing is not None or tracker not in self._candidates():
            return math.inf
        return tracker.next_at

    def begin(self, now: float) -> TrackerSchedule | None:
        """The tracker whose turn it is now, marked as announcing; None when it is nobody's."""
        if self.due() > now:
            return None
        self.announcing = next(tracker for tracker in self._candidates() if tracker.next_at <= now)
        return self.announcing

    def succeeded(self, reply: AnnounceReply, event: str, left: int, now: float) -> None:
        """The announce that was under way was answered: its tracker moves to the front."""
        tracker = self._end()
        tracker.succeeded(reply, event, left, now)
        self.trackers.remove(tracker)
        self.trackers.insert(0, tracker)

    def failed(self, error: str, retry_after: float | None, now: float, jitter: float = 1.0) -> None:
        """The announce that was under way failed: the next tracker of the tier is due, if one may be asked by now."""
        self._end().failed(error, retry_after, now, jitter)

    def early_at(self) -> float:
        """From when on the working tracker may be asked before its interval is over."""
        if self.announcing is not None or not self.trackers or not self.trackers[0].working:
            return math.inf
        return self.trackers[0].early_at

    def ask_early(self, wanted: bool, now: float) -> None:
        """`early_at` has come: announce now if the torrent wants peers, else think again one `min interval` later."""
        front = self.trackers[0]
        if front.early_at > now or front.min_interval is None:
            return
        front.early_at = now + front.min_interval
        if wanted:
            front.hurry(now)

    def completed(self, now: float) -> None:
        """Let each tracker that took (or is being told) `started` hear `completed` once, the front one now."""
        for tracker in self.trackers:
            if tracker.started or tracker is self.announcing:
                tracker.completed_due = True
                if tracker.working:
                    tracker.next_at = now

    def hurry(self, now: float) -> None:
        """A person asks for an announce now."""
        for tracker in self.trackers:
            tracker.hurry(now)

    def _candidates(self) -> list[TrackerSchedule]:
        return self.trackers[:1] if self.trackers and self.trackers[0].working else self.trackers

    def _end(self) -> TrackerSchedule:
        tracker, self.announcing = self.announcing, None
        if tracker is None:
            raise RuntimeError("no announce of this tier is under way")
        return tracker


def make_tiers(
    urls: Iterable[Iterable[str]], *, private: bool, now: float, shuffle: Callable[[list[str]], None] = random.shuffle
) -> list[Tier]:
    """The tiers of one torrent, due at `now`: shuffled inside (BEP 12), and joined into one when it is private (BEP 27)."""
    tiers = [list(tier) for tier in urls]
    for tier in tiers:
        shuffle(tier)
    if private:
        tiers = [[url for tier in tiers for url in tier]]
    return [Tier(TrackerSchedule(url, now) for url in tier) for tier in tiers if tier]

"""Announces to trackers, for all torrents of a session: the threads and queues around `schedule`.

One thread waits for the next announce that is due and puts it into the queue of its tracker's host; short-lived workers take one
host each, so a dead tracker, or a name that nobody resolves, delays nobody else. A worker that has waited for half a second no
longer counts against the limit of workers, so that twenty dead trackers delay no live one. No lock is held while waiting for a
tracker or while calling a torrent. Rules: BEP 3, 12, 27, 31. UDP trackers are refused with a sentence.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlsplit

from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.discovery.http import Exchange, get
from gotorrent.discovery.schedule import JITTER, Tier, TrackerSchedule, make_tiers
from gotorrent.errors import HttpError, TrackerError
from gotorrent.wire.http_tracker import AnnounceReply, AnnounceRequest, announce_url, hide_passkey, parse_reply

STOPPED_TIMEOUT = 5.0
"""Seconds for a tracker to take `stopped`: nobody needs its answer."""

SLOW_AFTER = 0.5
"""Seconds after which an announce no longer counts against `workers`."""

MAX_THREADS = 100
"""Workers at the same time with the slow ones counted."""

LAST_WAIT = 0.5
"""Seconds for workers to notice that the announcer has stopped."""

State = Literal["waiting", "announcing", "working", "failed", "unsupported"]
_log = logging.getLogger(__name__)


class AnnounceTarget(Protocol):
    """What a torrent gives the announcer. The methods are called by announcer threads, with no announcer lock held."""

    @property
    def info_hash(self) -> bytes:
        """20 bytes."""

    @property
    def trackers(self) -> tuple[tuple[str, ...], ...]:
        """Tiers of announce URLs (BEP 12)."""

    @property
    def private(self) -> bool:
        """BEP 27: one tracker at a time."""

    def announce_stats(self) -> tuple[int, int, int]:
        """Bytes uploaded, downloaded (both in this run) and left."""

    def found_peers(self, peers: list[tuple[str, int]], source: str) -> None:
        """Take these (numeric address, port); `source` is "tracker"."""

    def wants_peers(self) -> bool:
        """Incomplete and short of peers? Then it may announce at `min interval`."""


@dataclass(frozen=True)
class TrackerStatus:
    """One tracker of one torrent, for people. `next_announce` is monotonic seconds, infinity when none is planned."""

    url: str  # passkey hidden
    state: State
    last_error: str  # what it did, in words: "refused the connection"; "" while all is well
    seeds: int | None
    leechers: int | None
    peers: int  # given in its last answer
    next_announce: float
    warning: str


@dataclass(eq=False)
class _Torrent:
    target: AnnounceTarget
    info_hash: bytes
    tiers: list[Tier]
    removed: bool = False


@dataclass(eq=False)
class _Job:
    """One announce, queued or under way. `tier` is None for `stopped`, which is sent once whatever comes of it."""

    torrent: _Torrent
    tracker: TrackerSchedule
    tier: Tier | None
    begun: float = 0.0
    exchange: Exchange | None = None
    host: str = field(init=False)

    def __post_init__(self) -> None:
        self.host = urlsplit(self.tracker.url).netloc.rpartition("@")[2].lower()


def ask_http(url: str, request: AnnounceRequest, exchange: Exchange | None = None) -> AnnounceReply:
    """Announce over HTTP. Raises `TrackerError`; some trackers put their reason into an answer with status 400."""
    try:
        return parse_reply(get(announce_url(url, request), exchange=exchange))
    except HttpError as error:
        if error.body.startswith(b"d"):
            parse_reply(error.body)
        raise TrackerError(str(error)) from error


class Announcer:
    """Tells trackers about torrents and torrents about peers. All methods may be called from any thread; none waits but `stop`."""

    def __init__(
        self,
        *,
        peer_id: bytes,
        port: int,
        clock: Clock = SYSTEM_CLOCK,
        timeout: float = 10.0,
        numwant: int = 80,
        workers: int = 20,
    ) -> None:
        self._peer_id = peer_id
        self._port = port
        self._clock = clock
        self._timeout = timeout
        self._numwant = numwant
        self._workers = workers
        self._key = secrets.token_hex(4)
        self._changed = threading.Condition()  # guards all below
        self._torrents: dict[bytes, _Torrent] = {}
        self._queues: dict[str, deque[_Job]] = {}  # by host
        self._running: set[_Job] = set()
        self._threads: set[threading.Thread] = set()
        self._scheduler: threading.Thread | None = None
        self._stopping = False
        self._stop_by = 0.0

    def start(self) -> None:
        """Start the thread that watches the schedule; workers come and go with the announces."""
        with self._changed:
            if self._scheduler is None and not self._stopping:
                self._scheduler = threading.Thread(target=self._schedule, name="announcer", daemon=True)
                self._scheduler.start()

    def add(self, target: AnnounceTarget) -> None:
        """Announce this torrent from now on: `started` at once to the first of each tier."""
        tiers = make_tiers(target.trackers, private=target.private, now=self._clock.monotonic())
        with self._changed:
            self._torrents.setdefault(target.info_hash, _Torrent(target, target.info_hash, tiers))
            self._changed.notify_all()

    def completed(self, info_hash: bytes) -> None:
        """The download became complete in this run: tell each tracker that took `started`, once."""
        self._each_tier(info_hash, Tier.completed)

    def announce_now(self, info_hash: bytes) -> None:
        """A person wants news: announce as soon as the trackers' own wishes (`min interval`, `retry in`) allow."""
        self._each_tier(info_hash, Tier.hurry)

    def remove(self, info_hash: bytes) -> None:
        """Forget this torrent; `stopped` goes to the trackers that took `started`."""
        with self._changed:
            torrent = self._torrents.pop(info_hash, None)
        if torrent is not None:
            self._say_stopped(torrent)

    def status(self, info_hash: bytes) -> tuple[TrackerStatus, ...]:
        """How each tracker of this torrent is doing, tier after tier; empty when the torrent is unknown."""
        with self._changed:
            torrent = self._torrents.get(info_hash)
            tiers = torrent.tiers if torrent else []
            return tuple(_status(tier, tracker) for tier in tiers for tracker in tier.trackers)

    def stop(self, timeout: float = 3.0) -> None:
        """Say `stopped` for all torrents, in parallel, within `timeout` seconds, and end all threads. Idempotent.

        A worker that is stuck in looking up a name, or in connecting, is left behind after `LAST_WAIT`; it announces nothing more.
        """
        with self._changed:
            if self._stopping:
                return
            self._stopping = True
            self._stop_by = self._clock.monotonic() + timeout
            torrents = list(self._torrents.values())
            self._torrents.clear()
            self._abandon(lambda job: job.tier is not None)
            self._changed.notify_all()
        for torrent in torrents:
            self._say_stopped(torrent)
        with self._changed:
            self._changed.wait_for(self._all_said, max(0.0, self._stop_by - self._clock.monotonic()))
            self._abandon(lambda job: True)
            threads = [*self._threads, *([self._scheduler] if self._scheduler else [])]
        give_up = self._clock.monotonic() + LAST_WAIT
        for thread in threads:
            thread.join(max(0.0, give_up - self._clock.monotonic()))

    def _all_said(self) -> bool:
        """Is no `stopped` waiting or under way?"""
        return not self._queues and all(job.tier is not None for job in self._running)

    def _each_tier(self, info_hash: bytes, change: Callable[[Tier, float], None]) -> None:
        with self._changed:
            torrent = self._torrents.get(info_hash)
            if torrent is not None:
                for tier in torrent.tiers:
                    change(tier, self._clock.monotonic())
                self._changed.notify_all()

    def _say_stopped(self, torrent: _Torrent) -> None:
        """Drop what is queued for this torrent; queue `stopped` for the trackers that took `started`."""
        with self._changed:
            torrent.removed = True
            self._drop(lambda job: job.torrent is torrent)
            for tier in torrent.tiers:
                for tracker in tier.trackers:
                    if tracker.started:
                        self._put(_Job(torrent, tracker, None))
            self._start_workers()

    # --- the schedule's thread ---

    def _schedule(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                now = self._clock.monotonic()
                for torrent in self._torrents.values():
                    for tier in torrent.tiers:
                        if tracker := tier.begin(now):
                            self._put(_Job(torrent, tracker, tier))
                self._start_workers()
                early = [(torrent, tier) for torrent, tier in self._all_tiers() if tier.early_at() <= now]
                if not early:
                    self._changed.wait(self._pause(now))
                    continue
            for torrent, tier in early:
                wanted = False
                try:
                    wanted = torrent.target.wants_peers()
                except Exception:
                    _log.exception("a torrent could not say whether it wants peers")
                with self._changed:
                    tier.ask_early(wanted, now)

    def _all_tiers(self) -> list[tuple[_Torrent, Tier]]:
        return [(torrent, tier) for torrent in self._torrents.values() for tier in torrent.tiers]

    def _pause(self, now: float) -> float | None:
        """Seconds until something is due, or a worker becomes slow while jobs wait; None when only a change can bring work."""
        moments = [min(tier.due(), tier.early_at()) for _, tier in self._all_tiers()]
        if self._next_host() is not None:
            moments += [slow for job in self._running if (slow := job.begun + SLOW_AFTER) > now]
        soonest = min(moments, default=now + threading.TIMEOUT_MAX)
        return None if soonest - now >= threading.TIMEOUT_MAX else max(0.0, soonest - now)

    # --- queues and workers (all but _work and _announce with the lock held) ---

    def _put(self, job: _Job) -> None:
        self._queues.setdefault(job.host, deque()).append(job)

    def _abandon(self, unwanted: Callable[[_Job], bool]) -> None:
        """Drop these jobs where they are queued, cut them off where they are under way."""
        self._drop(unwanted)
        for job in self._running:
            if job.exchange is not None and unwanted(job):
                job.exchange.cancel()

    def _drop(self, unwanted: Callable[[_Job], bool]) -> None:
        kept = {host: deque(job for job in queue if not unwanted(job)) for host, queue in self._queues.items()}
        self._queues = {host: queue for host, queue in kept.items() if queue}

    def _next_host(self) -> str | None:
        """A host with work and no worker, the most reliable first. While stopping, hosts are shared: `stopped` waits for nobody."""
        busy = set() if self._stopping else {job.host for job in self._running}
        free = [host for host in self._queues if host not in busy]
        return min(free, key=lambda host: self._queues[host][0].tracker.failures, default=None)

    def _take(self) -> _Job | None:
        """The next job, marked as running; None when there is none, or enough are running."""
        now = self._clock.monotonic()
        limit = MAX_THREADS if self._stopping else self._workers
        quick = sum(1 for job in self._running if self._stopping or job.begun + SLOW_AFTER > now)
        host = self._next_host()
        if host is None or quick >= limit:
            return None
        job = self._queues[host].popleft()
        if not self._queues[host]:
            del self._queues[host]
        job.begun = now
        timeout = self._timeout if job.tier is not None else min(self._timeout, STOPPED_TIMEOUT)
        if self._stopping:
            timeout = max(0.0, min(timeout, self._stop_by - now))
        job.exchange = Exchange(timeout, self._clock)
        self._running.add(job)
        return job

    def _start_workers(self) -> None:
        while len(self._threads) < MAX_THREADS and (job := self._take()):
            thread = threading.Thread(target=self._work, args=(job,), name=f"announce {job.host}"[:60], daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left: the job waits for the next change
                self._running.discard(job)
                self._queues.setdefault(job.host, deque()).appendleft(job)
                return
            self._threads.add(thread)

    def _work(self, first: _Job) -> None:
        job: _Job | None = first
        while job is not None:
            try:
                self._announce(job)
            except Exception:
                _log.exception("a worker of the announcer met a bug")
            with self._changed:
                self._running.discard(job)
                job = self._take()
                if job is None:
                    self._threads.discard(threading.current_thread())
                self._changed.notify_all()

    def _announce(self, job: _Job) -> None:
        """One announce, from the torrent's numbers to its peers."""
        event = "stopped" if job.tier is None else job.tracker.event()
        left = 0
        answer: AnnounceReply | TrackerError = TrackerError("could not be asked: there is a bug in GoTorrent")
        try:
            uploaded, downloaded, left = job.torrent.target.announce_stats()
            request = self._request(job, event, uploaded, downloaded, left)
            answer = ask_http(job.tracker.url, request, job.exchange)
        except TrackerError as error:
            answer = error
        finally:
            self._note(job, event, left, answer)
        if isinstance(answer, AnnounceReply) and answer.peers and job.tier is not None and not job.torrent.removed:
            job.torrent.target.found_peers(answer.peers, "tracker")

    def _request(self, job: _Job, event: str, uploaded: int, downloaded: int, left: int) -> AnnounceRequest:
        return AnnounceRequest(
            info_hash=job.torrent.info_hash,
            peer_id=self._peer_id,
            port=self._port,
            uploaded=uploaded,
            downloaded=downloaded,
            left=left,
            event=event,
            numwant=0 if event == "stopped" else self._numwant,
            key=self._key,
            tracker_id=job.tracker.tracker_id,
        )

    def _note(self, job: _Job, event: str, left: int, answer: AnnounceReply | TrackerError) -> None:
        """Write down what came of an announce. A `started` that succeeds after `remove` is followed by its `stopped`."""
        if job.tier is None:
            return
        with self._changed:
            now = self._clock.monotonic()
            if isinstance(answer, TrackerError):
                jitter = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311
                job.tier.failed(str(answer), answer.retry_after, now, jitter)
                return
            job.tier.succeeded(answer, event, left, now)
            if job.torrent.removed and event == "started":
                self._put(_Job(job.torrent, job.tracker, None))


def _status(tier: Tier, tracker: TrackerSchedule) -> TrackerStatus:
    state: State = "waiting"
    if tracker.unsupported:
        state = "unsupported"
    elif tier.announcing is tracker:
        state = "announcing"
    elif tracker.failures:
        state = "failed"
    elif tracker.started:
        state = "working"
    return TrackerStatus(
        url=hide_passkey(tracker.url),
        state=state,
        last_error=tracker.last_error,
        seeds=tracker.seeds,
        leechers=tracker.leechers,
        peers=tracker.peers,
        next_announce=tier.planned(tracker),
        warning=tracker.warning,
    )

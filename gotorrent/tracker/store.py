"""What a tracker's memory must offer, whatever keeps it, and the rules all of them share: interval and time-out. No BEP rules it.

`Swarms` keeps everything in this process. A store that asks another program (Redis) offers the same; one contract test runs over
all of them. Every store refuses, as `TrackerError` in one sentence, what it cannot keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gotorrent.config import TrackerConfig

NONE, COMPLETED, STARTED, STOPPED = range(4)  # events of an announce, numbered as in BEP 15

MAX_INTERVAL = 1800  # seconds; the longest pause that a client is asked for because of size or load
SWARM_RATE = 10  # announces per second that one swarm may cause: from 600 peers on the interval grows with it
TRACKER_RATE = 2000  # announces per second that all swarms together may cause

Compact = bytes | bytearray
"""Compact peers end to end. A `bytearray` is the receiver's own."""

Found = tuple[int, int, int, int, Compact, Compact]
"""Answer to an announce: seeds, leechers, downloads counted, interval in seconds, compact peers IPv4, compact peers IPv6."""


class Totals(NamedTuple):
    """What is kept now, all torrents together; `downloaded` counts completed downloads since the first start."""

    torrents: int
    seeds: int
    leechers: int
    downloaded: int


class Torrent(NamedTuple):
    """One torrent in numbers, for the dashboard."""

    info_hash: bytes
    seeds: int
    leechers: int
    downloaded: int


class Store(Protocol):
    """All swarms. Every method may be called from any thread. `now` is monotonic seconds of the caller's clock."""

    immediate: bool
    """Answers without waiting for anything but a short lock, so that it may be asked in a thread that serves all connections."""

    def announce(self, info_hash: bytes, peer: bytes, event: int, seed: bool, want: int, both: bool, now: float) -> Found:
        """Take note of `peer` (compact, 6 or 18 bytes: source address and announced port) and give it at most `want` others.

        `event` is one of the four above, `seed` says that nothing is left to download, `both` that peers of both families are of
        use (those of the asker's own first; otherwise its own only). A seed is given no seeds, `STOPPED` nobody, and nobody is
        given itself. A download is counted when a peer that was no seed here says `COMPLETED` as a seed. Raises `TrackerError`.
        """

    def scrape(self, info_hashes: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """(seeds, downloads counted, leechers) of each, zeros where nobody announced (BEP 48). Makes no swarm."""

    def totals(self) -> Totals:
        """How much is kept now; may be some seconds old."""

    def torrents(self, limit: int) -> list[Torrent]:
        """At most `limit` torrents that have peers, those announced last first."""

    def peers(self, info_hash: bytes, limit: int) -> tuple[bytes, bytes, bytes, bytes]:
        """At most `limit` each of IPv4 seeds, IPv6 seeds, IPv4 leechers, IPv6 leechers of one torrent, compact."""

    def sweep(self, now: float) -> None:
        """Forget some of what is too old, in a few milliseconds; called about twice a second, whatever else happens."""


def interval(config: TrackerConfig, swarm: int, everybody: int) -> int:
    """Seconds until a client in a swarm of `swarm` peers should announce again, with `everybody` peers on the whole tracker.

    The configured interval, longer as soon as one swarm would cause more than `SWARM_RATE` announces a second or all together
    more than `TRACKER_RATE`; never more than `MAX_INTERVAL`, unless the configuration says so itself.
    """
    grown = min(max(swarm // SWARM_RATE, everybody // TRACKER_RATE), MAX_INTERVAL)
    return max(config.announce_interval, grown)


def time_out(config: TrackerConfig, told: int) -> int:
    """Seconds for which a peer is remembered that was told to come back after `told` seconds: at least half an interval more."""
    return max(config.peer_timeout, told * 3 // 2)

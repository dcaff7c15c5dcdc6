"""One tracker as its doors see it: the store, the rules at the door, the counters. No BEP rules it.

HTTP by Flask, HTTP at accept and UDP all hold the same `Tracker` and ask `announce` about it, so that all decide alike. Each
rule is `None` until something is configured: an announce then pays one attribute test for it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Protocol

from gotorrent.config import TrackerConfig
from gotorrent.errors import CompactError
from gotorrent.tracker.counters import Counters
from gotorrent.tracker.store import Store
from gotorrent.wire.compact import pack_host


class Gate(Protocol):
    """Who may ask about what: access lists, passkeys, rate limits. Asked before the store, by every door.

    `source` is a packed address (4 or 16 bytes), `key` what stood behind `/announce/` or `/scrape/` (`b""` without), `door` one
    of `counters.HTTP4` ... `UDP6`, `now` monotonic seconds. The answer is None, or the reason of the refusal in one sentence.
    """

    def refuse_announce(self, source: bytes, info_hash: bytes, key: bytes, door: int, now: float) -> str | None:
        """May this announce go on?"""

    def refuse_scrape(self, source: bytes, info_hashes: Sequence[bytes], key: bytes, door: int, now: float) -> str | None:
        """May this scrape go on?"""


class Watch(Protocol):
    """Looks at each peer after it was taken into the store; never waits."""

    def warning(self, info_hash: bytes, peer: bytes, now: float) -> str | None:
        """What this peer (compact) should be told as `warning message`; None for nothing. UDP cannot tell it."""

    def forget(self, peer: bytes) -> None:
        """This peer (compact) has stopped."""

    def unreachable(self) -> Sequence[bytes]:
        """The peers (compact) that were dialled lately in vain."""


class Proxies(Protocol):
    """Which sources are proxies of ours, and for whom they speak."""

    def __contains__(self, source: object) -> bool:
        """Is this packed address a configured proxy?"""

    def client(self, source: bytes, forwarded_for: str) -> bytes:
        """Packed address of who asked proxy `source`, by its `X-Forwarded-For`: the right-most that is no proxy."""


class Tracker:
    """What all doors of one tracker share. The rules may be exchanged while it runs (reload): they are read once per request."""

    __slots__ = ("believed", "config", "counters", "gate", "proxies", "store", "watch")

    def __init__(self, config: TrackerConfig, store: Store) -> None:
        self.config = config
        self.store = store
        self.counters = Counters()
        self.gate: Gate | None = None
        self.watch: Watch | None = None
        self.proxies: Proxies | None = None
        self.believed: Container[bytes] | None = None  # packed sources that may name another address by `ip=`


def packed(host: str) -> bytes:
    """The 4 or 16 bytes of a numeric address; `b""` where there is none, as behind a Unix socket."""
    try:
        return pack_host(host)
    except CompactError:
        return b""

"""The rules at the tracker's doors, from its settings: who may ask, about what, how often, and through whom. No BEP rules it.

`Rules` is the `tracker.Gate` of a tracker. First the limit per address, which is the cheapest and shields the rest; then the
passkey; then the lists. What can change while the tracker runs (lists, keys, limits, ranges of addresses) is exchanged whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.access import Access
from gotorrent.tracker.limits import RateLimit
from gotorrent.tracker.networks import Networks
from gotorrent.tracker.proxy import ReverseProxies


class Rules:
    """Says no, as a `TrackerError` with a reason for the person, or nothing."""

    def __init__(self, config: TrackerConfig) -> None:
        """Raises `ConfigError` when a file of the settings cannot be read, or a range of addresses is none."""
        self.access = Access(config.allow_file, config.deny_file, config.passkey_file)
        self.limit = RateLimit(config.rate_limit, config.rate_burst, Networks(config.trusted_networks, "trusted_networks"))

    def refuse_announce(self, source: bytes, info_hash: bytes, key: bytes, door: int, now: float) -> str | None:
        """Why this announce is refused, None when it is not. Raises `TrackerError` when it may be asked again after some time."""
        if source[:1] != b"\x7f" or len(source) > 4:  # the limit is off for loopback: the shortest way to say so
            self._check_limit(source, now)
        if self.access.open:
            return None
        return self.access.refusal_of_key(key) or self.access.refusal_of_torrent(info_hash)

    def refuse_scrape(self, source: bytes, info_hashes: Sequence[bytes], key: bytes, door: int, now: float) -> str | None:
        """Why this scrape is refused, as above. Numbers of a torrent that is not served are zeros, so the lists say nothing."""
        self._check_limit(source, now)
        return self.access.refusal_of_key(key)

    def _check_limit(self, source: bytes, now: float) -> None:
        seconds = self.limit.wait(source, now)
        if seconds:
            raise TrackerError(self.limit.explain(seconds), seconds)


def proxies(config: TrackerConfig) -> ReverseProxies | None:
    """The reverse proxies of the settings; None when there are none. Raises `ConfigError`."""
    networks = Networks(config.trusted_proxies, "trusted_proxies")
    return ReverseProxies(networks) if networks else None

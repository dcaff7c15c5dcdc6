"""How much one address may ask: a token bucket per address, and a count of its open connections. No BEP rules it.

An address (an IPv6 /64) may ask `rate` times a second in the long run, and up to `burst` times at once. The bucket is kept as
one number, the time at which it will be full again; one that is full need not be kept. So memory is bounded without a search:
all buckets are in two tables, the older of which is dropped as soon as everything in it is full, or when the younger has
`MAX_ADDRESSES / 2` entries. The second happens only when tens of thousands of addresses ask within seconds, which no limit per
address helps against; the forgotten ones then start with a full bucket.
"""

from __future__ import annotations

import threading

from gotorrent.tracker.networks import Networks
from gotorrent.wire.compact import is_loopback

MAX_ADDRESSES = 131_072  # buckets in memory, some 100 bytes each
IPV6_HOST = 8  # bytes of an IPv6 address that count: a host may use any address of its /64


class RateLimit:
    """Token buckets. Times are seconds of one monotonic clock. Off for loopback and for `exempt`."""

    def __init__(self, rate: float, burst: int, exempt: Networks, max_addresses: int = MAX_ADDRESSES) -> None:
        """`rate` tokens a second, 0 for no limit, in buckets of `burst`."""
        self.rate = rate
        self.burst = burst
        self._cost = 1 / rate if rate else 0.0  # seconds until one token has come back
        self._fill = burst * self._cost  # seconds until an empty bucket is full
        self._exempt = exempt if exempt else None
        self._half = max(1, max_addresses // 2)
        self._lock = threading.Lock()
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}
        self._young_since = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def wait(self, packed: bytes, now: float) -> float:
        """Take one token of the address: 0.0 when there was one, else the seconds until there is, and none is taken."""
        if not packed or is_loopback(packed) or not self.rate or (self._exempt is not None and packed in self._exempt):
            return 0.0
        key = packed[:IPV6_HOST]
        with self._lock:
            if len(self._young) >= self._half or now - self._young_since > self._fill:
                self._old, self._young, self._young_since = self._young, {}, now
            full_at = self._young.get(key)
            if full_at is None:
                full_at = self._old.pop(key, now)
            full_at = max(full_at, now) + self._cost
            too_early = full_at - now - self._fill
            if too_early > self._cost * 1e-6:  # a rounding error is no offence
                self._young[key] = full_at - self._cost
                return too_early
            self._young[key] = full_at
            return 0.0

    def explain(self, seconds: float) -> str:
        """The refusal, for the person: what the limit is and when to come back."""
        return (
            f"too many requests from your address: at most {self.rate:g} a second, {self.burst} at once; "
            f"the next is answered in {max(1, round(seconds))} s"
        )


class ConnectionCount:
    """How many connections each address holds. Off for loopback, for `exempt` and for a Unix socket (no address)."""

    def __init__(self, most: int, exempt: Networks) -> None:
        self.most = most
        self._exempt = exempt
        self._open: dict[bytes, int] = {}

    def enter(self, packed: bytes) -> bool:
        """Count one more; False, and not counted, when the address has its share already."""
        if self._free(packed):
            return True
        key = packed[:IPV6_HOST]
        count = self._open.get(key, 0)
        if count >= self.most:
            return False
        self._open[key] = count + 1
        return True

    def leave(self, packed: bytes) -> None:
        """Count one less: once for each `enter` that returned True."""
        if self._free(packed):
            return
        key = packed[:IPV6_HOST]
        count = self._open.get(key, 0) - 1
        if count > 0:
            self._open[key] = count
        else:
            self._open.pop(key, None)

    def __len__(self) -> int:
        return len(self._open)

    def _free(self, packed: bytes) -> bool:
        return not packed or is_loopback(packed) or packed in self._exempt

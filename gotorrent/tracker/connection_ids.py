"""Connection ids of the UDP tracker (BEP 15): who shows one has received a packet at the address that it sends from.

An id is the second in which it was made (2 bytes, modulo 18 hours) and a keyed hash of that second and the address (6 bytes).
So nothing is remembered for those who ask, it cannot be made up without the key, is good for one address only, and for two
minutes. The key is new in each process.
"""

from __future__ import annotations

import secrets
from hashlib import blake2s
from hmac import compare_digest

LIFETIME = 120  # seconds
KNOWN = 32_768  # addresses whose id is remembered once it was checked, 10 MiB; they are all forgotten when there are more
_TIME = 2  # bytes
_HASH = 6


class ConnectionIds:
    """Makes and checks them. `second` is whole monotonic seconds. Any thread may use it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, tuple[bytes, int]] = {}

    def issue(self, source: bytes, second: int) -> bytes:
        """8 bytes for the packed address `source`."""
        return (second & 0xFFFF).to_bytes(_TIME, "big") + self._hash(source, second)

    def valid(self, source: bytes, connection: bytes, second: int) -> bool:
        """Was this id made for this address within the last two minutes?"""
        known = self._known.get(source)
        if known is not None and second <= known[1] and compare_digest(known[0], connection):
            return True
        age = (second - int.from_bytes(connection[:_TIME], "big")) & 0xFFFF
        if age > LIFETIME or not compare_digest(self._hash(source, second - age), connection[_TIME:]):
            return False
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[source] = connection, second - age + LIFETIME
        return True

    def _hash(self, source: bytes, second: int) -> bytes:
        return blake2s(source + second.to_bytes(8, "big", signed=True), digest_size=_HASH, key=self._key).digest()

"""Connection ids of the UDP tracker (BEP 15): who shows one has received a packet at the address that it sends from.

An id is the second in which it was made (2 bytes, modulo 18 hours) and a keyed hash of that second and the address (6 bytes).
So nothing is remembered for those who ask, it cannot be made up without the key, is good for one address only, and for two
minutes. The key is new in each process.
"""

from __future__ import annotations

import secrets
from hashlib import blake2s
from hmac import compare_digest

from gotorrent.wire.compact import pack_host

LIFETIME = 120  # seconds
KNOWN = 32_768  # addresses whose id is remembered once it was checked, 10 MiB; they are all forgotten when there are more
_TIME = 2  # bytes
_HASH = 6


class ConnectionIds:
    """Makes and checks them, for addresses as a socket gives them. `second` is whole monotonic seconds. For any thread."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[str, tuple[bytes, int, bytes]] = {}  # address -> its id, good until, packed address

    def issue(self, host: str, second: int) -> bytes:
        """8 bytes for the numeric address `host`."""
        return (second & 0xFFFF).to_bytes(_TIME, "big") + self._hash(pack_host(host), second)

    def source(self, host: str, connection: bytes, second: int) -> bytes | None:
        """The packed address `host` if this id was made for it within the last two minutes, else None."""
        known = self._known.get(host)
        if known is not None and compare_digest(known[0], connection) and second <= known[1]:
            return known[2]
        source = pack_host(host)
        age = (second - int.from_bytes(connection[:_TIME], "big")) & 0xFFFF
        if age > LIFETIME or not compare_digest(self._hash(source, second - age), connection[_TIME:]):
            return None
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[host] = connection, second - age + LIFETIME, source
        return source

    def _hash(self, source: bytes, second: int) -> bytes:
        return blake2s(source + second.to_bytes(8, "big", signed=True), digest_size=_HASH, key=self._key).digest()

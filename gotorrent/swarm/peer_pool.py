"""The peers of one torrent that we know of: whom to dial next, whom never again. No BEP rules it.

An address comes from a tracker or from the person. It is dialled, and after a failure or a lost connection again, each time later.
Several peers on one host are welcome, as in a classroom behind one address; so on a private host a ban hits one peer only.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

Address = tuple[str, int]

MAX_KNOWN = 2000
"""Addresses remembered; a further one takes the place of one that is useless or does not answer."""

FIRST_RETRY = 3.0
LAST_RETRY = 600.0
"""Seconds until an address is dialled again after its first failure; doubled with each further one, up to the second."""


@dataclass
class _Known:
    next_dial: float = 0.0
    failures: int = 0
    busy: bool = False  # being dialled, or connected
    useless: bool = False  # ourselves, banned, or has nothing for us


def is_private(host: str) -> bool:
    """Whether many machines or programs may stand behind this address: loopback, private and link-local ones."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_link_local


class PeerPool:
    """Addresses and what came of them. Any thread; times are monotonic seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Address, _Known] = {}
        self._banned: set[str | tuple[str, bytes]] = set()

    def add(self, addresses: Iterable[Address]) -> None:
        """Addresses of peers that may be dialled at once; at most `MAX_KNOWN` of them are looked at."""
        with self._lock:
            new = {a: _Known() for a in islice(addresses, MAX_KNOWN) if a[1] and a not in self._known}
            excess = len(self._known) + len(new) - MAX_KNOWN
            for address in self._worst_first()[: max(0, excess)]:
                del self._known[address]
            self._known.update(islice(new.items(), MAX_KNOWN - len(self._known)))

    def due(self, now: float, count: int) -> list[Address]:
        """At most `count` addresses to dial now; each counts as busy until `ended`."""
        with self._lock:
            ready = [
                (known.failures, known.next_dial, address)
                for address, known in self._known.items()
                if not known.busy and not known.useless and known.next_dial <= now and address[0] not in self._banned
            ]
            chosen = [address for _, _, address in sorted(ready)[:count]]
            for address in chosen:
                self._known[address].busy = True
            return chosen

    def next_due(self) -> float:
        """When the next address may be dialled; infinity when there is none."""
        with self._lock:
            return min((k.next_dial for k in self._known.values() if not k.busy and not k.useless), default=float("inf"))

    def ended(self, address: Address, now: float, *, worked: bool, useless: bool = False) -> None:
        """A dial failed, or a connection (`worked`) ended. `useless`: never dial it again."""
        with self._lock:
            known = self._known.get(address)
            if known is None:
                return
            known.busy = False
            known.useless = known.useless or useless
            known.failures = 0 if worked else known.failures + 1
            known.next_dial = now + min(LAST_RETRY, FIRST_RETRY * 2 ** min(known.failures, 10))

    def ban(self, address: Address, peer_id: bytes) -> None:
        """Have no more to do with this peer; with its whole host when that is a public address."""
        with self._lock:
            self._banned.add((address[0], peer_id) if is_private(address[0]) else address[0])
            known = self._known.get(address)
            if known:
                known.useless = True

    def is_banned(self, address: Address, peer_id: bytes) -> bool:
        """Whether a peer that has said its id is banned."""
        return address[0] in self._banned or (address[0], peer_id) in self._banned

    @property
    def count(self) -> int:
        """How many addresses are known that are worth dialling."""
        with self._lock:
            return sum(not known.useless for known in self._known.values())

    def _worst_first(self) -> list[Address]:
        """Addresses that may be forgotten: useless ones, then those that failed most often."""
        bad = [(k.useless, k.failures, a) for a, k in self._known.items() if not k.busy and (k.useless or k.failures)]
        return [address for _, _, address in sorted(bad, reverse=True)]

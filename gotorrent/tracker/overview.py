"""One tracker in plain values, for its page: totals, doors, rates over time, the largest torrents, what happened. No BEP rules it.

Of peers it tells counts and info-hashes, nothing else that they sent; their addresses only when the operator has switched that
on (`show_addresses`).
"""

from __future__ import annotations

from typing import Any

from gotorrent import __version__
from gotorrent.errors import TrackerError
from gotorrent.tracker.counters import DOORS, Event
from gotorrent.tracker.stats import POINTS, STEP, History, Largest
from gotorrent.tracker.store import COMPLETED, STARTED, STOPPED, Totals
from gotorrent.tracker.tracker import Tracker
from gotorrent.wire.compact import unpack_peer

EVENTS = 20
TORRENTS = 10
ADVISED = 10  # addresses in a piece of advice

_NAMES = {STARTED: "started", COMPLETED: "completed", STOPPED: "stopped"}


class Overview:
    """What can be told about `tracker`. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, tracker: Tracker, now: float) -> None:
        self._tracker = tracker
        self._started = now
        self._history = History()
        self._largest = Largest()
        self._totals = Totals(0, 0, 0, 0)
        self.record(now)

    def record(self, now: float) -> None:
        """Note for the drawing how many announces there were; call it every few seconds. Never waits."""
        self._history.record(now, self._tracker.counters.announces)

    def view(self, now: float) -> dict[str, Any]:
        """Everything, ready for JSON. Ages in seconds; `points` are [age, announces per second over HTTP, and over UDP].

        While a store elsewhere does not answer, its last totals stay and `trouble` says why.
        """
        self.record(now)
        trouble, largest = "", []
        try:
            self._totals = self._tracker.store.totals()
            largest = self._largest.torrents(self._tracker.store, TORRENTS, now)
        except TrackerError as error:
            trouble = str(error)
        counters = self._tracker.counters
        return {
            "version": __version__,
            "uptime": now - self._started,
            "trouble": trouble,
            "advice": self._advice(),
            **self._totals._asdict(),
            "announces": dict(zip(DOORS, counters.announces, strict=True)),
            "refused": sum(counters.refused),
            "span": STEP * (POINTS - 1),
            "points": [[round(point.age, 1), round(point.http, 2), round(point.udp, 2)] for point in self._history.points(now)],
            "largest": [{**each._asdict(), "info_hash": each.info_hash.hex()} for each in largest],
            "events": [self._event(event, now) for event in list(counters.recent)[: -EVENTS - 1 : -1]],
        }

    def _advice(self) -> str:
        """What the person at the tracker can do for peers that nobody can reach; "" when there are none."""
        peers = self._tracker.watch.unreachable() if self._tracker.watch is not None else ()
        if not peers:
            return ""
        who = f"{len(peers)} peers on this network" if len(peers) > 1 else "One peer on this network"
        if self._tracker.config.show_addresses:
            who += f" ({', '.join(map(_address, peers[:ADVISED]))}{', ...' if len(peers) > ADVISED else ''})"
        return f"{who} cannot be reached by others: allow the torrent client in the firewall of that computer."

    def _event(self, event: Event, now: float) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "age": max(0.0, now - event.when),
            "event": _NAMES[event.event],
            "info_hash": event.info_hash.hex(),
            "seed": event.seed,
            "door": DOORS[event.door],
        }
        if self._tracker.config.show_addresses:
            shown["address"] = _address(event.peer)
        return shown


def _address(peer: bytes) -> str:
    host, port = unpack_peer(peer)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

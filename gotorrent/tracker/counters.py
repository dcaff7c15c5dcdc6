"""What came in through which door, in plain numbers: the dashboard and the metrics read them. No BEP rules it."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

HTTP4, HTTP6, UDP4, UDP6 = range(4)  # the doors: transport and address family of the peer
DOORS = ("http4", "http6", "udp4", "udp6")
RECENT = 200  # events that the dashboard can look back on


class Event(NamedTuple):
    """A peer (compact) that started, completed or stopped (`event` as in `store`), when (monotonic seconds), through which door."""

    when: float
    event: int
    info_hash: bytes
    peer: bytes
    seed: bool
    door: int


class Counters:
    """Totals since the start, one number per door. Read them without a lock; add under `lock`, where possible a batch at once."""

    __slots__ = ("announces", "bad_connections", "connects", "lock", "recent", "refused", "scrapes")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.announces = [0, 0, 0, 0]  # answered with peers
        self.scrapes = [0, 0, 0, 0]  # answered with counts
        self.refused = [0, 0, 0, 0]  # announces and scrapes answered with a reason
        self.connects = [0, 0, 0, 0]  # UDP only: connection ids handed out
        self.bad_connections = [0, 0, 0, 0]  # UDP only: packets with a forged or outdated connection id
        self.recent: deque[Event] = deque(maxlen=RECENT)

"""Snapshots made by hand, for tests of what is shown and when to leave."""

from __future__ import annotations

from typing import Any

from gotorrent.clock import Clock
from gotorrent.session.snapshot import PeerSnapshot, SessionSnapshot, TorrentSnapshot


class HandClock(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def torrent(**changes: Any) -> TorrentSnapshot:
    """A torrent of 1 000 bytes, half of them here, to which nothing happens."""
    values: dict[str, Any] = {
        "info_hash": "aa" * 20, "name": "talk.pdf", "state": "downloading", "path": "/d/talk.pdf", "total": 1000, "left": 500,
        "piece_count": 10, "have_count": 5, "progress": 0.5, "checked": 1.0, "down_rate": 0.0, "up_rate": 0.0, "downloaded": 0,
        "uploaded": 0, "eta": None, "waiting_for": "", "error": "", "exit_code": 0, "peers": (), "trackers": (),
    }  # fmt: skip
    return TorrentSnapshot(**{**values, **changes})


def seeding(**changes: Any) -> TorrentSnapshot:
    """The same, complete."""
    return torrent(**{"state": "seeding", "left": 0, "have_count": 10, "progress": 1.0, **changes})


def peer(**changes: Any) -> PeerSnapshot:
    """A connection on which nothing happens."""
    values: dict[str, Any] = {
        "address": "192.0.2.7:6881", "client": "", "progress": 0.0, "down_rate": 0.0, "up_rate": 0.0, "downloaded": 0,
        "uploaded": 0, "am_choking": True, "am_interested": False, "peer_choking": True, "peer_interested": False,
        "incoming": False,
    }  # fmt: skip
    return PeerSnapshot(**{**values, **changes})


def session(*torrents: TorrentSnapshot, notices: tuple[str, ...] = ()) -> SessionSnapshot:
    """A client with these torrents."""
    return SessionSnapshot("0", 6881, torrents, 0.0, 0.0, notices)

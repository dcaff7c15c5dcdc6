"""Frozen views of the client: all that the command line and the web UI ever see of it. No BEP rules this module.

A snapshot is built under the torrent's lock in microseconds and then belongs to the reader: no lock, socket or thread can be
reached from it. Sizes are bytes, rates bytes per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TorrentState = Literal["checking", "downloading", "seeding", "stopped", "error"]


@dataclass(frozen=True)
class PeerSnapshot:
    """One connection. "am" is us, "peer" is the other side, as in BEP 3."""

    address: str  # "192.0.2.7:6881", "[2001:db8::7]:6881"
    client: str  # the program's name as its peer id gives it, or ""; untrusted text
    progress: float  # 0.0 to 1.0 of the torrent
    down_rate: float
    up_rate: float
    downloaded: int
    uploaded: int
    am_choking: bool
    am_interested: bool
    peer_choking: bool
    peer_interested: bool
    incoming: bool


@dataclass(frozen=True)
class TrackerSnapshot:
    """One tracker of one torrent. `url` has its passkey hidden."""

    url: str
    status: str  # in words: "working, 3 peers", "waiting for an answer", "refused: ..."
    seeds: int | None
    leechers: int | None
    next_announce: float | None  # seconds from now


@dataclass(frozen=True)
class TorrentSnapshot:
    """One torrent. `progress` is verified bytes; while `state` is "checking", `checked` is how far the hashing has come."""

    info_hash: str  # 40 hex digits
    name: str
    state: TorrentState
    path: str  # where its content lies: the file, or the folder of a multi-file torrent
    total: int
    left: int
    piece_count: int
    have_count: int
    progress: float
    checked: float
    down_rate: float
    up_rate: float
    downloaded: int
    uploaded: int
    eta: float | None
    waiting_for: str  # one sentence, "" while data moves
    error: str  # one sentence, "" unless `state` is "error"
    exit_code: int  # what a command line that waited for this torrent ends with
    peers: tuple[PeerSnapshot, ...]
    trackers: tuple[TrackerSnapshot, ...]


@dataclass(frozen=True)
class SessionSnapshot:
    """The whole client at one moment."""

    version: str
    peer_port: int
    torrents: tuple[TorrentSnapshot, ...]
    down_rate: float
    up_rate: float
    notices: tuple[str, ...]  # sentences a person should see once: "port 6881 is busy, using 6882"

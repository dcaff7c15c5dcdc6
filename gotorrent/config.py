"""Every setting, its default, its unit and its reason: `config.yaml` is printed from this file. No BEP rules it.

Settings come from a flag, then `-config FILE`, else `config.yaml` in the current folder, else in the user's configuration folder,
else from here. Unknown keys, wrong types and values out of range are errors that name key and line. The program never writes
`config.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _setting(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    """One setting; `doc` becomes its comment in config.yaml, `low` and `high` (inclusive) are checked on reading."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high})


@dataclass(frozen=True)
class ClientConfig:
    """Settings of `client.py`."""

    download_dir: str = _setting("~/Downloads", "folder for new downloads when -dir is not given; ~ is your home folder")
    tracker_url: str = _setting("http://localhost:8080/announce", "tracker that -create writes into a torrent when -tracker is not given")
    peer_port: int = _setting(6881, "TCP port on which other peers reach us; a busy default moves to the next free one; 0 = any", 0, 65535)
    ui_port: int = _setting(3000, "port of the web UI on 127.0.0.1; a busy default moves to the next free one", 1, 65535)
    open_browser: bool = _setting(True, "open the web UI in the browser at the start")
    max_peers_per_torrent: int = _setting(80, "connections of one torrent", 1, 10_000)
    max_peers: int = _setting(400, "connections of the whole client: one thread each", 1, 10_000)
    max_half_open: int = _setting(40, "connection attempts at the same time", 1, 1000)
    upload_slots: int = _setting(5, "peers of one torrent that we upload to at the same time", 1, 1000)
    choke_interval: float = _setting(10.0, "seconds between two decisions whom to upload to", 0.1, 3600)
    unverified_mib: int = _setting(32, "MiB of one torrent that may be requested or received but not yet verified, all peers together", 1, 4096)
    request_window: int = _setting(512, "most 16 KiB blocks requested from one peer at a time (never over what the peer allows)", 1, 2000)
    connect_timeout: float = _setting(10.0, "seconds for a peer to accept a connection", 0.1, 300)
    handshake_timeout: float = _setting(10.0, "seconds for a peer to complete the handshake", 0.1, 300)
    idle_timeout: float = _setting(180.0, "seconds of silence after which a peer is closed", 1, 3600)
    keepalive_interval: float = _setting(100.0, "seconds of our own silence after which we send a keep-alive", 1, 3600)
    block_timeout: float = _setting(60.0, "seconds without a requested block after which others are asked for it", 0.5, 3600)
    open_files: int = _setting(256, "files held open at the same time", 4, 100_000)
    hash_threads: int = _setting(0, "threads that hash for -create; 0 = one per processor", 0, 256)
    announce_timeout: float = _setting(10.0, "seconds for a tracker's whole answer", 0.5, 120)
    numwant: int = _setting(80, "peers we ask a tracker for", 0, 200)


@dataclass(frozen=True)
class TrackerConfig:
    """Settings of `tracker.py`."""

    host: str = _setting("", 'address to listen on; "" = all addresses, IPv4 and IPv6')
    port: int = _setting(8080, "HTTP port; the tracker never moves to another one", 0, 65535)
    announce_interval: int = _setting(60, "seconds that a client should wait between two announces", 1, 86_400)
    min_interval: int = _setting(15, "seconds that a client must wait between two announces", 1, 86_400)
    peer_timeout: int = _setting(180, "seconds after its last announce at which a peer is forgotten", 1, 864_000)
    numwant_default: int = _setting(50, "peers in an answer when the client does not say how many", 0, 200)
    numwant_max: int = _setting(200, "most peers in one answer", 1, 200)
    max_peers: int = _setting(1_000_000, "peers kept in memory, all torrents together; over it new ones are refused", 1, 100_000_000)
    threads: int = _setting(8, "threads that answer HTTP requests", 1, 256)
    connections: int = _setting(1000, "HTTP connections open at the same time", 10, 100_000)


@dataclass(frozen=True)
class Config:
    """The whole of `config.yaml`: one section for each of the two programs."""

    client: ClientConfig = field(default_factory=ClientConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)

"""A client that is not there: a facade whose torrents a test sets as it likes."""

from __future__ import annotations

import dataclasses
import hashlib

from gotorrent.errors import MagnetError, MetainfoError
from gotorrent.session.snapshot import PeerSnapshot, SessionSnapshot, TorrentSnapshot, TrackerSnapshot

MIB = 2**20


def peer(address: str = "192.0.2.7:6881", **changes: object) -> PeerSnapshot:
    plain = PeerSnapshot(
        address=address,
        client="libtorrent 2.1.1",
        progress=1.0,
        down_rate=3.2 * MIB,
        up_rate=0.0,
        downloaded=120 * MIB,
        uploaded=0,
        am_choking=True,
        am_interested=True,
        peer_choking=False,
        peer_interested=False,
        incoming=False,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def tracker(**changes: object) -> TrackerSnapshot:
    plain = TrackerSnapshot("http://localhost:8080/announce", "working, 3 peers", 2, 1, 42.0)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def torrent(name: str = "talk.pdf", **changes: object) -> TorrentSnapshot:
    """A torrent that downloads from one peer; `left` follows from `progress`."""
    total, progress = changes.get("total", 400 * MIB), changes.get("progress", 0.25)
    plain = TorrentSnapshot(
        info_hash=hashlib.sha1(name.encode("utf-8", "surrogatepass")).hexdigest(),
        name=name,
        state="downloading",
        path=f"/home/ann/Downloads/{name}",
        total=400 * MIB,
        left=int(total * (1 - progress)),  # type: ignore[operator]
        piece_count=1600,
        have_count=int(1600 * progress),  # type: ignore[operator]
        progress=0.25,
        checked=1.0,
        down_rate=3.2 * MIB,
        up_rate=0.0,
        downloaded=100 * MIB,
        uploaded=0,
        eta=94.0,
        waiting_for="",
        error="",
        exit_code=7,
        peers=(peer(),),
        trackers=(tracker(),),
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


class FakeFacade:
    """Satisfies `ClientFacade`. A test reads `added` and sets `torrents`, `notices` or `failure`."""

    def __init__(self, *torrents: TorrentSnapshot) -> None:
        self.torrents = torrents
        self.notices: tuple[str, ...] = ()
        self.version = "0.1.0"
        self.failure: Exception | None = None
        self.added: list[bytes | str] = []

    def snapshot(self) -> SessionSnapshot:
        if self.failure:
            raise self.failure
        down, up = sum(t.down_rate for t in self.torrents), sum(t.up_rate for t in self.torrents)
        return SessionSnapshot(self.version, 6881, self.torrents, down, up, self.notices)

    def add_torrent(self, data: bytes) -> str:
        if not data.startswith(b"d"):
            raise MetainfoError("This is not a .torrent file: it does not begin as one. Was a web page saved instead?")
        self.added.append(data)
        return self._remember(f"{data.decode('latin-1', 'replace')[1:20]}.iso")

    def add_url(self, url: str) -> str:
        if url.startswith("magnet:"):
            raise MagnetError("Magnet links cannot be downloaded yet: use the .torrent file.")
        self.added.append(url)
        return self._remember(url.rpartition("/")[2].removesuffix(".torrent"))

    def _remember(self, name: str) -> str:
        new = torrent(name, progress=0.0, peers=(), waiting_for="waiting for the tracker at localhost:8080")
        if new.info_hash not in {t.info_hash for t in self.torrents}:
            self.torrents = (*self.torrents, new)
        return new.info_hash

"""Whole clients in this process, on loopback, without a tracker: who shall meet whom is said by the test."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gotorrent.config import ClientConfig
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.session.session import Session
from gotorrent.swarm.torrent import Torrent
from tests.waiting import wait_until

Address = tuple[str, int]


class Client:
    """One session with one torrent in a folder of its own."""

    def __init__(self, metainfo: Metainfo, folder: Path, have: bytes | None, peers: Sequence[Address], **settings: Any) -> None:
        self.metainfo = metainfo
        self.folder = folder / "data"
        self.folder.mkdir()
        if have is not None:
            self.path.write_bytes(have)
        settings.setdefault("choke_interval", 0.5)
        self.session = Session(ClientConfig(**settings), folder / "profile", peer_port=0)
        self.session.start()
        self.session.add(metainfo, self.folder, peers=peers)
        wait_until(lambda: self.torrent.state != "checking", 20)

    @property
    def path(self) -> Path:
        """Where its copy is."""
        return self.folder.joinpath(*self.metainfo.layout.files[0].path)

    @property
    def torrent(self) -> Torrent:
        """Its torrent."""
        return self.session._torrents[self.metainfo.info_hash]

    @property
    def address(self) -> Address:
        """Where others reach it."""
        return "127.0.0.1", self.session.peer_port

    def meet(self, *others: Address) -> None:
        """Dial these."""
        self.session.add(self.metainfo, self.folder, peers=others)

    def finishes(self, data: bytes, timeout: float = 15.0) -> None:
        """Fails unless its copy is complete, and `data`, within `timeout` seconds."""
        wait_until(lambda: self.torrent.manager.complete, timeout, f"{self.torrent.manager.left} bytes left")
        self.torrent.manager.check_invariants()
        assert self.path.read_bytes() == data

    @property
    def connections(self) -> int:
        """Peers it is connected to."""
        return len(self.torrent.peers())


class World:
    """Makes clients, and stops them all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clients: list[Client] = []

    def client(self, metainfo: Metainfo, have: bytes | None = None, peers: Sequence[Address] = (), **settings: Any) -> Client:
        """A new client; `have` is what lies on its disk already."""
        client = Client(metainfo, Path(tempfile.mkdtemp(dir=self._folder)), have, peers, **settings)
        self._clients.append(client)
        return client

    def stop(self) -> None:
        """End everything that still runs."""
        with contextlib.ExitStack() as stack:
            for client in self._clients:
                stack.callback(client.session.stop)


@contextlib.contextmanager
def make_world(folder: Path) -> Iterator[World]:
    """A world that ends with the `with` block."""
    world = World(folder)
    try:
        yield world
    finally:
        world.stop()

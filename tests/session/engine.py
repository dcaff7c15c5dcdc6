"""Real sessions on loopback, for tests: each with a profile and a folder of its own."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gotorrent.config import ClientConfig
from gotorrent.session.session import Session
from gotorrent.session.snapshot import TorrentSnapshot
from tests.waiting import wait_until


@contextmanager
def running(profile: Path, **settings: Any) -> Iterator[Session]:
    """A session on a free port; stopped at the end."""
    session = Session(dataclasses.replace(ClientConfig(), **settings), profile, peer_port=0)
    try:
        session.start()
        yield session
    finally:
        session.stop()


def only(session: Session) -> TorrentSnapshot:
    """The snapshot of the one torrent of a session."""
    (torrent,) = session.snapshot().torrents
    return torrent


def wait_for(session: Session, state: str, timeout: float = 10.0) -> TorrentSnapshot:
    """The snapshot of the one torrent as soon as it is in `state`."""
    wait_until(lambda: only(session).state == state, timeout, f"{state}; now {only(session)}")
    return only(session)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def full_port() -> Iterator[int]:
    """A port to which a connection is begun and never made: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        yield server.getsockname()[1]

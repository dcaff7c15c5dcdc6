"""The first two steps of a connection, against a clock."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.errors import PeerError
from gotorrent.swarm.greeting import connect, read_handshake
from gotorrent.wire import handshake

HELLO = handshake.encode(b"h" * 20, b"-XX0001-123456789012")


def _never() -> bool:
    return False


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, two = socket.socketpair()
    with one, two:
        yield one, two


def _read(sock: socket.socket, timeout: float = 5.0, stopping: Callable[[], bool] = _never) -> handshake.Handshake:
    return read_handshake(sock, timeout, SYSTEM_CLOCK, stopping)


def test_connects_to_both_families() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            server = socket.create_server((host, 0), family=family)
        except OSError:
            continue  # a machine without IPv6
        with server, connect((host, server.getsockname()[1]), 5.0, SYSTEM_CLOCK, _never) as sock:
            assert sock.getpeername()[0] == host


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(ConnectionRefusedError):
        connect(address, 5.0, SYSTEM_CLOCK, _never)


def test_nobody_answers() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (first, second):  # its queue is full now: it answers no more
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            connect(full.getsockname(), 0.3, SYSTEM_CLOCK, _never)
        assert 0.2 < time.monotonic() - start < 2
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            connect(full.getsockname(), 60.0, SYSTEM_CLOCK, lambda: True)
        assert time.monotonic() - start < 2


def test_whole_and_one_byte_at_a_time_and_nothing_behind_it_is_touched(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.sendall(HELLO + b"behind")
    assert _read(near).peer_id == b"-XX0001-123456789012"
    assert near.recv(100) == b"behind"

    def drip() -> None:
        for at in range(68):
            far.sendall(HELLO[at : at + 1])

    thread = threading.Thread(target=drip)
    thread.start()
    assert _read(near).info_hash == b"h" * 20
    thread.join()


def test_another_protocol_is_refused_at_its_first_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.sendall(b"G")
    with pytest.raises(PeerError, match="does not speak BitTorrent"):
        _read(near, 60.0)


def test_it_ends_early(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.sendall(HELLO[:67])
    with pytest.raises(PeerError, match="in time"):
        _read(near, 0.2)
    with pytest.raises(PeerError, match="in time"):
        _read(near, 60.0, lambda: True)
    far.close()
    with pytest.raises(PeerError, match="closed"):
        _read(near)

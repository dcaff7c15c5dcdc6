"""The port on which others reach us: busy ports, both families, strangers, and the end."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.errors import PortBusyError
from gotorrent.session import listener as module
from gotorrent.session.listener import Listener
from gotorrent.swarm.torrent import Torrent
from gotorrent.wire import handshake
from tests.waiting import wait_until

KNOWN, OTHER, THEIR_ID = b"k" * 20, b"o" * 20, b"-XX0000-" + b"x" * 12


class FakeTorrent:
    """Takes connections and says hello."""

    def __init__(self) -> None:
        self.taken: list[tuple[tuple[str, int], bytes]] = []

    def accept(self, sock: socket.socket, address: tuple[str, int], theirs: handshake.Handshake) -> None:
        self.taken.append((address, theirs.peer_id))
        sock.sendall(b"hello")


class Port:
    """A listener that knows one torrent."""

    def __init__(self, timeout: float = 10.0) -> None:
        self.torrent = FakeTorrent()
        self.listener = Listener(self.find, timeout, SYSTEM_CLOCK)

    def find(self, info_hash: bytes) -> Torrent | None:
        return cast(Torrent, self.torrent) if info_hash == KNOWN else None

    def close(self) -> None:
        self.listener.stop()
        self.listener.stop()
        self.listener.join(3)


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    port.listener.start(0, move=False)
    yield port
    port.close()


def dial(number: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, number), 5)


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    data = b""
    try:
        while more := sock.recv(1000):
            data += more
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_handshake_reaches_its_torrent_on_both_families(port: Port, host: str) -> None:
    with dial(port.listener.port, host) as sock:
        ours = sock.getsockname()[:2]
        sock.sendall(handshake.encode(KNOWN, THEIR_ID))
        assert read_all(sock) == b"hello"
    assert port.torrent.taken == [(ours, THEIR_ID)]


def test_a_handshake_may_drip(port: Port) -> None:
    with dial(port.listener.port) as sock:
        for byte in handshake.encode(KNOWN, THEIR_ID):
            sock.sendall(bytes([byte]))
        assert read_all(sock) == b"hello"


@pytest.mark.parametrize("hello", [handshake.encode(OTHER, THEIR_ID), b"GET / HTTP/1.1\r\n\r\n", b"\0", os.urandom(2000)])
def test_strangers_are_closed_without_a_word(port: Port, hello: bytes) -> None:
    with dial(port.listener.port) as sock:
        sock.sendall(hello)
        assert read_all(sock) == b""
    assert port.torrent.taken == []


def test_who_closes_before_the_end_is_forgotten(port: Port) -> None:
    for length in (0, 10, 67):
        with dial(port.listener.port) as sock:
            sock.sendall(handshake.encode(KNOWN, THEIR_ID)[:length])
    wait_until(lambda: len(port.listener._threads) == len(port.listener._sockets))
    assert port.torrent.taken == []


def test_silence_ends_with_the_time_out() -> None:
    port = Port(timeout=0.05)
    port.listener.start(0, move=False)
    with dial(port.listener.port) as sock:
        assert read_all(sock) == b""
    port.close()


def test_more_strangers_than_allowed_are_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GREETING", 2)
    port = Port()
    port.listener.start(0, move=False)
    first, second = dial(port.listener.port), dial(port.listener.port)
    with first, second:
        with dial(port.listener.port) as third:
            assert read_all(third) == b""
        first.sendall(handshake.encode(KNOWN, THEIR_ID))
        assert read_all(first) == b"hello"
        with dial(port.listener.port) as fourth:
            fourth.sendall(handshake.encode(KNOWN, THEIR_ID))
            assert read_all(fourth) == b"hello"
    port.close()


def test_a_system_without_threads_costs_connections_not_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GREETING", 2)
    port = Port()
    port.listener.start(0, move=False)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with dial(port.listener.port) as sock:
                assert read_all(sock) == b""
    with dial(port.listener.port) as sock:
        sock.sendall(handshake.encode(KNOWN, THEIR_ID))
        assert read_all(sock) == b"hello"
    port.close()


def test_an_accept_that_fails_is_tried_again(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = socket.socket.accept, []

    def accept(sock: socket.socket) -> Any:
        if not failed:
            failed.append(True)
            raise OSError(errno.EMFILE, "Too many open files")
        return real(sock)

    monkeypatch.setattr(socket.socket, "accept", accept)
    for _ in range(2):  # the first wakes the call that is under way already
        with dial(port.listener.port) as sock:
            sock.sendall(handshake.encode(KNOWN, THEIR_ID))
            assert read_all(sock) == b"hello"
    wait_until(lambda: failed)


# --- busy ports


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")]
)
def test_a_busy_port_is_refused_or_moved(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as holder:
        busy = holder.getsockname()[1]
        given, default = Port(), Port()
        with pytest.raises(PortBusyError, match=rf"^peer port {busy} is in use( by .+ \(process {os.getpid()}\))?: give another"):
            given.listener.start(busy, move=False)
        default.listener.start(busy, move=True)
        assert busy < default.listener.port <= busy + 20
        default.close()
        given.close()


def test_any_port_is_the_same_on_both_families(port: Port) -> None:
    assert port.listener.port > 0
    assert {sock.getsockname()[1] for sock in port.listener._sockets} == {port.listener.port}
    assert len(port.listener._sockets) == 2


def test_two_listeners_never_share_a_port(port: Port) -> None:
    other = Port()
    with pytest.raises(PortBusyError):
        other.listener.start(port.listener.port, move=False)


def test_a_port_is_free_again_at_once(port: Port) -> None:
    with dial(port.listener.port) as sock:
        sock.sendall(handshake.encode(KNOWN, THEIR_ID))
        assert read_all(sock) == b"hello"
    port.close()
    again = Port()
    again.listener.start(port.listener.port, move=False)
    again.close()


def test_a_port_that_is_not_allowed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortBusyError, match="cannot listen on port 80: Permission denied; give another one with -port") as caught:
        Port().listener.start(80, move=True)
    assert caught.value.exit_code == 2


def test_no_free_port_at_all_names_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: socket.socket, address: object) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortBusyError, match="peer port 65500 is in use"):
        Port().listener.start(65500, move=True)


def test_without_ipv6_there_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.bind

    def bind(sock: socket.socket, address: Any) -> None:
        if sock.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        real(sock, address)

    monkeypatch.setattr(socket.socket, "bind", bind)
    port = Port()
    port.listener.start(0, move=False)
    assert len(port.listener._sockets) == 1
    with dial(port.listener.port) as sock:
        sock.sendall(handshake.encode(KNOWN, THEIR_ID))
        assert read_all(sock) == b"hello"
    port.close()


# --- the end


def test_stopping_ends_those_who_say_nothing(port: Port) -> None:
    with dial(port.listener.port) as silent, dial(port.listener.port) as half:
        half.sendall(handshake.encode(KNOWN, THEIR_ID)[:30])
        wait_until(lambda: len(port.listener._threads) == 4)
        begun = SYSTEM_CLOCK.monotonic()
        port.close()
        assert SYSTEM_CLOCK.monotonic() - begun < 2
        assert read_all(silent) == read_all(half) == b""
    assert not any(thread.is_alive() for thread in port.listener._threads)


def test_a_listener_that_never_started_stops() -> None:
    Port().close()

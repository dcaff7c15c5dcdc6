"""A server on raw sockets that does to each connection what a test tells it, however wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gotorrent.discovery.http import get
from gotorrent.errors import HttpError

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Key and certificate of "localhost" and 127.0.0.1, made for these tests with `openssl req -x509`; nobody trusts it."""

Behaviour = Callable[["BadServer", socket.socket, bytes], None]


class BadServer:
    """Listens on a port of its own; `behave(server, connection, request)` runs in a thread for each request.

    An `eager` one begins as soon as it is connected to, with an empty request.
    """

    def __init__(self, behave: Behaviour, host: str = "127.0.0.1", tls: bool = False, eager: bool = False) -> None:
        self.behave = behave
        self._eager = eager
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server((host, 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="bad server")]
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.address}/announce"

    def __enter__(self) -> BadServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="bad server's connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection:
                request = b""
                while not self._eager and b"\r\n\r\n" not in request:
                    received = connection.recv(65536)
                    if not received:
                        return
                    request += received
                self.requests.append(request)
                self.behave(self, connection, request)


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> Behaviour:
    """A well-formed answer."""

    def behave(_: BadServer, connection: socket.socket, __: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return behave


def raw(data: bytes) -> Behaviour:
    """These bytes, then the end."""

    def behave(_: BadServer, connection: socket.socket, __: bytes) -> None:
        connection.sendall(data)

    return behave


def redirect(location: str) -> Behaviour:
    return answer(b"", "302 Found", f"Location: {location}\r\n")


def hang(server: BadServer, _: socket.socket, __: bytes) -> None:
    """Never answer."""
    server.closing.wait()


def drip(data: bytes, at_once: bytes = b"", every: float = 0.02) -> Behaviour:
    """`at_once` at once, then `data` over and over, one byte at a time."""

    def behave(server: BadServer, connection: socket.socket, __: bytes) -> None:
        connection.sendall(at_once)
        position = 0
        while not server.closing.wait(every):
            connection.sendall(data[position : position + 1])
            position = (position + 1) % len(data)

    return behave


def pour(data: bytes, at_once: bytes = b"") -> Behaviour:
    """`at_once`, then `data` for ever as fast as it goes."""

    def behave(server: BadServer, connection: socket.socket, __: bytes) -> None:
        connection.sendall(at_once)
        while not server.closing.is_set():
            connection.sendall(data)

    return behave


def fails(behave: Behaviour, words: str, timeout: float = 5.0, max_bytes: int = 100_000, tls: bool = False) -> HttpError:
    """The error, whose message matches `words`, that a `get` from such a server ends with."""
    with BadServer(behave, tls=tls) as server, pytest.raises(HttpError, match=words) as caught:
        get(server.url, timeout_total=timeout, max_bytes=max_bytes)
    return caught.value

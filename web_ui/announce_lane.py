"""The short way of an announce over HTTP: answered as soon as it is accepted, before waitress and Flask. BEP 3 rules it.

A thread for each listening socket accepts all connections. One whose first bytes are exactly one whole `GET /announce...` head is
answered here by the same function that the Flask route asks, and closed. Every other one (a head in pieces, another method or
path, a body, a proxy of ours, anything unusual) is handed on with the bytes that were read, and goes the ordinary way. So a
thousand slow connections, which waitress looks at one by one, delay no announce.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Sequence

from gotorrent.clock import Clock
from gotorrent.system import wait_at_most, wake
from gotorrent.tracker.announce import MAX_QUERY, announce
from gotorrent.tracker.counters import HTTP4, HTTP6
from gotorrent.tracker.tracker import Tracker

TICK = 0.5  # seconds after which a thread that waits looks whether it shall stop
DEFER_SECONDS = 5  # for which the system keeps a connection to itself that has sent nothing yet
RETRY_SECONDS = 0.1  # after the system could not give us another connection
MAX_HEAD = MAX_QUERY  # bytes

HandOn = Callable[[socket.socket, socket.socket, tuple[str, int], bytes], None]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # where it is missing, the connection itself is made not to block
_HEAD = re.compile(rb"GET /announce(?:/([\w-]+))?\?([!\"$-~]+) HTTP/1\.[01]\r\n")
_UNUSUAL = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n"
)

_LOOPBACK = bytes((127, 0, 0, 1))  # who asks from there reaches us there

_log = logging.getLogger(__name__)


def read_head(data: bytes) -> tuple[bytes, bytes] | None:
    """(key, query) when `data` is one whole head of an announce and nothing else, and plain enough to be answered at once."""
    found = _HEAD.match(data)
    if found is None or data.find(b"\r\n\r\n") != len(data) - 4 or not data.isascii() or _UNUSUAL.search(data) is not None:
        return None
    return found[1] or b"", found[2]


class AnnounceLane:
    """Accepts on listening sockets from `start` to `stop`. The sockets stay the caller's."""

    def __init__(self, tracker: Tracker, sockets: Sequence[socket.socket], clock: Clock, hand_on: HandOn) -> None:
        """`hand_on` takes over, in the lane's thread: listening socket, connection, its address, bytes read."""
        self._tracker = tracker
        self._sockets = sockets
        self._clock = clock
        self._hand_on = hand_on
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(sock,), name=f"tracker-accept-{number}") for number, sock in enumerate(sockets)
        ]

    def start(self) -> None:
        """Begin to accept."""
        for sock in self._sockets:
            wait_at_most(sock, TICK)
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads. May be repeated. Nobody can connect any more."""
        self._stopping.set()
        for sock, thread in zip(self._sockets, self._threads, strict=True):
            if thread.ident is not None:
                wake(sock)
                thread.join()

    def _run(self, listener: socket.socket) -> None:
        """The life of one thread."""
        while not self._stopping.is_set():
            try:
                connection, address = listener.accept()
            except (BlockingIOError, TimeoutError):
                continue
            except OSError as error:  # no more descriptors, or the network went: those who come keep waiting
                if not self._stopping.wait(RETRY_SECONDS):
                    _log.warning("a connection could not be accepted: %s", error)
                continue
            try:
                if not _DONT_WAIT:
                    connection.setblocking(False)
                data = connection.recv(MAX_HEAD, _DONT_WAIT)
            except BlockingIOError:
                self._hand_on(listener, connection, address, b"")
                continue
            except OSError:
                data = b""
            if not data:
                connection.close()
            elif not self._answered(connection, address[0], data):
                self._hand_on(listener, connection, address, data)

    def _answered(self, connection: socket.socket, host: str, data: bytes) -> bool:
        """Answer and close a connection that begins with an announce; False when this one is not for us."""
        tracker = self._tracker
        found = read_head(data)
        if found is None or not tracker.store.immediate:
            return False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        source = socket.inet_pton(family, host.partition("%")[0])
        if tracker.proxies is not None and source in tracker.proxies:
            return False
        try:
            local = source if source == _LOOPBACK else socket.inet_pton(family, connection.getsockname()[0].partition("%")[0])
            now = self._clock.monotonic()
            body = announce(tracker, found[1], source, local, now, HTTP4 if len(source) == 4 else HTTP6, found[0])
            connection.send(_ANSWER % len(body) + body, _DONT_WAIT)  # it is small enough to be taken whole
        except OSError:
            pass  # it has gone
        finally:
            connection.close()
        return True

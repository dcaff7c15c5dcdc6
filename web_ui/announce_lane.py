"""The short way of an announce over HTTP: answered as soon as it is accepted, before waitress and Flask. BEP 3 rules it.

A thread of its own accepts all connections. One whose first bytes are exactly one whole `GET /announce...` head is answered here
by the same function that the Flask route asks, and closed. Every other one (a head in pieces, another method or path, a body, a
proxy of ours, anything unusual) is handed on with the bytes that were read, and goes the ordinary way. So a thousand slow
connections, which waitress looks at one by one, delay no announce.
"""

from __future__ import annotations

import logging
import re
import selectors
import socket
import threading
from collections.abc import Callable, Sequence

from gotorrent.clock import Clock
from gotorrent.tracker.announce import MAX_QUERY, announce
from gotorrent.tracker.counters import HTTP4, HTTP6
from gotorrent.tracker.tracker import Tracker

BATCH = 64  # connections accepted between two looks at the clock
DEFER_SECONDS = 5  # for which the system keeps a connection to itself that has sent nothing yet
RETRY_SECONDS = 0.1  # after the system could not give us another connection
MAX_HEAD = MAX_QUERY  # bytes

HandOn = Callable[[socket.socket, socket.socket, tuple[str, int], bytes], None]

_HEAD = re.compile(rb"GET /announce(?:/([!-$&-.0->@-~]+))?\?([!\"$-~]+) HTTP/1\.[01]\r\n")
_UNUSUAL = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n"
)

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
        """`hand_on` takes over, in the lane's thread: listening socket, connection (not blocking), its address, bytes read."""
        self._tracker = tracker
        self._sockets = sockets
        self._clock = clock
        self._hand_on = hand_on
        self._stopping = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="tracker-accept")

    def start(self) -> None:
        """Begin to accept."""
        for sock in self._sockets:
            sock.setblocking(False)
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. May be repeated."""
        self._stopping.set()
        self._waker.close()  # whoever waits sees the other end closed
        if self._thread.ident is not None:
            self._thread.join()
        self._wake.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (*self._sockets, self._wake):
                selector.register(sock, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj is not self._wake:
                        self._accept(key.fileobj)  # type: ignore[arg-type]

    def _accept(self, listener: socket.socket) -> None:
        """Take what waits on one listening socket, at most a batch."""
        now = self._clock.monotonic()
        try:
            for _ in range(BATCH):
                connection, address = listener.accept()
                connection.setblocking(False)
                try:
                    data = connection.recv(MAX_HEAD)
                except BlockingIOError:
                    self._hand_on(listener, connection, address, b"")
                    continue
                except OSError:
                    connection.close()
                    continue
                if not data:
                    connection.close()
                elif not self._answered(connection, address[0], data, now):
                    self._hand_on(listener, connection, address, data)
        except BlockingIOError:
            return
        except OSError as error:  # no more descriptors, or the network went: the waiting ones keep waiting
            _log.warning("a connection could not be accepted: %s", error)
            self._stopping.wait(RETRY_SECONDS)

    def _answered(self, connection: socket.socket, host: str, data: bytes, now: float) -> bool:
        """Answer and close a connection that begins with an announce; False when this one is not for us."""
        tracker = self._tracker
        found = read_head(data)
        if found is None or not tracker.store.immediate:
            return False
        source = socket.inet_pton(connection.family, host.partition("%")[0])
        if tracker.proxies is not None and source in tracker.proxies:
            return False
        try:
            local = socket.inet_pton(connection.family, connection.getsockname()[0].partition("%")[0])
            body = announce(tracker, found[1], source, local, now, HTTP4 if len(source) == 4 else HTTP6, found[0])
            connection.send(_ANSWER % len(body) + body)
        except OSError:
            pass  # it has gone
        finally:
            connection.close()
        return True

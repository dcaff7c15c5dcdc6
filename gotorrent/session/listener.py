"""The port on which other peers reach us: one socket and one thread for each address family (BEP 3, "port").

Each connection gets a thread of its own, which reads the handshake and hands the connection to the torrent it names. Refused:
more connections that have not said what they want than `MAX_GREETING`.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable

from gotorrent.clock import Clock
from gotorrent.errors import PeerError, PortBusyError
from gotorrent.lan import port_holder
from gotorrent.swarm.greeting import read_handshake
from gotorrent.swarm.torrent import Torrent

MAX_GREETING = 100
"""Incoming connections whose handshake is not complete yet: each costs a thread for up to the handshake time-out."""

PORTS_TO_TRY = 100
_log = logging.getLogger(__name__)


class Listener:
    """Accepts connections on one port, IPv4 and (where there is any) IPv6."""

    def __init__(self, find: Callable[[bytes], Torrent | None], timeout: float, clock: Clock) -> None:
        """`find` gives the torrent of an info-hash, None for one we do not have."""
        self.port = 0
        self._find = find
        self._timeout = timeout
        self._clock = clock
        self._sockets: list[socket.socket] = []
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._greeting = threading.BoundedSemaphore(MAX_GREETING)
        self._stopping = threading.Event()

    def start(self, port: int, *, move: bool) -> None:
        """Listen on `port` (0 = any); when it is busy, with `move` on the next free one, else PortBusyError."""
        candidates = range(port, min(port + PORTS_TO_TRY, 65536)) if port and move else [port] * (1 if port else PORTS_TO_TRY)
        for candidate in candidates:
            try:
                self._sockets = _bind(candidate)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise PortBusyError(
                        f"cannot listen on port {candidate}: {error.strerror}; give another one with -port"
                    ) from error
        else:
            holder = port_holder(port)
            raise PortBusyError(f"peer port {port} is in use{f' by {holder}' if holder else ''}: give another -port, or 0 for any")
        self.port = self._sockets[0].getsockname()[1]
        for sock in self._sockets:
            thread = threading.Thread(target=self._accept, args=(sock,), name=f"listener {self.port}")
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def stop(self) -> None:
        """Accept no more; connections that are still greeting end within half a second. Idempotent; `join` waits."""
        self._stopping.set()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def join(self, timeout: float) -> None:
        """Wait for the threads; they include those of connections that were accepted."""
        deadline = self._clock.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _accept(self, listening: socket.socket) -> None:
        listening.settimeout(1.0)  # where a shutdown does not wake accept
        with listening:
            while not self._stopping.is_set():
                try:
                    sock, address = listening.accept()
                except TimeoutError:
                    continue
                except OSError as error:
                    if self._stopping.is_set():
                        return
                    _log.warning("cannot accept a connection: %s", error)
                    self._stopping.wait(0.1)
                    continue
                self._begin(sock, _plain(address))

    def _begin(self, sock: socket.socket, address: tuple[str, int]) -> None:
        if not self._greeting.acquire(blocking=False):
            sock.close()
            return
        thread = threading.Thread(target=self._greet, args=(sock, address), name="incoming peer")
        with self._lock:
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                self._greeting.release()
                sock.close()
                return
            self._threads.add(thread)

    def _greet(self, sock: socket.socket, address: tuple[str, int]) -> None:
        try:
            try:
                theirs = read_handshake(sock, self._timeout, self._clock, self._stopping.is_set)
            finally:
                self._greeting.release()
            torrent = self._find(theirs.info_hash)
            if torrent:
                torrent.accept(sock, address, theirs)
        except (OSError, PeerError) as error:
            _log.debug("%s:%s: %s", *address, error)
        finally:
            sock.close()
            with self._lock:
                self._threads.discard(threading.current_thread())


def _bind(port: int) -> list[socket.socket]:
    """Listening sockets for both families on the same port; only IPv4 where there is no IPv6. OSError when it is busy."""
    first = _listening(socket.AF_INET, "", port)
    sockets = [first]
    if socket.has_ipv6:
        try:
            sockets.append(_listening(socket.AF_INET6, "::", first.getsockname()[1]))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                first.close()
                raise
    return sockets


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def _plain(address: tuple[object, ...]) -> tuple[str, int]:
    host, port = str(address[0]), address[1]
    return host.removeprefix("::ffff:"), port if isinstance(port, int) else 0

"""The tracker over UDP (BEP 15, 41): a thread per address family, which answers each packet by `announce.decide` and `count`.

IPv4 and IPv6 have a socket each, and each gives peers of its own family only, as the BEP's answers hold no other. What comes
without a valid connection id is never answered with more bytes than it had; nothing is answered with more than `MAX_REPLY`. The
`ip` field is ignored. Packets that are no request are dropped without a word.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence

from gotorrent.clock import Clock
from gotorrent.errors import TrackerError
from gotorrent.system import wait_at_most, wake
from gotorrent.tracker.announce import as_reachable, count, decide, has_loopback
from gotorrent.tracker.connection_ids import ConnectionIds
from gotorrent.tracker.counters import UDP4, UDP6
from gotorrent.tracker.store import NONE, STOPPED
from gotorrent.tracker.tracker import Tracker
from gotorrent.wire.compact import is_loopback
from gotorrent.wire.udp_tracker import (
    ANNOUNCE,
    ANNOUNCE_REPLY,
    ANNOUNCE_REQUEST,
    CONNECT,
    HEAD,
    PROTOCOL,
    SCRAPE,
    connect_reply,
    error_reply,
    scrape_hashes,
    scrape_reply,
    url_data,
)

MAX_PACKET = 2048  # bytes read of one packet; a scrape of 74 has 1 496
MAX_PEERS6 = 74  # IPv6 peers of one answer, so that it stays below MAX_REPLY; of IPv4 the most that is given fits
TICK = 0.5  # seconds after which a thread that waits looks whether it shall stop
BUFFER = 1 << 20  # bytes of packets that may wait in the system
WAITING_THREADS = 8  # per family, when the store has to ask another program
_STALE = "this connection id is forged or older than two minutes: ask for a new one"

_log = logging.getLogger(__name__)


class UdpServer:
    """Answers on bound sockets from `start` to `stop`, which closes them."""

    def __init__(self, tracker: Tracker, sockets: Sequence[socket.socket], clock: Clock) -> None:
        self._tracker = tracker
        self._sockets = list(sockets)
        self._clock = clock
        self._ids = ConnectionIds()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        for sock in self._sockets:
            wait_at_most(sock, TICK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            door = UDP4 if sock.family == socket.AF_INET else UDP6
            for number in range(1 if self._tracker.store.immediate else WAITING_THREADS):
                name = f"tracker-udp{'6' if door == UDP6 else '4'}-{number}"
                self._threads.append(threading.Thread(target=self._serve, args=(sock, door), name=name))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and close the sockets. May be repeated."""
        self._stopping.set()
        for sock in self._sockets:
            wake(sock)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def _serve(self, sock: socket.socket, door: int) -> None:
        """The life of one thread."""
        buffer = bytearray(MAX_PACKET)
        receive, send, announce, monotonic = sock.recvfrom_into, sock.sendto, self._announce, self._clock.monotonic
        counters, stopped = self._tracker.counters, self._stopping.is_set
        while True:
            try:
                size, address = receive(buffer)
            except (BlockingIOError, TimeoutError):
                size = 0
            except OSError as error:  # the network went, or the system has no memory: not the end of the tracker
                _log.info("a UDP packet could not be received: %s", error)
                self._stopping.wait(TICK)
                size = 0
            if not size:
                if stopped():
                    return
                continue
            now = monotonic()
            try:
                reply = announce(buffer, size, address, door, now)
                if reply is not None:
                    with counters.lock:
                        counters.announces[door] += 1
                else:
                    reply = self._other(bytes(buffer[:size]), address[0], door, now)
            except TrackerError as error:
                reply = self._refuse(buffer, door, str(error))
            if reply:
                try:
                    send(reply, address)
                except OSError:  # unreachable, or the queue is full: this answer is lost, as any packet may be
                    continue

    def _announce(self, packet: bytearray, size: int, address: tuple[str, int], door: int, now: float) -> bytes | None:
        """The answer to an announce; None when this is none, or none with a valid connection id. Raises `TrackerError`."""
        if size < ANNOUNCE_REQUEST.size:
            return None
        connection, action, transaction, info_hash, left, event, want, port = ANNOUNCE_REQUEST.unpack_from(packet)
        if action != ANNOUNCE:
            return None
        source = self._ids.source(address[0], connection, int(now))
        if source is None:
            return None
        if port == b"\0\0":
            raise TrackerError("port 0 cannot be reached by anybody: it must be 1 to 65535")
        tracker = self._tracker
        key = b"" if tracker.gate is None else _key(bytes(packet[ANNOUNCE_REQUEST.size : size]))
        if event > STOPPED:
            event = NONE
        if want > MAX_PEERS6 and door == UDP6:
            want = MAX_PEERS6
        peer = source + port
        seeds, leechers, _, told, peers4, peers6 = decide(tracker, info_hash, source, peer, event, left == 0, want, door, key, now)
        if not is_loopback(source):
            if has_loopback(peers4, peers6):
                peers4, peers6 = as_reachable(peers4, peers6, peer, _own_address(address, door))
            if tracker.watch is not None and event != STOPPED:
                tracker.watch.warning(info_hash, peer, now)
        return ANNOUNCE_REPLY.pack(ANNOUNCE, transaction, told, leechers, seeds) + (peers4 or peers6)

    def _other(self, packet: bytes, host: str, door: int, now: float) -> bytes:
        """The answer to what is no valid announce; empty for what deserves none. Raises `TrackerError`."""
        if len(packet) < HEAD.size:
            return b""
        connection, action, transaction = HEAD.unpack_from(packet)
        counters = self._tracker.counters
        if action == CONNECT:
            if connection != PROTOCOL:
                return b""
            with counters.lock:
                counters.connects[door] += 1
            return connect_reply(transaction, self._ids.issue(host, int(now)))
        source = self._ids.source(host, connection, int(now))
        if source is None:
            with counters.lock:
                counters.bad_connections[door] += 1
            return error_reply(transaction, _STALE, len(packet))
        if action != SCRAPE:
            return error_reply(transaction, "this packet is no connect, announce or scrape, or is cut short", len(packet))
        counts = count(self._tracker, scrape_hashes(packet), source, b"", door, now)
        with counters.lock:
            counters.scrapes[door] += 1
        return scrape_reply(transaction, counts)

    def _refuse(self, packet: bytearray, door: int, reason: str) -> bytes:
        """The answer in words to an announce or scrape with a valid connection id."""
        counters = self._tracker.counters
        with counters.lock:
            counters.refused[door] += 1
        return error_reply(HEAD.unpack_from(packet)[2], reason)


def _key(options: bytes) -> bytes:
    """The passkey in the URL that a client was given: what stands behind `/announce/` (BEP 41)."""
    path = url_data(options).partition(b"?")[0]
    return path.removeprefix(b"/announce/") if path.startswith(b"/announce/") else b""


def _own_address(peer: tuple[str, int], door: int) -> bytes:
    """Our packed address on the way to `peer`; `b""` when there is no way. Sends nothing."""
    family = socket.AF_INET if door == UDP4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(peer)
            return socket.inet_pton(family, str(sock.getsockname()[0]).partition("%")[0])
    except OSError:
        return b""

"""Can a peer on the own network be reached on the port that it announced? The tracker dials it once and remembers. No BEP rules it.

A firewall on a classroom's laptop is the usual reason that a swarm stands still, and the laptop cannot notice it. Only private
addresses are dialled, only the source address of the announce itself, nothing is sent, and all dials together are bounded in
number and rate: nobody can aim the tracker at somebody else or scan a network with it. Public addresses are never dialled.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections import OrderedDict

from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.system import wait_connected
from gotorrent.tracker.networks import Networks
from gotorrent.wire.compact import unpack_peer

DIALLED = Networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 fc00::/7")  # fe80:: needs the name of a device
THREADS = 4
WAITING = 256  # peers that wait to be dialled; more are asked again at their next announce
PER_SECOND = 20  # dials, all threads together
CONNECT_SECONDS = 3.0
STOP_TICK = 0.2  # seconds after which a dial notices that the tracker stops
REMEMBERED = 10_000  # results
GOOD_SECONDS = 3600.0  # how long "reachable" is believed
BAD_SECONDS = 300.0  # how long "unreachable" is: the person may have opened the port meanwhile


class DialBack:
    """Dials peers in its own threads, between `start` and `stop`. Times are seconds of `clock`'s monotonic clock."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, threads: int = THREADS) -> None:
        self._clock = clock
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._results: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()  # peer -> reachable?, believed until
        self._asked: set[bytes] = set()  # waiting or being dialled
        self._next_dial = 0.0
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"tracker-dial-{number}") for number in range(threads)]

    def start(self, *, daemon: bool = False) -> None:
        """Begin to dial."""
        for thread in self._threads:
            thread.daemon = daemon
            thread.start()

    def stop(self) -> None:
        """End the threads; a dial that is under way is given up."""
        self._stopping.set()
        for _ in self._threads:
            self._waiting.put(b"")
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def reachable(self, peer: bytes) -> bool | None:
        """Was `peer` (compact, its own source address) reached? None while that is not known; it is dialled then.

        None, and not dialled, for an address that is not private.
        """
        if peer[:-2] not in DIALLED:
            return None
        now = self._clock.monotonic()
        with self._lock:
            verdict, until = self._results.get(peer, (None, 0.0))
            if (verdict is None or now >= until) and peer not in self._asked and len(self._asked) < WAITING:
                self._asked.add(peer)
                self._waiting.put(peer)
            return verdict

    def warning(self, info_hash: bytes, peer: bytes, now: float) -> str | None:
        """What the peer is told when it was dialled in vain (`tracker.Watch`)."""
        if self.reachable(peer) is not False:
            return None
        host, port = unpack_peer(peer)
        return (
            f"nobody could connect to {host} on port {port}, not even this tracker: "
            "allow GoTorrent, or your torrent client, in that computer's firewall"
        )

    def forget(self, peer: bytes) -> None:
        """The peer has left: it no longer counts as unreachable."""
        with self._lock:
            self._results.pop(peer, None)

    def unreachable(self) -> list[bytes]:
        """The peers that were dialled lately in vain, the last of them first."""
        now = self._clock.monotonic()
        with self._lock:
            return [peer for peer, (good, until) in reversed(self._results.items()) if not good and now < until + BAD_SECONDS]

    def _run(self) -> None:
        while peer := self._waiting.get():
            if self._stopping.wait(self._pause()):
                return
            good = self._dial(peer)
            until = self._clock.monotonic() + (GOOD_SECONDS if good else BAD_SECONDS)
            with self._lock:
                self._asked.discard(peer)
                self._results[peer] = (good, until)
                self._results.move_to_end(peer)
                if len(self._results) > REMEMBERED:
                    self._results.popitem(last=False)

    def _pause(self) -> float:
        """Seconds until this thread may dial: every dial reserves its share of a second."""
        now = self._clock.monotonic()
        with self._lock:
            at = max(now, self._next_dial)
            self._next_dial = at + 1 / PER_SECOND
            return at - now

    def _dial(self, peer: bytes) -> bool:
        """Does `peer` accept a connection? It is closed at once, without a byte sent."""
        host, port = unpack_peer(peer)
        deadline = self._clock.monotonic() + CONNECT_SECONDS
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.setblocking(False)
                if sock.connect_ex((host, port)) == 0:
                    return True
                while self._clock.monotonic() < deadline and not self._stopping.is_set():
                    if wait_connected(sock, STOP_TICK):
                        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        except OSError:
            return False
        return False

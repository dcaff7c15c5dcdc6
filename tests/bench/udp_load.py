"""A load of UDP announces (BEP 15): one process, 64 packets per system call, so that the tracker is what is measured.

    python -m tests.bench.udp_load PORT SECONDS PEERS [RATE]

Every packet is built before the clock starts; answers are counted only when they are announces with at least one peer in them.
Without RATE it keeps `WINDOW` requests under way and counts; with RATE (per second) it sends at that pace and times each answer.
Linux only: `sendmmsg` and `recvmmsg` are called through ctypes.
"""

from __future__ import annotations

import ctypes
import json
import socket
import sys
import time

from gotorrent.wire.udp_tracker import ANNOUNCE_REPLY, announce_request, connect_request, read_connected

BATCH = 32
WINDOW = 224  # below what an unchanged receive buffer of the system takes
REPLY = 2048  # bytes for each answer
LOST = 0.2  # seconds without an answer after which those under way are given up
TORRENT = bytes(range(1, 21))

_DONTWAIT = 0x40


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("length", ctypes.c_uint32),  # of the message sent or received
    )


class _Messages:
    """`count` datagrams of at most `size` bytes side by side in one buffer."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self.buffer = ctypes.create_string_buffer(count * size)
        self.view = memoryview(self.buffer).cast("B")
        self.headers = (_Header * count)()
        self._vectors = (_Vector * count)()
        for place in range(count):
            vector = self._vectors[place]
            vector.base = ctypes.addressof(self.buffer) + place * size
            vector.length = size
            self.headers[place].vectors = ctypes.pointer(vector)
            self.headers[place].vector_count = 1


class Load:
    """Announces of `peers` peers (as many ports of one address) to 127.0.0.1:`port`."""

    def __init__(self, port: int, peers: int) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.connect(("127.0.0.1", port))
        self.sock.settimeout(5)
        self.sock.send(connect_request(b"load"))
        connection = read_connected(self.sock.recv(REPLY), b"load")
        if connection is None:
            raise SystemExit("the tracker gave no connection id")
        self.count = peers // BATCH * BATCH or BATCH
        self.requests = _Messages(self.count, 98)
        for number in range(self.count):
            packet = announce_request(
                connection, number.to_bytes(4, "big"), TORRENT, b"%020d" % number, 1024 + number, left=1, key=number, numwant=50
            )
            self.requests.view[number * 98 : (number + 1) * 98] = packet
        self.replies = _Messages(BATCH, REPLY)
        self.next = 0

    def send(self, count: int) -> int:
        """Send the next `count` announces, at most `BATCH`; how many the system took."""
        count = min(count, self.count - self.next)
        start = ctypes.byref(self.requests.headers, self.next * ctypes.sizeof(_Header))
        done = self.libc.sendmmsg(self.sock.fileno(), start, count, _DONTWAIT)
        self.next = (self.next + max(done, 0)) % self.count
        return max(done, 0)

    def receive(self) -> tuple[int, int]:
        """Take what has come in, at most `BATCH`: (datagrams, how many of them are announces with peers)."""
        got = self.libc.recvmmsg(self.sock.fileno(), self.replies.headers, BATCH, _DONTWAIT, None)
        if got <= 0:
            return 0, 0
        headers, view = self.replies.headers, self.replies.view
        good = 0
        for place in range(got):
            start = place * REPLY
            good += headers[place].length >= ANNOUNCE_REPLY.size + 6 and view[start + 3] == 1
        return got, good

    def most(self, seconds: float) -> dict[str, float]:
        """Answers per second while `WINDOW` requests are always under way."""
        under_way = good = answers = lost = 0
        begin = last = time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            if under_way <= WINDOW - BATCH:
                under_way += self.send(BATCH)
            got, with_peers = self.receive()
            if got:
                last = now
                answers += got
                good += with_peers
                under_way -= got
            elif now > last + LOST:
                lost += under_way
                under_way, last = 0, now
        return {"rate": good / (now - begin), "without_peers": answers - good, "lost": lost}

    def paced(self, seconds: float, rate: float) -> dict[str, float]:
        """Milliseconds from request to answer at `rate` announces per second, half and 99 % of them below."""
        sent_at = [0.0] * self.count
        taken: list[float] = []
        begin = time.perf_counter()
        sent = 0
        while (now := time.perf_counter()) < begin + seconds:
            due = min(int((now - begin) * rate) - sent, BATCH)
            if due > 0:
                first = self.next
                done = self.send(due)
                sent += done
                sent_at[first : first + done] = [now] * done
            got, _ = self.receive()
            now = time.perf_counter()
            for place in range(got):
                start = place * REPLY
                taken.append(now - sent_at[int.from_bytes(self.replies.view[start + 4 : start + 8], "big")])
        taken.sort()
        return {"p50": taken[len(taken) // 2] * 1e3, "p99": taken[len(taken) * 99 // 100] * 1e3, "lost": sent - len(taken)}


def main() -> None:
    """Run one load and print its figures as JSON."""
    port, seconds, peers = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    load = Load(port, peers)
    print(json.dumps(load.paced(seconds, float(sys.argv[4])) if len(sys.argv) > 4 else load.most(seconds)))


if __name__ == "__main__":
    main()

"""A load of HTTP announces (BEP 3), a connection for each: one process, plain sockets.

    python -m tests.bench.http_load PORT SECONDS PEERS [RATE]

Every request is built before the clock starts; answers are counted only when they are a whole 200 with at least one compact peer.
Without RATE it keeps `WINDOW` connections under way and counts; with RATE (per second) it asks at that pace and times each answer.
Connections are ended by a reset, so that none of ours waits in TIME_WAIT and ports do not run out.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import time
from collections import deque
from urllib.parse import quote_from_bytes

from tests.bench.udp_load import TORRENT

WINDOW = 64
_RESET = struct.pack("ii", 1, 0)
_PEERS = re.compile(rb"HTTP/1\.[01] 200 .*5:peers([1-9][0-9]*):", re.DOTALL)


def with_peers(answer: bytes) -> bool:
    """Is this a whole answer with compact peers, as many bytes of them as it says?"""
    found = _PEERS.match(answer)
    return found is not None and int(found[1]) % 6 == 0 and len(answer) >= found.end() + int(found[1])


class Load:
    """Announces of `peers` peers (as many ports of one address) to 127.0.0.1:`port`."""

    def __init__(self, port: int, peers: int) -> None:
        self.address = ("127.0.0.1", port)
        torrent = quote_from_bytes(TORRENT)
        self.requests = [
            (
                f"GET /announce?info_hash={torrent}&peer_id=-XX0001-{number:012d}&port={1024 + number}&uploaded=0&downloaded=0"
                f"&left=1&compact=1&numwant=50 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\n\r\n"
            ).encode()
            for number in range(peers)
        ]
        self.next = 0

    def ask(self) -> socket.socket:
        """Begin the next announce."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.connect(self.address)
        sock.send(self.requests[self.next])
        self.next = (self.next + 1) % len(self.requests)
        return sock

    def answer(self, sock: socket.socket) -> bool:
        """Wait for one answer; is it good?"""
        data = sock.recv(4096)
        while data and not with_peers(data) and (more := sock.recv(4096)):
            data += more
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.close()
        return with_peers(data)

    def most(self, seconds: float) -> dict[str, float]:
        """Answers per second while `WINDOW` connections are always under way."""
        under_way: deque[socket.socket] = deque()
        good = bad = 0
        begin = time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            while len(under_way) < WINDOW:
                under_way.append(self.ask())
            for _ in range(WINDOW // 2):
                if self.answer(under_way.popleft()):
                    good += 1
                else:
                    bad += 1
        for sock in under_way:
            sock.close()
        return {"rate": good / (now - begin), "without_peers": bad, "lost": 0}

    def paced(self, seconds: float, rate: float) -> dict[str, float]:
        """Milliseconds from connecting to answer at `rate` announces per second, half and 99 % of them below."""
        taken: list[float] = []
        begin = time.perf_counter()
        bad = 0
        for number in range(int(seconds * rate)):
            while (now := time.perf_counter()) < begin + number / rate:
                pass
            bad += not self.answer(self.ask())
            taken.append(time.perf_counter() - now)
        taken.sort()
        return {"p50": taken[len(taken) // 2] * 1e3, "p99": taken[len(taken) * 99 // 100] * 1e3, "lost": bad}


def main() -> None:
    """Run one load and print its figures as JSON."""
    port, seconds, peers = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    load = Load(port, peers)
    print(json.dumps(load.paced(seconds, float(sys.argv[4])) if len(sys.argv) > 4 else load.most(seconds)))


if __name__ == "__main__":
    main()

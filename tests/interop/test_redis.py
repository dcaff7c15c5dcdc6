"""Several trackers on one real Redis, as processes of their own: what one is told all know, and all survive its death."""

from __future__ import annotations

import http.client
import re
import socket
import sys
import threading
from pathlib import Path

import bencodepy
import pytest

from gotorrent.wire.compact import PEER4, split_peers
from tests.interop.programs import Program
from tests.tracker.redis_server import RedisServer
from tests.waiting import wait_until

PEERS = 10_000
FIRST_PORT = 20_000
MOST_LOOKS = 3000  # announces for 200 of 10 000 peers each until all were seen; about 500 do nearly always


class OurTracker(Program):
    """`tracker.py` on a free port of 127.0.0.1, with its peers in a Redis."""

    def __init__(self, redis: RedisServer, log: Path) -> None:
        super().__init__([sys.executable, "tracker.py", "-host", "127.0.0.1", "-port", "0", "-store", redis.url], log)
        wait_until(lambda: self.running() and "Ctrl-C" in self.tail(), 20, "the tracker has started")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/announce", self.tail())[1])

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def announce(self, port: int, want: int = 0, more: str = "&left=1") -> dict:
        query = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port={port}&numwant={want}{more}"
        return bencodepy.decode(self.get(f"/announce?{query}")[1])

    def counts(self) -> dict:
        files = bencodepy.decode(self.get(f"/scrape?info_hash={'a' * 20}")[1])[b"files"]
        return files[b"a" * 20]


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
def two(redis, tmp_path):
    with OurTracker(redis, tmp_path / "one.log") as one, OurTracker(redis, tmp_path / "two.log") as two:
        yield one, two


def test_ten_thousand_peers_announced_to_either_are_seen_by_both(two):
    def tell(tracker, first):
        for port in range(FIRST_PORT + first, FIRST_PORT + PEERS, 4):
            tracker.announce(port, more="&left=0" if port % 10 == 0 else "&left=1")

    threads = [threading.Thread(target=tell, args=(two[number % 2], number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tracker in two:
        assert tracker.counts() == {b"complete": PEERS // 10, b"downloaded": 0, b"incomplete": PEERS - PEERS // 10}
        seen: set[bytes] = set()
        for _ in range(MOST_LOOKS):
            seen.update(split_peers(tracker.announce(FIRST_PORT + 1, 200)[b"peers"], PEER4))
            if len(seen) == PEERS - 1:
                break
        asker = b"\x7f\0\0\1" + (FIRST_PORT + 1).to_bytes(2, "big")
        assert seen == {b"\x7f\0\0\1" + port.to_bytes(2, "big") for port in range(FIRST_PORT, FIRST_PORT + PEERS)} - {asker}


def test_both_recover_from_the_death_of_redis(two, redis):
    one, other = two
    one.announce(1, more="&left=1")
    assert other.announce(1, more="&left=0&event=completed")[b"downloaded"] == 1
    redis.kill()
    for tracker in two:
        answer = tracker.announce(2)
        assert answer == {
            b"failure reason": b"this tracker cannot reach its memory for the moment: try again in a minute",
            b"retry in": b"1",
        }
        status, reason = tracker.get("/healthz")
        assert status == 503 and reason.startswith(b"this tracker cannot reach its memory")
        assert tracker.get("/")[0] == 200
    redis.start()
    for number, tracker in enumerate(two):
        wait_until(lambda tracker=tracker: tracker.get("/healthz")[0] == 200)
        assert tracker.announce(1 + number)[b"incomplete"] == 1 + number
    for tracker in two:
        assert tracker.tail().count("does not do its work") == 1
        assert tracker.tail().count("works again") == 1


def test_udp_answers_from_redis_too(two):
    one, other = two
    one.announce(7777)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", other.port))
        sock.send(bytes.fromhex("0000041727101980 00000000 00000001"))
        connection = sock.recv(16)[8:]
        announce = connection + bytes.fromhex("00000001 00000002") + b"a" * 20 + b"b" * 20 + bytes(8)
        announce += (1).to_bytes(8, "big") + bytes(8) + bytes(4) + bytes(4) + bytes(4) + b"\xff" * 4 + (8888).to_bytes(2, "big")
        sock.send(announce)
        reply = sock.recv(2048)
    assert reply[:8] == bytes.fromhex("00000001 00000002")
    assert reply[20:] == b"\x7f\0\0\1" + (7777).to_bytes(2, "big")
    assert one.counts()[b"incomplete"] == 2

"""Attacks on the tracker, over real sockets: each row of the usual list, and what an honest peer sees of it: nothing."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote_from_bytes

import bencodepy
import pytest

from gotorrent.config import TrackerConfig
from gotorrent.tracker.access import add_key
from gotorrent.wire.compact import PEER4, pack_peer, unpack_peers
from gotorrent.wire.udp_tracker import announce_request, connect_request, read_announced, read_connected, scrape_request
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

TORRENT = bytes(range(100, 120))
VICTIM, ATTACKER = "127.0.0.1", "127.0.0.66"
SCRIPT = "<script>alert(1)</script>"
TRANSACTION = b"abcd"


class Clock:
    """Moved by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


Serve = Callable[..., TrackerServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def begin(clock: Any = None, **settings: Any) -> TrackerServer:
            options = {} if clock is None else {"clock": clock}
            return stack.enter_context(TrackerServer(TrackerConfig(threads=2, **settings), host="127.0.0.1", port=0, **options))

        yield begin


def http(server: TrackerServer, request: bytes, source: str = VICTIM) -> bytes:
    """Everything that the tracker sends back before it closes."""
    with socket.create_connection(("127.0.0.1", server.port), 10, (source, 0)) as sock:
        try:
            sock.sendall(request)
            received = b""
            while chunk := sock.recv(65536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def target(
    port: object = 6881, *, path: str = "/announce", torrent: bytes = TORRENT, peer_id: bytes = b"p" * 20, **more: object
) -> bytes:
    query = {"info_hash": torrent, "peer_id": peer_id, "port": port, "left": 1, **more}
    encoded = (
        f"{name}={quote_from_bytes(value if isinstance(value, bytes) else str(value).encode())}" for name, value in query.items()
    )
    return f"{path}?{'&'.join(encoded)}".encode()


def announce(
    server: TrackerServer, port: object = 6881, source: str = VICTIM, headers: bytes = b"", **more: Any
) -> dict[bytes, Any]:
    answer = http(server, b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (target(port, **more), headers), source)
    decoded: dict[bytes, Any] = bencodepy.decode(answer.partition(b"\r\n\r\n")[2])
    return decoded


def peers(server: TrackerServer) -> set[tuple[str, int]]:
    """Whom an honest newcomer would be given; he leaves again."""
    found = set(unpack_peers(announce(server, 1, "127.0.0.99", numwant=200)[b"peers"], PEER4))
    announce(server, 1, "127.0.0.99", event="stopped")
    return found


class Udp:
    """A UDP client at `source`."""

    def __init__(self, server: TrackerServer, source: str = VICTIM) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.connect(("127.0.0.1", server.udp_port))
        self.sock.settimeout(5)

    def __enter__(self) -> Udp:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def ask(self, packet: bytes) -> bytes:
        self.sock.send(packet)
        return self.sock.recv(4096)

    def connect(self) -> bytes:
        connection = read_connected(self.ask(connect_request(TRANSACTION)), TRANSACTION)
        assert connection
        return connection

    def announce(self, connection: bytes, port: int = 6881, **more: Any) -> bytes:
        return self.ask(announce_request(connection, TRANSACTION, TORRENT, b"p" * 20, port, left=1, **more))


def refused(reply: bytes) -> bool:
    return reply[:4] == b"\0\0\0\3"


class TestAddresses:
    def test_nobody_can_be_named_but_the_sender(self, serve: Serve) -> None:
        server = serve()
        announce(server, ip="203.0.113.66", ipv4="203.0.113.66:1", ipv6="[2001:db8::66]:1", **{"X-Forwarded-For": "203.0.113.66"})
        forged = b"X-Forwarded-For: 203.0.113.66\r\nForwarded: for=203.0.113.66\r\nX-Real-IP: 203.0.113.66\r\n"
        announce(server, 6882, headers=forged + b"Client-IP: 203.0.113.66\r\nTrue-Client-IP: 203.0.113.66\r\n")
        assert peers(server) == {(VICTIM, 6881), (VICTIM, 6882)}

    def test_nor_over_udp(self, serve: Serve) -> None:
        server = serve()
        with Udp(server) as udp:
            packet = bytearray(announce_request(udp.connect(), TRANSACTION, TORRENT, b"p" * 20, 6881, left=1))
            packet[84:88] = bytes([203, 0, 113, 66])
            assert read_announced(udp.ask(bytes(packet)), TRANSACTION)
        assert peers(server) == {(VICTIM, 6881)}

    def test_behind_a_proxy_only_its_own_word_counts(self, serve: Serve) -> None:
        server = serve(trusted_proxies="127.0.0.1")
        announce(server, headers=b"X-Forwarded-For: 203.0.113.66\r\nX-Forwarded-For: 198.51.100.7\r\n")
        announce(server, 6882, headers=b"X-Forwarded-For: 127.0.0.1, 203.0.113.66, 198.51.100.8\r\n")
        announce(server, 6883, source=ATTACKER, headers=b"X-Forwarded-For: 203.0.113.66\r\n")
        assert peers(server) == {("198.51.100.7", 6881), ("198.51.100.8", 6882), (ATTACKER, 6883)}

    @pytest.mark.parametrize("entry", [b"", b"unknown", b"<script>", b"1.2.3.4.5", b"9" * 3000, b"[::1", b"\xff\xfe"])
    def test_a_broken_forwarded_header_makes_no_peer(self, serve: Serve, entry: bytes) -> None:
        server = serve(trusted_proxies="127.0.0.1")
        answer = http(server, b"GET %b HTTP/1.1\r\nX-Forwarded-For: 198.51.100.7, %b\r\n\r\n" % (target(), entry))
        assert b"failure reason" in answer or answer.startswith(b"HTTP/1.1 4")
        assert server.tracker.store.totals().leechers == 0

    @pytest.mark.parametrize("port", [0, -1, 65536, 10**30, "", "1e3", "0x10", b"\xff", b"\0"])
    def test_a_port_that_nobody_has(self, serve: Serve, port: object) -> None:
        server = serve()
        assert b"failure reason" in announce(server, port)
        assert server.tracker.store.totals().leechers == 0

    def test_port_0_over_udp(self, serve: Serve) -> None:
        server = serve()
        with Udp(server) as udp:
            assert refused(udp.announce(udp.connect(), port=0))
        assert server.tracker.store.totals().leechers == 0


class TestOthersPeers:
    def test_nobody_removes_or_replaces_another(self, serve: Serve) -> None:
        server = serve()
        announce(server, 6881, VICTIM, peer_id=b"v" * 20)
        announce(server, 6881, ATTACKER, peer_id=b"v" * 20, event="stopped")
        announce(server, 6881, ATTACKER, peer_id=b"v" * 20, event="stopped", ip=VICTIM, key="v")
        announce(server, 6882, VICTIM, peer_id=b"v" * 20, event="stopped")
        with Udp(server, ATTACKER) as udp:
            udp.announce(udp.connect(), event=3)
        assert peers(server) == {(VICTIM, 6881)}

    def test_downloads_cannot_be_counted_twice(self, serve: Serve) -> None:
        server = serve()
        announce(server)
        for _ in range(5):
            announce(server, left=0, event="completed")
        assert server.tracker.store.totals().downloaded == 1


class TestUdp:
    def test_a_made_up_connection_id_is_worth_nothing(self, serve: Serve) -> None:
        server = serve()
        with Udp(server) as udp:
            good = udp.connect()
            for forged in (bytes(8), b"\xff" * 8, good[:-1] + bytes([good[-1] ^ 1]), bytes([good[0] ^ 1]) + good[1:], good[::-1]):
                assert refused(udp.announce(forged))
            assert not refused(udp.announce(good))

    def test_anothers_connection_id_is_worth_nothing(self, serve: Serve) -> None:
        server = serve()
        with Udp(server) as victim, Udp(server, ATTACKER) as attacker:
            connection = victim.connect()
            assert refused(attacker.announce(connection))
            assert not refused(victim.announce(connection))
        assert peers(server) == {(VICTIM, 6881)}

    def test_an_old_connection_id_is_worth_nothing(self, serve: Serve) -> None:
        clock = Clock()
        server = serve(clock)
        with Udp(server) as udp:
            connection = udp.connect()
            for seconds in (60, 120):
                clock.now = 1000.0 + seconds
                assert not refused(udp.announce(connection))
            for seconds in (122, 3600, 65536, 65536 + 60):
                clock.now = 1000.0 + seconds
                wait_until(lambda: refused(udp.announce(connection)), 2)  # the tracker looks at its clock between two batches
                assert refused(udp.announce(connection))

    def test_nothing_larger_than_what_was_sent_goes_to_an_address_that_is_not_proved(self, serve: Serve) -> None:
        server = serve()
        for port in range(1, 200):
            announce(server, port)
        forged = bytes(8)
        packets = [
            connect_request(TRANSACTION),
            announce_request(forged, TRANSACTION, TORRENT, b"p" * 20, 6881, numwant=200),
            scrape_request(forged, TRANSACTION, [TORRENT] * 74),
            struct.pack(">8sI4s", forged, 7, TRANSACTION),
            struct.pack(">8sI4s", forged, 1, TRANSACTION),
            *(bytes(size) for size in (0, 1, 15, 16, 17, 97, 98, 1400)),
        ]
        with Udp(server) as udp:
            for packet in packets:
                udp.sock.send(packet)
                udp.sock.send(connect_request(b"done"))
                answers: list[bytes] = []
                while not answers or answers[-1][4:8] != b"done":
                    answers.append(udp.sock.recv(4096))
                assert sum(map(len, answers[:-1])) <= max(len(packet), 16)

    def test_no_answer_is_longer_than_a_packet(self, serve: Serve) -> None:
        server = serve()
        for port in range(1, 400):
            announce(server, port, numwant=0)
        with Udp(server) as udp:
            assert 1000 < len(udp.announce(udp.connect(), numwant=2**31 - 1)) <= 1400
            assert len(udp.ask(scrape_request(udp.connect(), TRANSACTION, [TORRENT] * 74))) <= 1400


class TestGreed:
    def test_giant_scrapes(self, serve: Serve) -> None:
        server = serve()

        def scrape(count: int) -> bytes:
            query = "&".join(f"info_hash={quote_from_bytes(bytes([number]) * 20)}" for number in range(count))
            return http(server, f"GET /scrape?{query} HTTP/1.1\r\n\r\n".encode())

        assert scrape(74).count(b"8:complete") == 74
        assert b"at most 74 are answered" in scrape(75)
        assert b"failure reason" in http(server, b"GET /scrape?%b HTTP/1.1\r\n\r\n" % (b"info_hash=" + b"a" * 7000))
        assert http(server, b"GET /scrape?%b HTTP/1.1\r\n\r\n" % (b"info_hash=aa&" * 5000))[8:12] == b" 431"
        assert b"does not list all its torrents" in http(server, b"GET /scrape HTTP/1.1\r\n\r\n")

    def test_a_giant_numwant_is_cut(self, serve: Serve) -> None:
        server = serve()
        for port in range(1, 300):
            announce(server, port, numwant=0)
        for want in (201, 10**9, 10**19):
            assert len(announce(server, 1, numwant=want)[b"peers"]) == 200 * PEER4
        assert announce(server, 1, numwant=10**9, event="stopped")[b"peers"] == b""

    def test_random_info_hashes_do_not_drive_out_the_honest(self, serve: Serve) -> None:
        server = serve(max_peers=200)
        for port in range(1, 51):
            announce(server, port, numwant=0)
        for number in range(2000):
            announce(server, torrent=b"%020d" % number, source=ATTACKER, numwant=0)
        totals = server.tracker.store.totals()
        assert totals.seeds + totals.leechers <= 200
        assert len(peers(server)) == 50

    def test_one_address_cannot_ask_without_end_while_others_can(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gotorrent.tracker.limits.is_loopback", lambda packed: False)
        monkeypatch.setattr("gotorrent.tracker.rules.Rules.refuse_announce", _without_the_shortest_way)
        server = serve(rate_limit=0.01, rate_burst=20)
        answers = [announce(server, source=ATTACKER) for _ in range(40)]
        reasons = [answer[b"failure reason"] for answer in answers if b"failure reason" in answer]
        assert len(reasons) == 20 and all(b"at most 0.01 a second, 20 at once" in reason for reason in reasons)
        assert answers[-1][b"retry in"].isdigit()
        assert b"interval" in announce(server, source=VICTIM)

    def test_keys_cannot_be_guessed_without_end(self, serve: Serve, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gotorrent.tracker.limits.is_loopback", lambda packed: False)
        monkeypatch.setattr("gotorrent.tracker.rules.Rules.refuse_announce", _without_the_shortest_way)
        key = add_key(tmp_path / "keys", "Ada", "2026-11-23")
        server = serve(rate_limit=0.01, rate_burst=5, passkey_file=str(tmp_path / "keys"))
        for number in range(5):
            assert b"does not know" in announce(server, source=ATTACKER, path=f"/announce/{number:032}")[b"failure reason"]
        assert b"too many" in announce(server, source=ATTACKER, path=f"/announce/{key}")[b"failure reason"]
        assert b"interval" in announce(server, source=VICTIM, path=f"/announce/{key}")


def _without_the_shortest_way(rules: Any, source: bytes, info_hash: bytes, key: bytes, door: int, now: float) -> str | None:
    """`refuse_announce` for tests that play on loopback, which has no limit."""
    rules._check_limit(source, now)
    reason: str | None = rules.access.refusal_of_key(key)
    return reason


class TestWords:
    def test_nothing_that_a_peer_sends_is_ever_markup(self, serve: Serve) -> None:
        server = serve(show_addresses=True)
        evil = (SCRIPT.encode() + b"x" * 20)[:20]
        more = {"event": SCRIPT, "key": SCRIPT, "trackerid": SCRIPT, SCRIPT: SCRIPT}
        headers = f"User-Agent: {SCRIPT}\r\nReferer: {SCRIPT}\r\nAccept-Language: {SCRIPT}\r\n".encode()
        announce(server, peer_id=evil, torrent=evil, headers=headers, **more)
        announce(server, 6882, peer_id=evil, torrent=evil, **{**more, "event": "started"})
        paths = ["/", "/dashboard.json", "/stats.json", "/metrics", "/healthz", f"/{SCRIPT}", f"/announce/{SCRIPT}", f"/?{SCRIPT}"]
        for path in paths:
            for accept in ("text/html", "*/*"):
                request = f"GET {path} HTTP/1.1\r\nHost: {SCRIPT}\r\nAccept: {accept}\r\nX-Forwarded-Host: {SCRIPT}\r\n".encode()
                assert SCRIPT.encode() not in http(server, request + headers + b"\r\n"), path

    @pytest.mark.parametrize("name", ["info_hash", "peer_id", "port", "left", "numwant", "ip"])
    def test_refusals_are_for_programs_whatever_they_repeat(self, serve: Serve, name: str) -> None:
        server = serve(believe_ip=True)
        query = {"info_hash": TORRENT, "peer_id": b"p" * 20, "port": b"1", "left": b"1", name: SCRIPT.encode()}
        encoded = "&".join(f"{key}={quote_from_bytes(value)}" for key, value in query.items())
        head, _, body = http(server, f"GET /announce?{encoded} HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n\r\n")
        assert b"failure reason" in body
        assert b"content-type: text/plain" in head.lower() and b"nosniff" in head


class TestRequests:
    @pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"HEAD", b"get", b"GETT"])
    def test_only_get_announces(self, serve: Serve, method: bytes) -> None:
        server = serve()
        http(server, method + b" " + target() + b" HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert server.tracker.store.totals().leechers == 0

    @pytest.mark.parametrize(
        "head",
        [
            b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
            b"POST /announce HTTP/1.1\r\nContent-Length: %d\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\nX-Length: %d\r\n\r\n",
            b"GET / HTTP/1.1\r\nX-Length: %d\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Length: %d\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Length: %d\r\n\r\n",
        ],
    )
    def test_a_body_or_what_follows_is_never_an_announce(self, serve: Serve, head: bytes) -> None:
        server = serve()
        inner = b"GET " + target() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        head %= len(inner)
        for request in (head + inner, head + b"x" + inner):
            http(server, request)
        with socket.create_connection(("127.0.0.1", server.port), 10) as sock:  # the body is the first thing of its own packet
            sock.sendall(head)
            time_out = threading.Event()
            time_out.wait(0.05)
            try:
                sock.sendall(inner)
                while sock.recv(65536):
                    pass
            except OSError:
                pass
        assert server.tracker.store.totals().leechers == 0

    def test_an_announce_in_pieces_or_with_a_tail_is_one_announce(self, serve: Serve) -> None:
        server = serve()
        request = b"GET " + target() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        assert http(server, request + b"GET " + target(6882) + b" HTTP/1.1\r\nHost: x\r\n\r\n").count(b"HTTP/1.1 200") == 1
        assert peers(server) == {(VICTIM, 6881)}

    def test_500_slow_connections_delay_nobody(self, serve: Serve) -> None:
        server = serve()
        announce(server, 6881)
        with ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(500)]
            for number, sock in enumerate(slow):
                sock.sendall((b"GET " + target() + b" HTTP/1.1\r\nX: y")[: 5 + number % 90])
            wait_until(lambda: sum(len(each.active_channels) for each in server._servers) >= 450, 4)
            taken = []
            for port in range(1, 301):
                begun = time.perf_counter()
                answer = announce(server, port)
                taken.append(time.perf_counter() - begun)
                assert b"interval" in answer
        assert sorted(taken)[int(len(taken) * 0.99)] < 0.1

    def test_a_clock_that_jumps_hurts_nobody(self, serve: Serve) -> None:
        clock = Clock()
        server = serve(clock)
        for moment in (1000.0, 1000.0, 5.0, 0.0, 1e9, 1e9 + 1, 3.0):
            clock.now = moment
            assert b"interval" in announce(server)
            with Udp(server) as udp:
                assert not refused(udp.announce(udp.connect(), port=6882))
        assert pack_peer(VICTIM, 6881) in announce(server, 6883)[b"peers"]

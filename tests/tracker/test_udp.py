"""The UDP tracker over real sockets on loopback."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import pytest

from gotorrent.clock import Clock
from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker import udp
from gotorrent.tracker.counters import UDP4, UDP6
from gotorrent.tracker.sockets import bind
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker
from gotorrent.tracker.udp import UdpServer
from gotorrent.wire.compact import PEER4, PEER6, pack_peer, unpack_peers
from gotorrent.wire.udp_tracker import (
    announce_request,
    connect_request,
    read_announced,
    read_connected,
    read_scraped,
    scrape_request,
)
from tests.waiting import wait_until

HASH = bytes(range(20))
ID = b"-GT0100-abcdefghijkl"
CALL = b"call"


class MovedClock(Clock):
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Server:
    def __init__(self, **settings):
        config = TrackerConfig(**settings)
        self.tracker = Tracker(config, Swarms(config))
        self.clock = MovedClock()
        listening, sockets = bind("", 0, -1)
        for sock in listening:
            sock.close()
        self.port = sockets[0].getsockname()[1]
        self.udp = UdpServer(self.tracker, sockets, self.clock)


@pytest.fixture
def server():
    with running() as server:
        yield server


@contextmanager
def running(**settings):
    server = Server(**settings)
    server.udp.start()
    try:
        yield server
    finally:
        server.udp.stop()


@contextmanager
def client(server, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        if host not in ("127.0.0.1", "::1"):
            sock.bind((host, 0))
        sock.connect((host if ":" in host else "127.0.0.1", server.port))
        yield sock


def ask(sock, packet):
    sock.send(packet)
    return sock.recv(4096)


def connect(sock):
    return read_connected(ask(sock, connect_request(CALL)), CALL)


def announce(sock, connection, port=6881, **fields):
    return read_announced(ask(sock, announce_request(connection, CALL, HASH, ID, port, **{"left": 1, **fields})), CALL)


def silent(sock, packet):
    """Is this packet dropped without a word? What is sent behind it is answered first."""
    sock.send(packet)
    return ask(sock, connect_request(b"next"))[4:8] == b"next"


class TestAnswers:
    @pytest.mark.parametrize(("host", "size"), [("127.0.0.1", PEER4), ("::1", PEER6)])
    def test_peers_of_the_own_family(self, server, host, size):
        server.tracker.store.announce(HASH, pack_peer("192.0.2.1", 1), 0, True, 0, False, 1000.0)
        server.tracker.store.announce(HASH, pack_peer("2001:db8::1", 1), 0, False, 0, False, 1000.0)
        with client(server, host) as sock:
            answer = announce(sock, connect(sock))
        assert (answer.interval, answer.leechers, answer.seeds) == (60, 2, 1)
        assert unpack_peers(answer.peers, size) == [("192.0.2.1" if size == PEER4 else "2001:db8::1", 1)]

    def test_started_completed_stopped(self, server):
        with client(server) as sock:
            connection = connect(sock)
            assert announce(sock, connection, event=2)[1:] == (1, 0, b"")
            assert announce(sock, connection, port=2, left=0)[1:] == (1, 1, pack_peer("127.0.0.1", 6881))
            assert announce(sock, connection, event=1, left=0)[1:3] == (0, 2)
            assert announce(sock, connection, event=3, left=0)[1:] == (0, 1, b"")
            assert announce(sock, connection, port=2, event=77)[1:3] == (1, 0)
            scraped = ask(sock, scrape_request(connection, CALL, [HASH, bytes(20)]))
            assert read_scraped(scraped, CALL, 2) == [(0, 1, 1), (0, 0, 0)]
        counters = server.tracker.counters
        wait_until(lambda: counters.announces[UDP4] == 5)
        assert (counters.connects[UDP4], counters.scrapes[UDP4], counters.announces[UDP6]) == (1, 1, 0)

    @pytest.mark.parametrize(("host", "most"), [("127.0.0.1", 200), ("::1", 74)])
    @pytest.mark.parametrize("numwant", [-1, 0, 1, 74, 75, 200, 201, 2**31 - 1, -(2**31)])
    def test_numwant_and_the_size_of_the_answer(self, server, host, most, numwant):
        for port in range(1, 252):
            server.tracker.store.announce(HASH, pack_peer(host, port), 0, False, 0, False, 1000.0)
        with client(server, host) as sock:
            packet = announce_request(connect(sock), CALL, HASH, ID, 6881, left=1, numwant=numwant)
            answer = ask(sock, packet)
        assert len(answer) <= 1400
        wanted = 50 if numwant < 0 else min(numwant, most)
        assert len(read_announced(answer, CALL).peers) == wanted * (PEER4 if host == "127.0.0.1" else PEER6)

    def test_an_address_in_the_packet_is_ignored(self, server):
        with client(server) as sock:
            connection = connect(sock)
            packet = bytearray(announce_request(connection, CALL, HASH, ID, 6881, left=1))
            packet[84:88] = bytes((203, 0, 113, 66))
            ask(sock, bytes(packet))
            assert announce(sock, connection, port=2).peers == pack_peer("127.0.0.1", 6881)

    def test_scrape_of_74_and_not_of_75(self, server):
        hashes = [bytes([number]) * 20 for number in range(75)]
        with client(server) as sock:
            connection = connect(sock)
            assert len(read_scraped(ask(sock, scrape_request(connection, CALL, hashes[:74])), CALL, 74)) == 74
            with pytest.raises(TrackerError, match="75 torrents in one scrape: at most 74"):
                read_scraped(ask(sock, scrape_request(connection, CALL, hashes)), CALL, 75)
            with pytest.raises(TrackerError, match="ask with one or more"):
                read_scraped(ask(sock, scrape_request(connection, CALL, [])), CALL, 0)

    def test_the_key_in_the_url_reaches_the_gate(self, server):
        asked = []

        class Gate:
            def refuse_announce(self, *arguments):
                asked.append(arguments)
                return None if arguments[2] == b"secret" else "wrong passkey"

        server.tracker.gate = Gate()
        with client(server) as sock:
            connection = connect(sock)
            announce(sock, connection, url=b"/announce/secret?x=1")
            for url in (b"", b"/announce", b"/announce/other", b"/secret"):
                with pytest.raises(TrackerError, match="wrong passkey"):
                    announce(sock, connection, url=url)
        assert asked[0] == (bytes((127, 0, 0, 1)), HASH, b"secret", UDP4, 1000.0)
        assert server.tracker.counters.refused[UDP4] == 4
        assert server.tracker.store.totals().leechers == 1

    def test_other_machines_are_given_the_trackers_own_address_for_its_neighbours(self, server, monkeypatch):
        monkeypatch.setattr(udp, "is_loopback", lambda source: False)
        monkeypatch.setattr(
            "gotorrent.tracker.announce.is_loopback", lambda peer: peer[:4] == bytes((127, 0, 0, 1)) and peer[-1] == 1
        )
        monkeypatch.setattr(udp, "_own_address", lambda peer, door: bytes((192, 0, 2, 7)))
        with client(server) as sock:
            connection = connect(sock)
            announce(sock, connection, port=0x101)
            assert announce(sock, connection, port=0x202).peers == pack_peer("192.0.2.7", 0x101)

    @pytest.mark.parametrize(("host", "door"), [("127.0.0.1", UDP4), ("::1", UDP6)])
    def test_own_address(self, host, door):
        assert udp._own_address((host, 9), door) == pack_peer(host, 9)[:-2]
        assert udp._own_address(("nonsense::", 9), UDP4) == b""


class TestRefusals:
    def test_a_forged_connection_id_gets_no_peers_and_no_more_than_it_sent(self, server):
        with client(server) as sock:
            good = announce_request(connect(sock), CALL, HASH, ID, 6881, left=1)
            ask(sock, good)
            forged = bytes(8) + good[8:]
            answer = ask(sock, forged)
            assert len(answer) <= len(forged)
            with pytest.raises(TrackerError, match="forged or older than two minutes"):
                read_announced(answer, CALL)
            short = scrape_request(bytes(8), CALL, [HASH])
            assert len(ask(sock, short)) <= len(short)
        assert server.tracker.counters.bad_connections[UDP4] == 2
        assert server.tracker.store.totals().leechers == 1

    def test_a_connection_id_of_another_address(self, server):
        with client(server) as sock, client(server, "127.0.0.2") as other:
            connection = connect(sock)
            with pytest.raises(TrackerError, match="forged"):
                announce(other, connection)

    def test_a_connection_id_after_two_minutes(self, server):
        with client(server) as sock:
            connection = connect(sock)
            server.clock.now += 120
            announce(sock, connection)
            server.clock.now += 1
            with pytest.raises(TrackerError, match="ask for a new one"):
                announce(sock, connection)
            announce(sock, connect(sock))

    def test_port_0(self, server):
        with client(server) as sock, pytest.raises(TrackerError, match="port 0 cannot be reached"):
            announce(sock, connect(sock), port=0)
        assert server.tracker.store.totals().torrents == 0

    def test_a_full_tracker_says_so(self):
        with running(max_peers=1) as server, client(server) as sock:
            connection = connect(sock)
            announce(sock, connection)
            announce(sock, connection)
            with pytest.raises(TrackerError, match="full"):
                announce(sock, connection, port=2)

    @pytest.mark.parametrize(
        "packet",
        [
            b"x",
            b"d1:ad2:id20:",
            bytes(15),
            bytes(16),
            connect_request(CALL)[:15],
            b"\0\0\x04\x17\x27\x10\x19\x81" + bytes(8),
            b"GET /announce?inf",
        ],
    )
    def test_what_is_no_request_is_dropped_without_a_word(self, server, packet):
        with client(server) as sock:
            if len(packet) >= 16 and packet[8:12] != bytes(4):
                assert len(ask(sock, packet)) <= len(packet)
            else:
                assert silent(sock, packet)

    @pytest.mark.parametrize("action", [3, 4, 2**32 - 1])
    def test_an_action_that_does_not_exist(self, server, action):
        with client(server) as sock:
            packet = connect(sock) + action.to_bytes(4, "big") + CALL
            assert len(ask(sock, packet)) <= len(packet)

    def test_an_announce_that_is_cut_short(self, server):
        with client(server) as sock:
            packet = announce_request(connect(sock), CALL, HASH, ID, 6881)
            with pytest.raises(TrackerError, match="cut short"):
                read_announced(ask(sock, packet[:97]), CALL)
            assert len(ask(sock, packet + bytes(3000))) >= 20

    def test_a_connect_reply_is_never_larger_than_the_request(self, server):
        with client(server) as sock:
            assert len(ask(sock, connect_request(CALL))) == 16


class TestServer:
    def test_stop_may_be_repeated_and_is_quick(self, server):
        server.udp.stop()
        server.udp.stop()

    def test_several_threads_when_the_store_has_to_wait(self):
        server = Server()
        server.tracker.store.immediate = False
        server.udp.start()
        try:
            assert len(server.udp._threads) == 2 * udp.WAITING_THREADS
            with client(server) as sock:
                announce(sock, connect(sock))
        finally:
            server.udp.stop()

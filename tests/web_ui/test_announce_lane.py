"""The short way of an announce, and that all doors of the tracker decide alike."""

from __future__ import annotations

import socket

import bencodepy
import pytest

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.counters import HTTP4, HTTP6, UDP4
from gotorrent.tracker.store import COMPLETED, NONE, STARTED, STOPPED
from gotorrent.wire.compact import PEER4, split_peers
from gotorrent.wire.udp_tracker import announce_request, connect_request, read_announced, read_connected
from tests.waiting import wait_until
from web_ui import announce_lane, tracker_app
from web_ui.announce_lane import read_head
from web_ui.tracker_server import TrackerServer

HASH = bytes(range(0x30, 0x44))
ID = b"-GT0100-123456789012"
QUERY = b"info_hash=%b&peer_id=%b&port=6881&left=1" % (HASH, ID)
HEAD = b"GET /announce?%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % QUERY


@pytest.fixture
def server():
    with TrackerServer(TrackerConfig(threads=2, state_file="none"), port=0) as running:
        yield running


@pytest.fixture
def ways(monkeypatch):
    """The doors through which announces came in, as they come."""
    seen = []
    for module, way in ((announce_lane, "lane"), (tracker_app, "route")):
        original = module.announce
        monkeypatch.setattr(module, "announce", lambda *arguments, way=way, call=original: seen.append(way) or call(*arguments))
    return seen


def exchange(server, *pieces, host="127.0.0.1"):
    """Everything that the server answers to bytes sent in pieces, each when the one before has been taken note of."""
    with socket.create_connection((host, server.port), 10) as sock:
        for number, piece in enumerate(pieces):
            if number:
                wait_until(lambda: server._servers[0].active_channels or server._servers[1].active_channels)
            sock.sendall(piece)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def body(answer):
    return bencodepy.decode(answer.partition(b"\r\n\r\n")[2])


class TestWhatTakesTheShortWay:
    @pytest.mark.parametrize(
        ("head", "key"),
        [
            (HEAD, b""),
            (HEAD.replace(b"1.1", b"1.0"), b""),
            (HEAD.replace(b"/announce?", b"/announce/KEY-1_x?"), b"KEY-1_x"),
            (HEAD.replace(b"Host: localhost\r\n", b""), b""),
            (HEAD.replace(b"Host", b"User-Agent: a/1 (b; c)\r\nAccept-Encoding: gzip\r\nHost"), b""),
        ],
    )
    def test_one_whole_plain_head(self, head, key):
        assert read_head(head) == (key, QUERY)

    @pytest.mark.parametrize("length", range(len(HEAD)))
    def test_not_a_part_of_it(self, length):
        assert read_head(HEAD[:length]) is None

    @pytest.mark.parametrize(
        "head",
        [
            HEAD + b"x",
            HEAD + HEAD,
            HEAD.replace(b"GET", b"POST"),
            HEAD.replace(b"GET", b"HEAD"),
            HEAD.replace(b"GET", b"get"),
            HEAD.replace(b"/announce?", b"/announce"),
            HEAD.replace(b"/announce?", b"/announces?"),
            HEAD.replace(b"/announce?", b"/announce/?"),
            HEAD.replace(b"/announce?", b"/announce/a/b?"),
            HEAD.replace(b"/announce?", b"/announce/%61?"),
            HEAD.replace(b"/announce?", b"/announce/..?"),
            HEAD.replace(b"/announce?", b"http://x/announce?"),
            HEAD.replace(QUERY, b""),
            HEAD.replace(b"port", b"#port"),
            HEAD.replace(b"port", b" port"),
            HEAD.replace(b"port", b"p\xffrt"),
            HEAD.replace(b"localhost", b"\xff"),
            HEAD.replace(b"1.1", b"2.0"),
            HEAD.replace(b" HTTP/1.1", b""),
            HEAD.replace(b"\r\nHost", b"\nHost"),
            HEAD.replace(b"Host: localhost", b"Content-Length: 0"),
            HEAD.replace(b"Host: localhost", b"content-length : 5"),
            HEAD.replace(b"Host: localhost", b"Transfer-Encoding: chunked"),
            HEAD.replace(b"Host: localhost", b"Expect: 100-continue"),
            b"",
        ],
    )
    def test_nothing_unusual(self, head):
        assert read_head(head) is None

    def test_whole_at_once(self, server, ways):
        answer = exchange(server, HEAD)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"nosniff" in answer and b"Connection: close" in answer
        assert body(answer)[b"incomplete"] == 1
        assert ways == ["lane"]

    @pytest.mark.parametrize("cut", [1, 3, 14, 40, len(HEAD) - 1])
    def test_in_pieces_it_goes_the_ordinary_way(self, server, ways, cut):
        assert body(exchange(server, HEAD[:cut], HEAD[cut:]))[b"incomplete"] == 1
        assert ways == ["route"]

    def test_a_post_whose_body_begins_like_an_announce(self, server, ways):
        post = b"POST /announce HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(HEAD)
        assert exchange(server, post, HEAD).split(b" ")[1] == b"405"
        assert exchange(server, post + HEAD).split(b" ")[1] == b"405"
        assert ways == []

    def test_a_proxy_of_ours_goes_the_ordinary_way(self, ways):
        config = TrackerConfig(threads=2, state_file="none", trusted_proxies="127.0.0.1")
        with TrackerServer(config, port=0) as server:
            forwarded = HEAD.replace(b"Host", b"X-Forwarded-For: 198.51.100.7\r\nHost")
            assert body(exchange(server, forwarded))[b"incomplete"] == 1
            assert server.tracker.store.peers(HASH, 9)[2] == bytes((198, 51, 100, 7)) + (6881).to_bytes(2, "big")
        assert ways == ["route"]

    def test_a_store_that_has_to_wait_is_never_asked_here(self, server, ways):
        server.tracker.store.immediate = False
        exchange(server, HEAD)
        assert ways == ["route"]

    def test_who_leaves_at_once_harms_nobody(self, server):
        for data in (b"", HEAD, HEAD[:20]):
            with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.sendall(data)
        assert body(exchange(server, HEAD))[b"incomplete"] == 1

    def test_it_is_counted_and_refused_by_the_gate_like_any_other(self, server):
        exchange(server, HEAD)
        exchange(server, HEAD, host="::1")

        class Gate:
            def refuse_announce(self, source, info_hash, key, door, now):
                return f"not with {key.decode()}"

        server.tracker.gate = Gate()
        answer = exchange(server, HEAD.replace(b"/announce", b"/announce/KEY"))
        assert body(answer) == {b"failure reason": b"not with KEY"}
        counters = server.tracker.counters
        assert (counters.announces[HTTP4], counters.announces[HTTP6], counters.refused[HTTP4]) == (1, 1, 1)

    def test_where_the_system_has_no_quick_receive(self, monkeypatch):
        monkeypatch.setattr(announce_lane, "_DONT_WAIT", 0)
        monkeypatch.setattr("gotorrent.system.PORTABLE", True)
        with TrackerServer(TrackerConfig(threads=2, state_file="none"), port=0) as server:
            for pieces in ((HEAD,), (HEAD[:9], HEAD[9:])):
                assert body(exchange(server, *pieces))[b"incomplete"] == 1


class Door:
    """An announce through one door of a server: (seeds, leechers, IPv4 peers), or the refusal."""

    def __init__(self, server):
        self.server = server

    def lane(self, port, left, event, numwant):
        return self._http(b"", port, left, event, numwant)

    def route(self, port, left, event, numwant):
        return self._http(b"Content-Length: 0\r\n", port, left, event, numwant)

    def _http(self, header, port, left, event, numwant):
        name = {NONE: b"", COMPLETED: b"completed", STARTED: b"started", STOPPED: b"stopped"}[event]
        query = b"info_hash=%b&peer_id=%b&port=%d&left=%d&event=%b&numwant=%d" % (HASH, ID, port, left, name, numwant)
        answer = body(exchange(self.server, b"GET /announce?%b HTTP/1.1\r\n%b\r\n" % (query, header)))
        if b"failure reason" in answer:
            return answer[b"failure reason"].decode()
        return answer[b"complete"], answer[b"incomplete"], answer[b"interval"], answer[b"peers"]

    def udp(self, port, left, event, numwant):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.connect(("127.0.0.1", self.server.udp_port))
            sock.send(connect_request(b"call"))
            connection = read_connected(sock.recv(2048), b"call")
            sock.send(announce_request(connection, b"call", HASH, ID, port, left=left, event=event, numwant=numwant))
            try:
                answer = read_announced(sock.recv(2048), b"call")
            except TrackerError as error:
                return str(error)
        return answer.seeds, answer.leechers, answer.interval, answer.peers


def test_all_doors_decide_alike(server, ways):
    """The same announces through each door in turn, each into an empty tracker: the same answers."""
    story = [
        (1, 1, STARTED, 50),
        (2, 0, STARTED, 50),
        (1, 1, NONE, 50),
        (1, 0, COMPLETED, 50),
        (3, 9, NONE, -1),
        (4, 9, NONE, 0),
        (4, 9, NONE, 1),
        (0, 1, STARTED, 50),
        (2, 0, STOPPED, 50),
        (3, 9, NONE, 200),
        (9, 9, STOPPED, 50),
        (1, 0, STOPPED, 50),
        (3, 9, STOPPED, 50),
        (4, 9, STOPPED, 50),
    ]
    told = {}
    for way in ("lane", "route", "udp"):
        told[way] = []
        for announce in story:
            answer = getattr(Door(server), way)(*announce)
            if not isinstance(answer, str) and announce[3] != 1:
                answer = (*answer[:3], sorted(split_peers(answer[3], PEER4)))
            elif not isinstance(answer, str):
                answer = (*answer[:3], len(answer[3]))
            told[way].append(answer)
        assert server.tracker.store.totals()[:3] == (0, 0, 0)
    assert told["lane"] == told["route"] == told["udp"]
    assert ways == ["lane"] * len(story) + ["route"] * len(story)
    wait_until(lambda: server.tracker.counters.announces == [2 * len(story) - 2, 0, len(story) - 1, 0])
    assert server.tracker.counters.refused[UDP4] == 1

"""The announcer's threads against real trackers on loopback, good ones and bad ones."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import unquote_to_bytes, urlsplit

import bencodepy
import pytest

from gotorrent.discovery import announcer as module
from gotorrent.discovery.announcer import Announcer, TrackerStatus
from tests.discovery.bad_server import BadServer, Behaviour, answer, drip, hang, pour, raw, redirect
from tests.waiting import wait_until

PEER_ID = b"-GT0001-abcdefghijkl"
GOOD = {"interval": 1800, "complete": 3, "incomplete": 4, "peers": b"\xc0\x00\x02\x01\x1a\xe1"}


def good(**fields: object) -> Behaviour:
    return answer(bencodepy.encode(GOOD | {name.replace("_", " "): value for name, value in fields.items()}))


class Target:
    """What the announcer sees of a torrent."""

    def __init__(self, *tiers: tuple[str, ...], private: bool = False, number: int = 1) -> None:
        self.info_hash = bytes([number]) * 20
        self.trackers = tiers
        self.private = private
        self.left = 100
        self.wants = False
        self.found: list[tuple[str, int]] = []

    def announce_stats(self) -> tuple[int, int, int]:
        return 10, 20, self.left

    def found_peers(self, peers: list[tuple[str, int]], source: str) -> None:
        assert source == "tracker"
        self.found += peers

    def wants_peers(self) -> bool:
        return self.wants


def queries(server: BadServer) -> list[dict[str, bytes]]:
    lines = [request.split(b" ")[1].decode() for request in server.requests]
    pairs = [[pair.partition("=") for pair in urlsplit(line).query.split("&")] for line in lines]
    return [{name: unquote_to_bytes(value) for name, _, value in query} for query in pairs]


def events(server: BadServer) -> list[str]:
    return [query.get("event", b"").decode() for query in queries(server)]


def announcer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("announce")]


@pytest.fixture
def make() -> Iterator[Callable[..., Announcer]]:
    """Makes started announcers; at the end they are stopped and must leave no thread behind."""
    made: list[Announcer] = []

    def start(**options: object) -> Announcer:
        announcer = Announcer(peer_id=PEER_ID, port=6881, **options)  # type: ignore[arg-type]
        announcer.start()
        made.append(announcer)
        return announcer

    yield start
    for announcer in made:
        announcer.stop()
    wait_until(lambda: not announcer_threads(), 5, "all threads of the announcer are gone")


def one(announcer: Announcer, target: Target) -> TrackerStatus:
    return announcer.status(target.info_hash)[0]


def test_started_completed_stopped_in_order_and_once(make: Callable[..., Announcer]) -> None:
    with BadServer(good(tracker_id=b"id 7")) as server:
        announcer, target = make(), Target((server.url + "?passkey=secret",))
        announcer.add(target)
        wait_until(lambda: target.found)
        assert target.found == [("192.0.2.1", 6881)]
        target.left = 0
        announcer.completed(target.info_hash)
        wait_until(lambda: len(server.requests) == 2 and one(announcer, target).state == "working")
        announcer.stop()
        announcer.stop()
    assert events(server) == ["started", "completed", "stopped"]
    first, second, last = queries(server)
    assert first["info_hash"] == target.info_hash
    assert (first["peer_id"], first["port"], first["numwant"]) == (PEER_ID, b"6881", b"80")
    assert (first["uploaded"], first["downloaded"], first["left"]) == (b"10", b"20", b"100")
    assert first["passkey"] == b"secret"
    assert len(bytes.fromhex(first["key"].decode())) == 4
    assert first["key"] == second["key"] == last["key"]
    assert (second["left"], second["trackerid"], last["numwant"]) == (b"0", b"id 7", b"0")


def test_status_in_words_with_the_passkey_hidden(make: Callable[..., Announcer]) -> None:
    with BadServer(good(warning_message="be nice")) as server:
        announcer, target = make(), Target((server.url + "?passkey=secret",), ("udp://t.example:80/a",))
        before = time.monotonic()
        announcer.add(target)
        wait_until(lambda: one(announcer, target).state == "working")
        working, unsupported = announcer.status(target.info_hash)
        assert working.url == server.url + "?passkey=..."
        assert (working.seeds, working.leechers, working.peers, working.warning) == (3, 4, 1, "be nice")
        assert before + 1800 <= working.next_announce <= time.monotonic() + 1800
        assert (unsupported.state, unsupported.last_error) == ("unsupported", "UDP trackers are not supported yet")
        assert announcer.status(b"x" * 20) == ()


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (hang, "did not answer within 0.3 s"),
        (drip(b"d"), "did not answer within 0.3 s"),
        (drip(b"d", at_once=b"HTTP/1.1 200 OK\r\n\r\n"), "did not answer within 0.3 s"),
        (answer(b"<html>Welcome</html>"), "answered with a web page instead of a tracker's answer"),
        (answer(b"oops", "500 Internal Server Error"), "answered 500"),
        (answer(b"d14:failure reason3:no!e", "400 Bad Request"), 'refused: "no!"'),
        (answer(b"d8:garbage", "400 Bad Request"), "not a tracker's answer"),
        (answer(b"\x00\xffgarbage"), "not a tracker's answer"),
        (pour(b"d" * 100_000, b"HTTP/1.1 200 OK\r\n\r\n"), "answered with more than 2048 KiB"),
        (answer(gzip.compress(bytes(4 << 20)), headers="Content-Encoding: gzip\r\n"), "answered with more than 2048 KiB"),
        (redirect("/announce"), "redirects more than 5 times"),
        (raw(b""), "closed the connection without an answer"),
        (answer(b"d14:failure reason12:unregisterede"), 'refused: "unregistered"'),
        (answer(b"d8:interval3:abc5:peersi7ee"), ""),
    ],
)
def test_a_bad_tracker_in_words_and_the_others_go_on(make: Callable[..., Announcer], behave: Behaviour, words: str) -> None:
    with BadServer(behave) as bad, BadServer(good()) as server:
        announcer, target = make(timeout=0.3 if "0.3" in words else 5.0), Target((bad.url,), (server.url,))
        announcer.add(target)
        wait_until(lambda: one(announcer, target).state == ("failed" if words else "working"))
        assert words in one(announcer, target).last_error
        wait_until(lambda: target.found)
        assert announcer.status(target.info_hash)[1].state == "working"
        announcer.stop()
        assert events(server) == ["started", "stopped"]
        assert "stopped" not in events(bad) or not words, "only trackers that took `started` hear `stopped`"


def test_a_tracker_that_starts_after_us_is_found_within_seconds(make: Callable[..., Announcer]) -> None:
    with BadServer(raw(b"")) as server:
        announcer, target = make(), Target((server.url,))
        announcer.add(target)
        wait_until(lambda: one(announcer, target).state == "failed")
        server.behave = good()
        began = time.monotonic()
        wait_until(lambda: target.found, 5)
        assert time.monotonic() - began < 3.5


def test_a_tier_moves_on_at_once(make: Callable[..., Announcer]) -> None:
    with BadServer(raw(b"")) as bad, BadServer(good()) as server:
        announcer, target = make(), Target((bad.url, server.url), private=True)
        announcer.add(target)
        wait_until(lambda: target.found, 1.5)
        assert len(bad.requests) <= 1
        assert one(announcer, target).url == server.url, "what works is in front"


def test_private_torrent_asks_one_tracker_at_a_time(make: Callable[..., Announcer]) -> None:
    with BadServer(good()) as first, BadServer(good()) as second:
        announcer = make()
        private = Target((first.url,), (second.url,), private=True)
        announcer.add(private)
        wait_until(lambda: private.found)
        public = Target((first.url,), (second.url,), number=2)
        announcer.add(public)
        wait_until(lambda: len(public.found) == 2)
        announcer.stop()
        assert [query["info_hash"] for query in queries(second)] == [public.info_hash] * 2


@pytest.mark.parametrize("workers", [20, 3])
def test_twenty_dead_trackers_delay_no_live_one(
    make: Callable[..., Announcer], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if workers == 3:
        monkeypatch.setattr(module, "SLOW_AFTER", 0.05)
    with ExitStack() as stack:
        dead = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(20)]
        server = stack.enter_context(BadServer(good()))
        urls = [f"http://127.0.0.1:{listener.getsockname()[1]}/announce" for listener in dead] + [server.url]
        announcer, target = make(timeout=30, workers=workers), Target(*((url,) for url in urls))
        began = time.monotonic()
        announcer.add(target)
        wait_until(lambda: target.found, 5)
        assert time.monotonic() - began < 2.5
        began = time.monotonic()
        announcer.stop()
        assert time.monotonic() - began < 1.5, "waiting announces are cut off"
        assert not announcer_threads()
        assert events(server) == ["started", "stopped"]


def test_a_name_that_nobody_resolves_delays_neither_others_nor_the_end(
    make: Callable[..., Announcer], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: object, **options: object) -> object:
        if host == "dead.example":
            asked.set()
            go.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with BadServer(good()) as server:
        announcer, target = make(workers=1), Target(("http://dead.example/announce",), (server.url,))
        announcer.add(target)
        wait_until(lambda: asked.is_set() and target.found, 5)
        began = time.monotonic()
        announcer.stop()
        assert time.monotonic() - began < 1.5
        assert [thread.name for thread in announcer_threads()] == ["announce dead.example"]
        assert events(server) == ["started", "stopped"]
        go.set()


def test_one_host_is_asked_one_thing_at_a_time(make: Callable[..., Announcer]) -> None:
    lock, most, now = threading.Lock(), 0, 0

    def behave(server: BadServer, connection: socket.socket, request: bytes) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        server.closing.wait(0.01)
        with lock:
            now -= 1
        good()(server, connection, request)

    with BadServer(behave) as server:
        announcer = make()
        targets = [Target((server.url,), number=number) for number in range(30)]
        for target in targets:
            announcer.add(target)
        wait_until(lambda: all(target.found for target in targets))
        assert most == 1
        announcer.stop()
        assert events(server).count("stopped") == 30
        assert most > 1, "in the end all at once"


def test_remove_says_stopped_and_forgets(make: Callable[..., Announcer]) -> None:
    with BadServer(good()) as server, BadServer(hang) as slow:
        announcer, target = make(timeout=0.3), Target((server.url,), (slow.url,))
        announcer.add(target)
        wait_until(lambda: target.found and slow.requests)
        announcer.remove(target.info_hash)
        announcer.remove(target.info_hash)
        assert announcer.status(target.info_hash) == ()
        wait_until(lambda: len(server.requests) == 2)
        announcer.completed(target.info_hash)
        announcer.announce_now(target.info_hash)
        announcer.stop()
        assert events(server) == ["started", "stopped"]
        assert events(slow) == ["started"]


def test_removed_while_started_is_under_way(make: Callable[..., Announcer]) -> None:
    go = threading.Event()

    def behave(server: BadServer, connection: socket.socket, request: bytes) -> None:
        go.wait(5)
        good()(server, connection, request)

    with BadServer(behave) as server:
        announcer, target = make(), Target((server.url,))
        announcer.add(target)
        wait_until(lambda: server.requests)
        announcer.remove(target.info_hash)
        go.set()
        wait_until(lambda: len(server.requests) == 2)
        assert events(server) == ["started", "stopped"]
        assert target.found == [], "a removed torrent gets no peers"


def test_stop_waits_no_longer_than_told(make: Callable[..., Announcer]) -> None:
    def behave(server: BadServer, connection: socket.socket, request: bytes) -> None:
        (hang if b"event=stopped" in request else good())(server, connection, request)

    with BadServer(behave) as server, BadServer(good()) as quick:
        announcer, target = make(), Target((server.url,), (quick.url,))
        announcer.add(target)
        wait_until(lambda: len(target.found) == 2)
        began = time.monotonic()
        announcer.stop(timeout=0.5)
        assert time.monotonic() - began < 1.2
        assert events(server) == events(quick) == ["started", "stopped"]
        assert not announcer_threads()


def test_min_interval_only_when_peers_are_wanted(make: Callable[..., Announcer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gotorrent.discovery.schedule.SHORTEST_INTERVAL", 0.05)
    with BadServer(good(min_interval=0)) as server:
        announcer, target = make(), Target((server.url,))
        announcer.add(target)
        wait_until(lambda: target.found)
        assert not threading.Event().wait(0.3)
        assert len(server.requests) == 1
        target.wants = True
        wait_until(lambda: len(server.requests) >= 3)
        assert events(server)[1:3] == ["", ""]


def test_announce_now(make: Callable[..., Announcer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gotorrent.discovery.schedule.SHORTEST_INTERVAL", 0.0)
    with BadServer(good()) as server:
        announcer, target = make(), Target((server.url,))
        announcer.add(target)
        wait_until(lambda: one(announcer, target).state == "working")
        announcer.announce_now(target.info_hash)
        wait_until(lambda: len(server.requests) == 2)
        assert events(server) == ["started", ""]


def test_added_before_start_and_adding_twice() -> None:
    with BadServer(good()) as server:
        announcer, target = Announcer(peer_id=PEER_ID, port=1), Target((server.url,))
        announcer.add(target)
        announcer.add(target)
        assert one(announcer, target).state == "waiting"
        announcer.start()
        announcer.start()
        wait_until(lambda: target.found)
        announcer.stop()
        announcer.add(target)
        assert events(server) == ["started", "stopped"]
    Announcer(peer_id=PEER_ID, port=1).stop()


def test_a_bug_in_a_torrent_does_not_stop_the_others(make: Callable[..., Announcer]) -> None:
    class Broken(Target):
        def announce_stats(self) -> tuple[int, int, int]:
            raise ZeroDivisionError

        def wants_peers(self) -> bool:
            raise ZeroDivisionError

    with BadServer(good()) as server:
        announcer, broken, target = make(), Broken((server.url,)), Target((server.url,), number=2)
        announcer.add(broken)
        announcer.add(target)
        wait_until(lambda: target.found)
        assert "bug" in one(announcer, broken).last_error


def test_a_system_without_threads_left_delays_only(make: Callable[..., Announcer], monkeypatch: pytest.MonkeyPatch) -> None:
    class Poor(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with BadServer(good()) as server:
        announcer, target = make(), Target((server.url,))
        with monkeypatch.context() as poor:
            poor.setattr(module.threading, "Thread", Poor)
            announcer.add(target)
            wait_until(lambda: one(announcer, target).state == "announcing")
            assert server.requests == []
        announcer.announce_now(target.info_hash)
        wait_until(lambda: target.found)

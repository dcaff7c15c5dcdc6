from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from gotorrent.tracker import dialback
from gotorrent.tracker.dialback import DialBack
from gotorrent.tracker.networks import Networks
from gotorrent.wire.compact import pack_peer
from tests.waiting import wait_until


class HandClock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def dials(monkeypatch):
    """Peers that would have been dialled; nothing is reached unless it is put into `open`."""
    asked, is_open = [], set()
    monkeypatch.setattr(DialBack, "_dial", lambda self, peer: asked.append(peer) or peer in is_open)
    monkeypatch.setattr(DialBack, "_pause", lambda self: 0)
    return SimpleNamespace(asked=asked, open=is_open)


@pytest.fixture
def dialler(clock):
    made = DialBack(clock, threads=2)
    made.start()
    yield made
    made.stop()


CLOSED, OPEN = pack_peer("192.168.1.2", 6881), pack_peer("fd00::2", 6881)


def known(dialler, peer):
    wait_until(lambda: dialler.reachable(peer) is not None)
    return dialler.reachable(peer)


class TestPolicy:
    def test_each_is_dialled_once_and_the_result_kept(self, dialler, dials):
        dials.open.add(OPEN)
        assert dialler.reachable(CLOSED) is None
        assert (known(dialler, CLOSED), known(dialler, OPEN)) == (False, True)
        for _ in range(20):
            assert (dialler.reachable(CLOSED), dialler.reachable(OPEN)) == (False, True)
        assert sorted(dials.asked) == sorted([CLOSED, OPEN])
        assert dialler.unreachable() == [CLOSED]

    def test_a_closed_port_is_tried_again_later(self, dialler, dials, clock):
        assert known(dialler, CLOSED) is False
        dials.open.add(CLOSED)
        clock.now += dialback.BAD_SECONDS
        wait_until(lambda: dialler.reachable(CLOSED))
        assert dialler.unreachable() == []

    def test_one_that_left_is_no_longer_counted(self, dialler, dials, clock):
        known(dialler, CLOSED)
        dialler.forget(CLOSED)
        assert dialler.unreachable() == []
        known(dialler, CLOSED)
        clock.now += 2 * dialback.BAD_SECONDS
        assert dialler.unreachable() == []

    @pytest.mark.parametrize(
        "host", ["203.0.113.1", "8.8.8.8", "2600::1", "127.0.0.1", "::1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "fe80::1"]
    )
    def test_nobody_outside_is_ever_dialled(self, dialler, dials, host):
        assert dialler.reachable(pack_peer(host, 80)) is None
        known(dialler, CLOSED)
        assert dials.asked == [CLOSED]

    def test_what_waits_is_bounded(self, clock, monkeypatch):
        idle = DialBack(clock)  # not started: nobody takes from the queue
        for port in range(1, 2000):
            assert idle.reachable(pack_peer("10.0.0.1", port)) is None
        assert idle._waiting.qsize() == dialback.WAITING

    def test_what_is_remembered_is_bounded(self, dialler, dials, monkeypatch):
        monkeypatch.setattr(dialback, "REMEMBERED", 10)
        for port in range(1, 40):
            known(dialler, pack_peer("10.0.0.1", port))
        assert len(dialler._results) <= 10

    def test_dials_are_spread_over_time(self, clock):
        idle = DialBack(clock)
        assert [round(idle._pause(), 2) for _ in range(4)] == [0, 0.05, 0.1, 0.15]
        clock.now += 10
        assert idle._pause() == 0

    def test_stop_does_not_wait_for_what_waits(self, clock, dials, monkeypatch):
        monkeypatch.setattr(DialBack, "_pause", lambda self: 1000)
        slow = DialBack(clock)
        slow.start()
        for port in range(1, 50):
            slow.reachable(pack_peer("10.0.0.1", port))
        slow.stop()

    def test_stop_without_start(self, clock):
        DialBack(clock).stop()


class TestDialling:
    @pytest.fixture
    def real(self, monkeypatch):
        monkeypatch.setattr(dialback, "DIALLED", Networks("loopback"))
        made = DialBack()
        made.start()
        yield made
        made.stop()

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_an_open_and_a_closed_port(self, real, host):
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
            peer = pack_peer(host, server.getsockname()[1])
            assert known(real, peer) is True
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1) == b"", "closed, and nothing was sent"
            other = socket.socket(server.family)
            other.bind((host, 0))
            with other:
                assert known(real, pack_peer(host, other.getsockname()[1])) is False

    def test_one_that_never_answers(self, real, monkeypatch):
        monkeypatch.setattr(dialback, "CONNECT_SECONDS", 0.3)
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            fillers = []
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
                fillers.append(filler)
            try:
                assert known(real, pack_peer("127.0.0.1", full.getsockname()[1])) is False
            finally:
                for filler in fillers:
                    filler.close()

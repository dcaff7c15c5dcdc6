"""A tracker in plain values: what its page may tell, and what it keeps to itself."""

from __future__ import annotations

import json

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.announce import decide
from gotorrent.tracker.counters import HTTP4, UDP6
from gotorrent.tracker.overview import EVENTS, TORRENTS, Overview
from gotorrent.tracker.store import COMPLETED, NONE, STARTED, STOPPED
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker
from gotorrent.wire.compact import pack_peer

PEER4 = pack_peer("192.0.2.7", 6881)
PEER6 = pack_peer("2001:db8::7", 6882)


@pytest.fixture
def tracker():
    config = TrackerConfig()
    return Tracker(config, Swarms(config))


def announce(tracker, number, peer, event=NONE, seed=False, now=0.0):
    door = HTTP4 if len(peer) == 6 else UDP6
    decide(tracker, bytes([number]) * 20, peer[:-2], peer, event, seed, 50, door, b"", now)
    tracker.counters.announces[door] += 1


def test_an_empty_tracker(tracker):
    view = Overview(tracker, 100).view(107)
    assert view["uptime"] == 7 and view["trouble"] == ""
    assert (view["torrents"], view["seeds"], view["leechers"], view["downloaded"]) == (0, 0, 0, 0)
    assert view["announces"] == {"http4": 0, "http6": 0, "udp4": 0, "udp6": 0}
    assert view["events"] == view["largest"] == []
    assert view["points"] == [[0.0, 0.0, 0.0]]
    json.dumps(view)


def test_totals_doors_and_largest(tracker):
    overview = Overview(tracker, 0)
    for port in range(1, 11):
        announce(tracker, 1, pack_peer("192.0.2.8", port), seed=port == 1)
    announce(tracker, 2, PEER6, seed=True)
    announce(tracker, 2, PEER4)
    announce(tracker, 2, PEER4, COMPLETED, seed=True)
    view = overview.view(5)
    assert (view["torrents"], view["seeds"], view["leechers"], view["downloaded"]) == (2, 3, 9, 1)
    assert view["announces"] == {"http4": 12, "http6": 0, "udp4": 0, "udp6": 1}
    assert view["largest"] == [
        {"info_hash": "01" * 20, "seeds": 1, "leechers": 9, "downloaded": 0},
        {"info_hash": "02" * 20, "seeds": 2, "leechers": 0, "downloaded": 1},
    ]
    assert view["points"] == [[0.0, 2.4, 0.2]]


def test_what_happened_newest_first_without_addresses(tracker):
    overview = Overview(tracker, 0)
    announce(tracker, 1, PEER4, STARTED, now=10)
    announce(tracker, 1, PEER4, COMPLETED, seed=True, now=20)
    announce(tracker, 1, PEER4, NONE, seed=True, now=25)
    announce(tracker, 1, PEER6, STOPPED, seed=True, now=30)
    view = overview.view(31)
    assert view["events"] == [
        {"age": 1, "event": "stopped", "info_hash": "01" * 20, "seed": True, "door": "udp6"},
        {"age": 11, "event": "completed", "info_hash": "01" * 20, "seed": True, "door": "http4"},
        {"age": 21, "event": "started", "info_hash": "01" * 20, "seed": False, "door": "http4"},
    ]
    shown = json.dumps(view)
    assert "192.0.2" not in shown and "2001:db8" not in shown and "688" not in shown


def test_addresses_where_the_operator_wants_them():
    config = TrackerConfig(show_addresses=True)
    tracker = Tracker(config, Swarms(config))
    overview = Overview(tracker, 0)
    announce(tracker, 1, PEER4, STARTED)
    announce(tracker, 1, PEER6, STARTED)
    assert [event["address"] for event in overview.view(1)["events"]] == ["[2001:db8::7]:6882", "192.0.2.7:6881"]


def test_it_stays_small_whatever_peers_send(tracker):
    overview = Overview(tracker, 0)
    for number in range(200):
        for port in range(1, 4):
            announce(tracker, number, pack_peer("192.0.2.8", port), STARTED, now=number)
        overview.record(number * 10)
    view = overview.view(2000)
    assert len(view["events"]) == EVENTS and len(view["largest"]) == TORRENTS
    assert len(json.dumps(view)) < 10_000


def test_a_store_that_does_not_answer_leaves_its_last_totals(tracker, monkeypatch):
    overview = Overview(tracker, 0)
    announce(tracker, 1, PEER4, seed=True)
    assert overview.view(1)["seeds"] == 1

    def away(self):
        raise TrackerError("Redis does not answer")

    monkeypatch.setattr(Swarms, "totals", away)
    view = overview.view(2)
    assert view["trouble"] == "Redis does not answer"
    assert view["seeds"] == 1


class TestAdvice:
    class Watch:
        def __init__(self, *peers):
            self.peers = peers

        def unreachable(self):
            return self.peers

    def advice(self, tracker, *peers, **settings):
        tracker.config = TrackerConfig(**settings)
        tracker.watch = self.Watch(*peers)
        return Overview(tracker, 0).view(0)["advice"]

    def test_none_without_a_watch_or_a_reason(self, tracker):
        assert Overview(tracker, 0).view(0)["advice"] == ""
        assert self.advice(tracker) == ""

    def test_counts_and_addresses_only_in_a_classroom(self, tracker):
        assert self.advice(tracker, PEER4).startswith("One peer on this network cannot be reached by others: allow")
        assert self.advice(tracker, PEER4, PEER6).startswith("2 peers on this network cannot")
        shown = self.advice(tracker, PEER4, PEER6, show_addresses=True)
        assert "(192.0.2.7:6881, [2001:db8::7]:6882)" in shown
        shown = self.advice(tracker, *[PEER4] * 11, show_addresses=True)
        assert shown.count("192.0.2.7") == 10 and ", ...)" in shown

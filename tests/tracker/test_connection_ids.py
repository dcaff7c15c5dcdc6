from __future__ import annotations

import time

import pytest

from gotorrent.tracker import connection_ids
from gotorrent.tracker.connection_ids import ConnectionIds
from gotorrent.tracker.tracker import packed

HERE = "192.0.2.1"


@pytest.fixture
def ids():
    return ConnectionIds()


@pytest.mark.parametrize("host", [HERE, "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"])
@pytest.mark.parametrize("second", [0, 5, 65_530, 10**7])
def test_good_for_two_minutes_and_not_longer(ids, host, second):
    connection = ids.issue(host, second)
    assert len(connection) == 8
    for _ in range(2):  # the second time it is remembered
        assert ids.source(host, connection, second) == packed(host)
        assert ids.source(host, connection, second + 120) == packed(host)
    assert ids.source(host, connection, second + 121) is None


def test_not_from_the_future_and_not_after_18_hours(ids):
    connection = ids.issue(HERE, 1000)
    assert ids.source(HERE, connection, 999) is None
    assert ids.source(HERE, connection, 1000 + 65_536) is None


def test_good_for_one_address_only(ids):
    connection = ids.issue(HERE, 100)
    for other in ("192.0.2.2", "2001:db8::1"):
        assert ids.source(other, connection, 100) is None
    assert ids.source(HERE, connection, 100) == packed(HERE)
    assert ids.source("192.0.2.2", connection, 100) is None


def test_cannot_be_made_without_the_key(ids):
    assert ids.source(HERE, ConnectionIds().issue(HERE, 100), 100) is None
    connection = ids.issue(HERE, 100)
    for place in range(8):
        for bit in range(8):
            forged = bytearray(connection)
            forged[place] ^= 1 << bit
            assert ids.source(HERE, bytes(forged), 100) is None


def test_two_ids_of_one_address_are_both_good(ids):
    first, second = ids.issue(HERE, 100), ids.issue(HERE, 110)
    assert first != second
    for connection in (first, second, first):
        assert ids.source(HERE, connection, 120) == packed(HERE)


def test_what_is_remembered_is_bounded(ids, monkeypatch):
    monkeypatch.setattr(connection_ids, "KNOWN", 10)
    for number in range(100):
        host = f"192.0.2.{number}"
        assert ids.source(host, ids.issue(host, 1), 1)
        assert len(ids._known) <= 10


def test_a_known_source_costs_about_a_microsecond_at_most(ids):
    connection = ids.issue(HERE, 1)
    best = 1.0
    for _ in range(20):
        begin = time.perf_counter()
        for _ in range(1000):
            ids.source(HERE, connection, 1)
        best = min(best, time.perf_counter() - begin)
    assert best / 1000 < 2e-6

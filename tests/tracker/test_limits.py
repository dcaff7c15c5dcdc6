from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.tracker.limits import ConnectionCount, RateLimit
from gotorrent.tracker.networks import Networks
from gotorrent.wire.compact import pack_host

NONE = Networks("")
ONE, TWO = pack_host("192.0.2.1"), pack_host("192.0.2.2")


def served(limit, packed, count, now):
    return sum(not limit.wait(packed, now) for _ in range(count))


class TestRate:
    def test_the_burst_then_the_rate(self):
        limit = RateLimit(10, 5, NONE)
        assert served(limit, ONE, 100, 0.0) == 5
        assert served(limit, ONE, 100, 0.0999) == 0
        assert served(limit, ONE, 100, 0.1) == 1
        assert served(limit, ONE, 100, 0.3) == 2
        assert served(limit, ONE, 100, 1000.0) == 5

    def test_the_wait_that_is_named_is_enough_and_not_too_long(self):
        limit = RateLimit(0.1, 2, NONE)
        assert served(limit, ONE, 3, 0.0) == 2
        wait = limit.wait(ONE, 4.0)
        assert wait == pytest.approx(6.0)
        assert limit.wait(ONE, 4.0 + wait * 0.99) > 0
        assert limit.wait(ONE, 4.0 + wait) == 0
        assert limit.explain(wait) == (
            "too many requests from your address: at most 0.1 a second, 2 at once; the next is answered in 6 s"
        )

    def test_asking_too_often_does_not_lengthen_the_wait(self):
        limit = RateLimit(1, 1, NONE)
        assert served(limit, ONE, 1000, 0.0) == 1
        assert limit.wait(ONE, 1.0) == 0

    def test_each_address_has_its_own_and_an_ipv6_host_one_for_its_64(self):
        limit = RateLimit(1, 3, NONE)
        assert (served(limit, ONE, 9, 0), served(limit, TWO, 9, 0)) == (3, 3)
        hosts = [pack_host(f"2001:db8:0:1::{number:x}") for number in range(9)]
        assert sum(served(limit, host, 1, 0) for host in hosts) == 3
        assert served(limit, pack_host("2001:db8:0:2::1"), 9, 0) == 3

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "fd00::5"])
    def test_off_for_loopback_and_trusted_networks(self, host):
        limit = RateLimit(1, 1, Networks("10.0.0.0/8 fd00::/8"))
        assert served(limit, pack_host(host), 50, 0) == 50
        assert len(limit) == 0
        assert served(limit, ONE, 50, 0) == 1

    def test_0_is_no_limit(self):
        assert served(RateLimit(0, 1, NONE), ONE, 50, 0) == 50

    def test_memory_is_bounded_whatever_comes(self):
        limit = RateLimit(0.001, 1, NONE, max_addresses=100)
        for number in range(10_000):
            limit.wait(number.to_bytes(4, "big"), 0)
            assert len(limit) <= 100

    def test_a_busy_address_is_remembered_while_others_flood(self):
        limit = RateLimit(0.001, 1, NONE, max_addresses=100)
        assert limit.wait(ONE, 0) == 0
        for number in range(1000):
            limit.wait(number.to_bytes(4, "big"), 0)
            assert limit.wait(ONE, 0) > 0

    def test_what_is_full_is_forgotten(self):
        limit = RateLimit(10, 10, NONE)
        for number in range(50):
            limit.wait(number.to_bytes(4, "big"), 0)
        limit.wait(ONE, 1.5)
        limit.wait(ONE, 3.0)
        assert len(limit) == 1

    @given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5), st.sampled_from([0.5, 1.0, 4.0]))
    def test_never_more_than_a_bucket_holds(self, pauses, burst, rate):
        limit, now, tokens = RateLimit(rate, burst, NONE), 0.0, float(burst)
        for pause in pauses:
            now += pause
            tokens = min(burst, tokens + pause * rate)
            if abs(tokens - 1) < 1e-5:
                return
            allowed = limit.wait(ONE, now) == 0
            assert allowed is (tokens > 1)
            tokens -= allowed


class TestConnections:
    def test_at_the_limit_and_one_past_it(self):
        count = ConnectionCount(3, NONE)
        assert [count.enter(ONE) for _ in range(5)] == [True, True, True, False, False]
        assert count.enter(TWO)
        count.leave(ONE)
        assert [count.enter(ONE), count.enter(ONE)] == [True, False]

    def test_nothing_is_kept_of_those_who_left(self):
        count = ConnectionCount(3, NONE)
        for packed in (ONE, ONE, TWO):
            count.enter(packed)
        for packed in (ONE, ONE, TWO, TWO):
            count.leave(packed)
        assert len(count) == 0

    def test_off_for_loopback_trusted_networks_and_unix_sockets(self):
        count = ConnectionCount(1, Networks("192.0.2.1"))
        for packed in (ONE, pack_host("127.0.0.1"), pack_host("::1"), b""):
            assert all(count.enter(packed) for _ in range(9))
            count.leave(packed)
        assert len(count) == 0

    def test_an_ipv6_host_is_its_64(self):
        count = ConnectionCount(2, NONE)
        assert [count.enter(pack_host(f"2001:db8::{number}")) for number in range(3)] == [True, True, False]

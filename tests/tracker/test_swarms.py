from __future__ import annotations

import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.store import COMPLETED, STOPPED
from gotorrent.tracker.swarms import Swarms, shares
from gotorrent.wire.compact import pack_peer, split_peers
from tests.tracker.store_contract import StoreContract, given, peer4, peer6, put, settle

MINUTES = 60


def name(number: int) -> bytes:
    return b"%020d" % number


class TestSwarms(StoreContract):
    @pytest.fixture
    def make(self):
        return lambda **values: Swarms(TrackerConfig(**values))


@pytest.mark.parametrize(
    ("want", "first", "second", "expected"),
    [
        (50, 100, 100, (25, 25)),
        (50, 3, 100, (3, 47)),
        (50, 100, 3, (47, 3)),
        (50, 3, 4, (3, 4)),
        (1, 9, 9, (1, 0)),
        (1, 0, 9, (0, 1)),
        (0, 9, 9, (0, 0)),
        (5, 0, 0, (0, 0)),
    ],
)
def test_shares(want, first, second, expected):
    assert shares(want, first, second) == expected


class TestMemory:
    def test_a_tracker_full_of_one_swarm_refuses_new_peers_and_serves_known_ones(self):
        swarms = Swarms(TrackerConfig(max_peers=3))
        for number in range(3):
            put(swarms, peer4(number))
        with pytest.raises(TrackerError, match="full: it keeps 3 peers"):
            put(swarms, peer4(3))
        assert swarms.totals()[:3] == (1, 0, 3)
        assert len(given(put(swarms, peer4(0), COMPLETED, seed=True))) == 2
        put(swarms, peer4(1), STOPPED)
        assert len(given(put(swarms, peer4(3)))) == 2

    def test_a_new_swarm_waits_on_probation_until_its_second_announce_or_address(self):
        swarms = Swarms(TrackerConfig(max_peers=1000))
        put(swarms, peer4(1), torrent=name(1))
        put(swarms, peer4(2), torrent=name(2))
        put(swarms, peer4(2), torrent=name(2))
        put(swarms, peer4(3), torrent=name(3))
        put(swarms, peer6(4), torrent=name(3))
        assert list(swarms._probation._entries) == [name(1)]
        assert swarms.totals()[:3] == (3, 0, 4)

    def test_probation_may_take_a_quarter_and_the_busiest_maker_loses_its_oldest(self):
        swarms = Swarms(TrackerConfig(max_peers=100))
        put(swarms, peer4(1), torrent=name(1))
        put(swarms, peer4(1), torrent=name(2))
        for number in range(100, 200):
            put(swarms, peer4(9), torrent=name(number))
        assert swarms.totals().torrents == 25
        assert swarms.scrape([name(1), name(2), name(100), name(199)]) == [(0, 0, 1), (0, 0, 1), (0, 0, 0), (0, 0, 1)]

    def test_all_addresses_of_one_ipv6_network_are_one_maker(self):
        swarms = Swarms(TrackerConfig(max_peers=100))
        put(swarms, peer4(1), torrent=name(1))
        put(swarms, pack_peer("2001:db8:1:1::1", 1), torrent=name(2))
        for number in range(100, 200):
            put(swarms, pack_peer(f"2001:db8:2:2:{number}::{number}", 1), torrent=name(number))
        assert swarms.scrape([name(1), name(2)]) == [(0, 0, 1)] * 2

    def test_who_needs_room_takes_it_from_probation_first(self):
        swarms = Swarms(TrackerConfig(max_peers=8))
        for number in range(6):
            put(swarms, peer4(number), torrent=name(1))
        put(swarms, peer4(1), torrent=name(2))
        put(swarms, peer4(1), torrent=name(3))
        put(swarms, peer4(6), torrent=name(1))
        assert swarms.scrape([name(1), name(2), name(3)]) == [(0, 0, 7), (0, 0, 0), (0, 0, 1)]

    def test_and_then_from_the_swarm_announced_least_recently(self):
        swarms = Swarms(TrackerConfig(max_peers=6))
        for number in range(3):
            for peer in range(2):
                put(swarms, peer4(peer), torrent=name(number), now=number * 100)
        put(swarms, peer4(0), torrent=name(0), now=300)
        put(swarms, peer4(2), torrent=name(0), now=300)
        assert swarms.scrape([name(0), name(1), name(2)]) == [(0, 0, 3), (0, 0, 0), (0, 0, 2)]

    @pytest.mark.parametrize("makers", [1, 7, 100_000])
    def test_a_flood_of_invented_torrents_does_not_push_out_honest_ones(self, makers):
        cap = 2000
        swarms = Swarms(TrackerConfig(max_peers=cap))
        for number in range(100):
            for peer in range(15):
                put(swarms, peer4(peer), torrent=name(number), now=0)
        now = 29 * MINUTES
        for number in range(10_000):
            put(
                swarms,
                pack_peer(f"172.16.{number % makers % 256}.{number % makers // 256}", 1),
                torrent=name(10**9 + number),
                now=now,
            )
            if number % 500 == 0:
                swarms.sweep(now)
        totals = swarms.totals()
        assert totals.seeds + totals.leechers <= cap
        assert swarms.scrape([name(number) for number in range(100)]) == [(0, 0, 15)] * 100

    def test_download_counts_are_bounded_too(self):
        swarms = Swarms(TrackerConfig(max_peers=4))
        for number in range(9):
            put(swarms, peer4(1), torrent=name(number))
            put(swarms, peer4(1), COMPLETED, seed=True, torrent=name(number))
            put(swarms, peer4(1), STOPPED, torrent=name(number))
        assert len(swarms._downloaded) == 4

    def test_download_counts_survive_a_restart(self):
        swarms = Swarms(TrackerConfig())
        put(swarms, peer4(1))
        put(swarms, peer4(1), COMPLETED, seed=True)
        again = Swarms(TrackerConfig())
        again.restore(swarms.downloads())
        assert again.totals().downloaded == 1
        put(again, peer4(2))
        assert put(again, peer4(2), COMPLETED, seed=True)[2] == 2
        assert again.totals().downloaded == 2

    def test_start_and_stop_in_ever_new_swarms_does_not_grow(self):
        swarms = Swarms(TrackerConfig())
        for number in range(1000):
            put(swarms, peer4(1), torrent=name(number))
            put(swarms, peer4(1), STOPPED, torrent=name(number))
        assert swarms.totals().torrents == 0


class TestTime:
    @pytest.mark.parametrize("jump", [5000, 7000, 10_000, 10**7])
    def test_a_clock_that_jumped_over_many_ticks(self, jump):
        swarms = Swarms(TrackerConfig())
        for number in range(3):
            put(swarms, peer4(number))
        settle(swarms, 10)
        settle(swarms, jump)
        assert swarms.totals()[:3] == (0, 0, 0)

    def test_a_round_goes_over_all_swarms_in_steps(self):
        swarms = Swarms(TrackerConfig())
        for number in range(3000):
            for _ in range(2):
                put(swarms, peer4(number), torrent=name(number))
        settle(swarms, 10)
        swarms.sweep(5000)
        assert swarms.totals().torrents == 2000
        settle(swarms, 5000)
        assert swarms.totals().torrents == 0

    def test_the_interval_grows_with_the_load(self, monkeypatch):
        monkeypatch.setattr("gotorrent.tracker.store.TRACKER_RATE", 10)
        swarms = Swarms(TrackerConfig())
        for number in range(700):
            put(swarms, peer4(number), torrent=name(number // 10))
        assert put(swarms, peer4(0))[3] == 60
        swarms.sweep(1)
        assert put(swarms, peer4(0))[3] == 70


def test_an_announce_in_a_large_swarm_costs_what_it_costs_in_a_small_one():
    def cost(count):
        swarms = Swarms(TrackerConfig())
        for number in range(count):
            put(swarms, peer4(number), want=0)
        best = 1e9
        for _ in range(5):
            start = time.perf_counter()
            for number in range(100):
                put(swarms, peer4(number % count))
            best = min(best, time.perf_counter() - start)
        return best

    assert cost(60_000) < 5 * cost(100)


class Model(RuleBasedStateMachine):
    """Swarms against plain dictionaries, with time-outs. A tick has 27 seconds."""

    def __init__(self):
        super().__init__()
        self.swarms = Swarms(TrackerConfig(max_peers=10**6))
        self.known: dict[tuple[bytes, bytes], tuple[bool, int]] = {}
        self.now = 0

    @rule(torrent=st.sampled_from([b"a" * 20, b"b" * 20]), number=st.integers(0, 80), six=st.booleans(), seed=st.booleans())
    def comes(self, torrent, number, six, seed):
        peer = peer6(number) if six else peer4(number)
        found = put(self.swarms, peer, torrent=torrent, seed=seed, now=self.now, want=5)
        self.known[torrent, peer] = (seed, self.now)
        got = given(found)
        assert peer not in got and len(set(got)) == len(got) <= 5
        for other in got:
            assert (torrent, other) in self.known
            assert not (seed and self.known[torrent, other][0])

    @rule(first=st.integers(0, 80), count=st.integers(0, 80), seed=st.booleans(), stop=st.booleans())
    def many(self, first, count, seed, stop):
        for number in range(first, first + count):
            peer = peer4(number)
            put(self.swarms, peer, STOPPED if stop else 0, seed, torrent=b"a" * 20, now=self.now)
            self.known[b"a" * 20, peer] = (seed, self.now)
            if stop:
                del self.known[b"a" * 20, peer]

    @rule(torrent=st.sampled_from([b"a" * 20, b"b" * 20]), number=st.integers(0, 80), six=st.booleans())
    def goes(self, torrent, number, six):
        peer = peer6(number) if six else peer4(number)
        put(self.swarms, peer, STOPPED, torrent=torrent, now=self.now)
        self.known.pop((torrent, peer), None)

    @rule(ticks=st.integers(1, 40))
    def waits(self, ticks):
        self.now += ticks * 27
        settle(self.swarms, self.now)
        self.known = {key: value for key, value in self.known.items() if value[1] // 27 + 67 >= self.now // 27}

    @invariant()
    def counts_agree(self):
        totals = self.swarms.totals()
        assert totals.seeds == sum(seed for seed, _ in self.known.values())
        assert totals.leechers == sum(not seed for seed, _ in self.known.values())

    @invariant()
    def buffers_are_in_step(self):
        for swarm in self.swarms._swarms.values():
            for peers in filter(None, (swarm.peers4, swarm.peers6)):
                compact = split_peers(bytes(peers.compact), peers.size)
                assert len(peers.ages) == len(compact) == len(set(compact)) >= peers.seeds >= 0
                assert len(compact) < 64 if peers.index is None else len(compact) >= 32
                if peers.index is not None:
                    assert {peer: place for place, peer in enumerate(compact)} == peers.index


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase

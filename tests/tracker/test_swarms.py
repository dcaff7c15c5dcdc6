from __future__ import annotations

import random
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.swarms import Peers, Swarms, shares
from gotorrent.wire.compact import PEER4, PEER6, pack_peer, split_peers

TORRENT = bytes(20)
TIMEOUT = 180


def peer4(number: int) -> bytes:
    return pack_peer(f"192.0.{number >> 8}.{number & 255}", 6881)


def peer6(number: int) -> bytes:
    return pack_peer(f"2001:db8::{number:x}", 6881)


def name(number: int) -> bytes:
    return b"%020d" % number


def put(swarms, peer, event=b"", seed=False, want=50, now=0.0, torrent=TORRENT, peer_id=bytes(20)):
    return swarms.announce(torrent, peer, peer_id, event, seed, want, now)


def both(answer):
    return split_peers(answer.peers4, PEER4) + split_peers(answer.peers6, PEER6)


@pytest.fixture
def swarms():
    return Swarms(TrackerConfig(peer_timeout=TIMEOUT, max_peers=1000))


class TestSample:
    def filled(self, count):
        peers = Peers(PEER4)
        for number in range(count):
            peers.put(peer4(number), name(number), 0)
        return peers

    @pytest.mark.parametrize("want", [1, 2, 9, 10, 11, 100])
    def test_gives_as_many_as_wanted_or_all_without_the_asker_and_none_twice(self, want):
        peers = self.filled(10)
        for asker in [peer4(0), peer4(5), peer4(9), peer4(77)]:
            others = {peer4(number) for number in range(10)} - {asker}
            for _ in range(50):
                got = split_peers(peers.sample(want, asker), PEER4)
                assert len(got) == len(set(got)) == min(want, len(others))
                assert set(got) <= others

    def test_everybody_is_chosen_about_equally_often(self):
        random.seed(7)
        peers = self.filled(20)
        seen = dict.fromkeys((peer4(number) for number in range(20)), 0)
        for _ in range(4000):
            for peer in split_peers(peers.sample(5, b""), PEER4):
                seen[peer] += 1
        assert min(seen.values()) > 800 and max(seen.values()) < 1200

    @pytest.mark.parametrize("want", [0, -1])
    def test_nobody_wanted_nobody_given(self, want):
        assert self.filled(3).sample(want, b"") == b""

    def test_alone(self):
        assert self.filled(1).sample(50, peer4(0)) == b""
        assert Peers(PEER4).sample(50, peer4(0)) == b""


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


def test_a_leecher_gets_seeds_and_leechers_of_both_families(swarms):
    put(swarms, peer4(1), seed=True)
    put(swarms, peer6(1), seed=True)
    put(swarms, peer4(2))
    put(swarms, peer6(2))
    everybody = {peer4(1), peer6(1), peer4(2), peer6(2)}
    for asker in [peer4(3), peer6(3)]:
        assert set(both(put(swarms, asker))) == everybody
        put(swarms, asker, event=b"stopped")


def test_a_seed_gets_no_seeds(swarms):
    put(swarms, peer4(1), seed=True)
    put(swarms, peer4(2))
    answer = put(swarms, peer4(3), seed=True)
    assert both(answer) == [peer4(2)]
    assert (answer.complete, answer.incomplete) == (2, 1)


def test_stopped_removes_and_gets_nobody(swarms):
    put(swarms, peer4(1))
    put(swarms, peer4(2))
    answer = put(swarms, peer4(2), event=b"stopped")
    assert both(answer) == []
    assert answer.incomplete == 1
    assert both(put(swarms, peer4(3))) == [peer4(1)]


def test_stopped_of_somebody_unknown_makes_no_swarm(swarms):
    put(swarms, peer4(1), event=b"stopped")
    assert swarms.totals().torrents == 0


def test_only_its_own_address_and_port_removes_a_peer(swarms):
    victim = pack_peer("192.0.2.1", 6881)
    put(swarms, victim, peer_id=name(1))
    put(swarms, pack_peer("192.0.2.9", 6881), event=b"stopped", peer_id=name(1))
    put(swarms, pack_peer("192.0.2.1", 6882), event=b"stopped", peer_id=name(1))
    assert both(put(swarms, peer4(5))) == [victim]


def test_completed_moves_a_leecher_to_the_seeds_and_counts_once(swarms):
    put(swarms, peer4(1))
    for _ in range(3):
        answer = put(swarms, peer4(1), event=b"completed", seed=True)
    assert (answer.complete, answer.incomplete, answer.downloaded) == (1, 0, 1)
    assert swarms.scrape(TORRENT) == (1, 1, 0)
    assert swarms.totals().downloaded == 1


def test_a_seed_that_comes_as_a_seed_is_no_download(swarms):
    assert put(swarms, peer4(1), event=b"started", seed=True).downloaded == 0


def test_the_download_count_outlives_the_swarm(swarms):
    put(swarms, peer4(1))
    put(swarms, peer4(1), event=b"completed", seed=True)
    put(swarms, peer4(1), event=b"stopped", seed=True)
    swarms.sweep(1)
    assert swarms.totals().torrents == 0
    assert swarms.scrape(TORRENT) == (0, 1, 0)


def test_torrents_are_kept_apart(swarms):
    put(swarms, peer4(1), torrent=b"a" * 20)
    assert both(put(swarms, peer4(2), torrent=b"b" * 20)) == []
    assert swarms.totals().torrents == 2


def test_a_peer_is_remembered_until_the_time_out_and_then_forgotten(swarms):
    put(swarms, peer4(1), now=10.9)
    assert both(put(swarms, peer4(2), now=10.9 + TIMEOUT)) == [peer4(1)]
    assert both(put(swarms, peer4(2), now=10.9 + TIMEOUT + 2)) == []


def test_announcing_again_keeps_a_peer(swarms):
    put(swarms, peer4(1), now=0)
    put(swarms, peer4(1), now=100)
    assert both(put(swarms, peer4(2), now=TIMEOUT + 50)) == [peer4(1)]


def test_sweep_forgets_what_nobody_announces_to(swarms):
    for number in range(100):
        put(swarms, peer4(number), torrent=b"%020d" % (number % 10), now=number % 2 * 1000)
    swarms.sweep(1000)
    assert swarms.totals()[:3] == (5, 0, 50)
    swarms.sweep(3000)
    swarms.sweep(3000)
    assert swarms.totals()[:3] == (0, 0, 0)


def test_small_sweeps_get_through_a_large_swarm_that_is_busy(swarms):
    for number in range(900):
        put(swarms, peer4(number), seed=number % 2 == 0, now=0)
    put(swarms, peer4(1000), torrent=b"z" * 20, now=0)
    for step in range(200):
        put(swarms, peer4(2000), want=1, now=1000 + step)
        swarms.sweep(1000 + step, budget=10)
    assert swarms.totals()[:3] == (1, 0, 1)


def test_announces_alone_forget_the_dead_of_other_swarms():
    swarms = Swarms(TrackerConfig(peer_timeout=TIMEOUT))
    for number in range(200):
        put(swarms, peer4(number), torrent=name(number), now=0)
    for step in range(200):
        put(swarms, peer4(1), torrent=b"z" * 20, now=1000 + step)
    assert swarms.totals().torrents == 1


def test_start_and_stop_in_ever_new_swarms_does_not_grow():
    swarms = Swarms(TrackerConfig())
    for number in range(1000):
        put(swarms, peer4(1), torrent=name(number))
        put(swarms, peer4(1), torrent=name(number), event=b"stopped")
    assert swarms.totals().torrents < 10


def test_a_full_tracker_refuses_new_peers_and_serves_known_ones():
    swarms = Swarms(TrackerConfig(max_peers=3))
    for number in range(3):
        put(swarms, peer4(number))
    with pytest.raises(TrackerError, match="full: it keeps 3 peers"):
        put(swarms, peer4(3))
    with pytest.raises(TrackerError, match="full"):
        put(swarms, peer4(3), torrent=b"new torrent" + bytes(9))
    assert swarms.totals()[:3] == (1, 0, 3)
    assert len(both(put(swarms, peer4(0), event=b"completed", seed=True))) == 2
    put(swarms, peer4(1), event=b"stopped")
    assert len(both(put(swarms, peer4(3)))) == 2


def test_download_counts_are_bounded_too():
    swarms = Swarms(TrackerConfig(max_peers=2))
    for number in range(5):
        put(swarms, peer4(1), torrent=name(number), event=b"completed", seed=True)
        put(swarms, peer4(1), torrent=name(number), event=b"stopped")
    assert swarms.totals().downloaded == 2


def test_peer_ids_follow_their_peers(swarms):
    for number in range(5):
        put(swarms, peer4(number), peer_id=name(number))
    put(swarms, peer4(1), event=b"stopped")
    assert swarms.peer_id(TORRENT, peer4(4)) == name(4)
    assert swarms.peer_id(TORRENT, peer4(1)) is None
    assert swarms.peer_id(b"x" * 20, peer4(4)) is None


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
    """Swarms against plain dictionaries, with time-outs."""

    def __init__(self):
        super().__init__()
        self.swarms = Swarms(TrackerConfig(peer_timeout=10, max_peers=10**6))
        self.known: dict[tuple[bytes, bytes], tuple[bool, int]] = {}
        self.now = 0

    @rule(torrent=st.sampled_from([b"a" * 20, b"b" * 20]), number=st.integers(0, 12), six=st.booleans(), seed=st.booleans())
    def comes(self, torrent, number, six, seed):
        peer = peer6(number) if six else peer4(number)
        answer = put(self.swarms, peer, torrent=torrent, seed=seed, now=self.now, want=5)
        self.known[torrent, peer] = (seed, self.now)
        got = both(answer)
        assert peer not in got and len(set(got)) == len(got) <= 5
        for other in got:
            assert (torrent, other) in self.known
            assert not (seed and self.known[torrent, other][0])

    @rule(torrent=st.sampled_from([b"a" * 20, b"b" * 20]), number=st.integers(0, 12), six=st.booleans())
    def goes(self, torrent, number, six):
        peer = peer6(number) if six else peer4(number)
        put(self.swarms, peer, torrent=torrent, event=b"stopped", now=self.now)
        self.known.pop((torrent, peer), None)

    @rule(seconds=st.integers(1, 6))
    def waits(self, seconds):
        self.now += seconds
        self.swarms.sweep(self.now)
        self.swarms.sweep(self.now)  # the first may finish a round that was begun earlier
        self.swarms.sweep(self.now)
        self.known = {key: value for key, value in self.known.items() if value[1] >= self.now - 10}

    @invariant()
    def counts_agree(self):
        totals = self.swarms.totals()
        alive = [value for value in self.known.values() if value[1] >= self.now - 10]
        assert totals.seeds == sum(seed for seed, _ in alive)
        assert totals.leechers == sum(not seed for seed, _ in alive)

    @invariant()
    def buffers_are_in_step(self):
        for swarm in self.swarms._swarms.values():
            for peers in swarm.seeds + swarm.leechers:
                compact = split_peers(bytes(peers.compact), peers.size)
                assert {peer: place for place, peer in enumerate(compact)} == peers.index
                assert len(peers.ids) == 20 * len(peers.seen) == 20 * len(compact)


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase

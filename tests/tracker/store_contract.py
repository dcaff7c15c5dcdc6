"""What every store of the tracker must do, whatever keeps it: the tests of `gotorrent.tracker.store.Store`.

A test module makes a class of `StoreContract` and gives it a fixture `make`: settings of `TrackerConfig` in, an empty store out.
Time is injected: `make` may only be called once per test, and the store must follow the `now` it is given.
"""

from __future__ import annotations

import pytest

from gotorrent.tracker.store import COMPLETED, NONE, STARTED, STOPPED
from gotorrent.wire.compact import PEER4, PEER6, pack_peer, split_peers

TORRENT = bytes(range(20))
OTHER = b"o" * 20
TIMEOUT = 1800  # the default


def peer4(number: int) -> bytes:
    return pack_peer(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 6881)


def peer6(number: int) -> bytes:
    return pack_peer(f"2001:db8::{number:x}", 6881)


def put(store, peer, event=NONE, seed=False, want=50, both=True, now=0.0, torrent=TORRENT):
    return store.announce(torrent, peer, event, seed, want, both, now)


def given(found):
    """Every peer of an answer, in a list."""
    return split_peers(bytes(found[4]), PEER4) + split_peers(bytes(found[5]), PEER6)


def settle(store, now):
    """Sweep until nothing changes: a store may do its work in steps."""
    for _ in range(8):
        store.sweep(now)


class StoreContract:
    """Inherit it with a fixture `make` that gives a function from settings to an empty store."""

    @pytest.fixture
    def store(self, make):
        return make()

    def test_the_first_is_alone(self, store):
        assert put(store, peer4(1), STARTED) == (0, 1, 0, 60, b"", b"")

    def test_the_second_meets_the_first(self, store):
        put(store, peer4(1), STARTED)
        assert put(store, peer4(2), STARTED, seed=True) == (1, 1, 0, 60, peer4(1), b"")

    def test_both_families_meet_whoever_asks(self, store):
        put(store, peer4(1), seed=True)
        put(store, peer6(1), seed=True)
        put(store, peer4(2))
        put(store, peer6(2))
        everybody = {peer4(1), peer6(1), peer4(2), peer6(2)}
        for asker in (peer4(3), peer6(3)):
            assert set(given(put(store, asker))) == everybody
            put(store, asker, STOPPED)

    def test_only_the_own_family_where_both_are_of_no_use(self, store):
        put(store, peer4(1))
        put(store, peer6(1))
        put(store, peer4(2))
        put(store, peer6(2))
        assert put(store, peer4(3), both=False)[4:] in ((peer4(1) + peer4(2), b""), (peer4(2) + peer4(1), b""))
        assert put(store, peer6(3), both=False)[4:] in ((b"", peer6(1) + peer6(2)), (b"", peer6(2) + peer6(1)))

    def test_counts_are_of_both_families_always(self, store):
        put(store, peer4(1), seed=True)
        put(store, peer6(1))
        assert put(store, peer4(2), both=False)[:2] == (1, 2)

    def test_a_seed_gets_no_seeds(self, store):
        put(store, peer4(1), seed=True)
        put(store, peer4(2))
        assert given(put(store, peer4(3), seed=True)) == [peer4(2)]

    def test_nobody_gets_himself(self, store):
        for number in range(5):
            put(store, peer4(number), seed=number == 0)
        for _ in range(20):
            assert peer4(3) not in given(put(store, peer4(3), want=4))

    @pytest.mark.parametrize("want", [0, 1, 7, 50, 200])
    @pytest.mark.parametrize("seeds", [0, 10, 150])
    def test_at_most_as_many_as_wanted_and_none_twice(self, store, want, seeds):
        for number in range(150):
            put(store, peer4(number), seed=number < seeds, want=0)
            put(store, peer6(number), seed=number < seeds, want=0)
        for asker in (peer4(149), peer6(149), peer4(777)):
            for both in (True, False):
                found = given(put(store, asker, want=want, both=both, seed=seeds == 150))
                assert len(found) == len(set(found)) <= want
                if seeds < 150:
                    assert len(found) >= min(want, 148)
                assert asker not in found
            put(store, peer4(777), STOPPED)

    def test_few_seeds_are_given_and_the_rest_filled_up_with_leechers(self, store):
        for number in range(100):
            put(store, peer4(number), seed=number < 3, want=0)
        found = given(put(store, peer4(99), want=20))
        assert len(found) == 20 and {peer4(0), peer4(1), peer4(2)} <= set(found)

    def test_chosen_at_random(self, store):
        for number in range(100):
            put(store, peer4(number), want=0)
        seen = set()
        for _ in range(200):
            seen |= set(given(put(store, peer4(0), want=5)))
        assert len(seen) > 90

    def test_stopped_removes_and_gets_nobody(self, store):
        put(store, peer4(1))
        put(store, peer4(2))
        assert put(store, peer4(2), STOPPED) == (0, 1, 0, 60, b"", b"")
        assert given(put(store, peer4(3))) == [peer4(1)]

    def test_stopped_of_somebody_unknown_changes_nothing(self, store):
        assert put(store, peer4(1), STOPPED)[:2] == (0, 0)
        assert store.totals().torrents == 0
        put(store, peer4(1))
        assert put(store, peer4(2), STOPPED)[:2] == (0, 1)

    def test_only_its_own_address_and_port_removes_a_peer(self, store):
        put(store, peer4(1))
        put(store, pack_peer("10.0.0.1", 6882), STOPPED)
        put(store, peer4(2), STOPPED)
        assert given(put(store, peer4(5))) == [peer4(1)]

    def test_the_same_peer_again_is_one_peer(self, store):
        for _ in range(3):
            found = put(store, peer4(1))
        assert found[:2] == (0, 1)

    def test_completed_moves_a_leecher_to_the_seeds_and_counts_once(self, store):
        put(store, peer4(1))
        put(store, peer4(2))
        for _ in range(3):
            found = put(store, peer4(1), COMPLETED, seed=True)
        assert found[:3] == (1, 1, 1)
        assert store.scrape([TORRENT]) == [(1, 1, 1)]
        assert store.totals() == (1, 1, 1, 1)

    def test_completed_with_something_left_is_no_download(self, store):
        put(store, peer4(1))
        assert put(store, peer4(1), COMPLETED)[:3] == (0, 1, 0)

    def test_a_seed_may_become_a_leecher(self, store):
        put(store, peer4(1), seed=True)
        put(store, peer4(2), seed=True)
        assert put(store, peer4(1))[:2] == (1, 1)

    def test_the_download_count_outlives_the_swarm(self, store):
        put(store, peer4(1))
        put(store, peer4(1), COMPLETED, seed=True)
        put(store, peer4(1), STOPPED, seed=True)
        settle(store, 1e6)
        assert store.scrape([TORRENT]) == [(0, 1, 0)]
        assert store.torrents(10) == []

    def test_torrents_are_kept_apart(self, store):
        put(store, peer4(1))
        assert given(put(store, peer4(2), torrent=OTHER)) == []
        assert store.scrape([OTHER, b"u" * 20, TORRENT]) == [(0, 0, 1), (0, 0, 0), (0, 0, 1)]
        assert store.totals().torrents == 2

    def test_scraping_makes_no_swarm(self, store):
        store.scrape([TORRENT])
        assert store.totals().torrents == 0

    def test_a_peer_is_remembered_for_its_time_out_and_then_forgotten(self, store):
        put(store, peer4(1), now=10)
        put(store, peer4(2), now=10)
        put(store, peer4(2), now=1000)
        for step in range(20):
            settle(store, 1000 + step * 40)
        assert set(given(put(store, peer4(3), now=10 + TIMEOUT))) == {peer4(1), peer4(2)}
        settle(store, 10 + TIMEOUT + 100)
        assert given(put(store, peer4(3), now=10 + TIMEOUT + 100)) == [peer4(2)]

    def test_a_swarm_of_one_that_is_silent_is_forgotten(self, store):
        put(store, peer4(1))
        put(store, peer6(1), torrent=OTHER)
        put(store, peer6(1), torrent=OTHER)
        settle(store, 10)
        assert store.totals().torrents == 2
        settle(store, TIMEOUT + 100)
        assert store.totals()[:3] == (0, 0, 0)

    def test_the_interval_grows_with_the_swarm(self, make):
        store = make(announce_interval=60)
        for number in range(610):
            found = put(store, peer4(number), want=0)
        assert found[3] == 61

    def test_torrents_for_the_dashboard(self, store):
        for number in range(5):
            for peer in range(2):
                put(store, peer4(peer), torrent=bytes([number]) * 20, now=number * 100, seed=peer == 0)
        shown = store.torrents(3)
        assert [torrent.info_hash[0] for torrent in shown] == [4, 3, 2]
        assert shown[0][1:] == (1, 1, 0)
        assert len(store.torrents(50)) == 5

    def test_peers_for_the_dashboard(self, store):
        assert store.peers(TORRENT, 10) == (b"", b"", b"", b"")
        put(store, peer6(1))
        assert store.peers(TORRENT, 10) == (b"", b"", b"", peer6(1))
        put(store, peer4(1), seed=True)
        put(store, peer4(2))
        assert store.peers(TORRENT, 10) == (peer4(1), b"", peer4(2), peer6(1))
        for number in range(20):
            put(store, peer4(number))
        assert len(store.peers(TORRENT, 10)[2]) == 10 * PEER4

    def test_many_swarms_come_and_go(self, store):
        for number in range(300):
            torrent = b"%020d" % number
            put(store, peer4(number), torrent=torrent)
            put(store, peer4(number + 1), torrent=torrent)
            put(store, peer4(number), STOPPED, torrent=torrent)
            put(store, peer4(number + 1), STOPPED, torrent=torrent)
        settle(store, 1e6)
        assert store.totals() == (0, 0, 0, 0)

"""What the tracker remembers for its page: rates from counters, and the largest torrents."""

from __future__ import annotations

from gotorrent.tracker.stats import CANDIDATES, FRESH, LOOKED_AT, History, Largest, Point
from gotorrent.tracker.store import Torrent


class TestHistory:
    def test_rates_are_differences_per_second_of_both_families_together(self):
        history = History(step=5)
        for now, announces in [(100, (0, 0, 10, 0)), (105, (20, 30, 10, 0)), (110, (20, 30, 20, 40))]:
            history.record(now, announces)
        assert history.points(112) == [Point(7, 10, 0), Point(2, 0, 10)]

    def test_nothing_is_known_before_the_first_step_has_passed(self):
        history = History(step=5)
        assert history.points(0) == []
        history.record(0, (7, 7, 7, 7))
        history.record(4.9, (9, 9, 9, 9))
        assert history.points(4.9) == []

    def test_what_comes_more_often_than_a_step_is_not_kept(self):
        history = History(step=5)
        for tick in range(21):
            history.record(tick / 2, (tick, 0, 0, 0))
        assert history.points(10) == [Point(5, 2, 0), Point(0, 2, 0)]

    def test_a_gap_is_one_long_step(self):
        history = History(step=5)
        history.record(0, (0, 0, 0, 0))
        history.record(50, (100, 0, 50, 0))
        assert history.points(50) == [Point(0, 2, 1)]

    def test_the_oldest_are_forgotten(self):
        history = History(step=1, points=4)
        for now in range(1000):
            history.record(now, (now, 0, 0, 0))
        assert [point.age for point in history.points(999)] == [2, 1, 0]


class FakeStore:
    """Torrents of given sizes; the ones announced last are set by hand."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.last = list(sizes)
        self.asked = 0

    def torrents(self, limit):
        self.asked += 1
        assert limit == LOOKED_AT
        return [Torrent(each, 1, self.sizes[each] - 1, 7) for each in self.last[:limit] if self.sizes[each]]

    def scrape(self, info_hashes):
        return [(1, 7, self.sizes[each] - 1) if self.sizes[each] else (0, 7, 0) for each in info_hashes]


def torrent(number):
    return number.to_bytes(20, "big")


class TestLargest:
    def test_the_largest_come_first_with_their_numbers_of_now(self):
        store = FakeStore({torrent(number): number for number in range(1, 100)})
        largest = Largest()
        assert largest.torrents(store, 2, 0) == [Torrent(torrent(99), 1, 98, 7), Torrent(torrent(98), 1, 97, 7)]
        store.sizes[torrent(1)] = 1000
        assert largest.torrents(store, 1, FRESH) == [Torrent(torrent(1), 1, 999, 7)]

    def test_a_large_one_is_remembered_when_others_announced_after_it(self):
        store = FakeStore({torrent(number): number for number in range(1, 2000)})
        largest = Largest()
        for now in range(10):  # each look sees other torrents
            store.last = [torrent(number) for number in range(now * 199 + 1, now * 199 + 200)]
            shown = largest.torrents(store, 10, now * FRESH)
        assert [each.info_hash for each in shown] == [torrent(number) for number in range(1990, 1980, -1)]
        store.last = [torrent(1)]
        assert largest.torrents(store, 10, 100) == shown
        assert len(largest._known) == CANDIDATES

    def test_an_empty_one_is_not_shown(self):
        store = FakeStore({torrent(1): 5, torrent(2): 3})
        largest = Largest()
        assert len(largest.torrents(store, 10, 0)) == 2
        store.sizes[torrent(1)] = 0
        assert [each.info_hash for each in largest.torrents(store, 10, 10)] == [torrent(2)]

    def test_many_who_ask_cost_one_look(self):
        store = FakeStore({torrent(1): 5})
        largest = Largest()
        for _ in range(100):
            largest.torrents(store, 10, 7.0)
        assert store.asked == 1

    def test_nothing_is_there(self):
        assert Largest().torrents(FakeStore({}), 10, 0) == []

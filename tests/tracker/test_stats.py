"""What the tracker remembers for its page: rates from counters, the last events, the largest torrents."""

from __future__ import annotations

from random import Random

from gotorrent.metainfo.metainfo import InfoHash
from gotorrent.tracker.stats import COMPLETED, STARTED, Event, Events, History, Largest, Point, Row


def torrent(number: int) -> InfoHash:
    return InfoHash(number.to_bytes(20, "big"))


class TestHistory:
    def test_rates_are_differences_per_second(self):
        history = History(step=5)
        for now, http, udp in [(100, 0, 10), (105, 50, 10), (110, 50, 60)]:
            history.record(now, http, udp)
        assert history.points(112) == [Point(7, 10, 0), Point(2, 0, 10)]

    def test_nothing_is_known_before_the_first_step_has_passed(self):
        history = History(step=5)
        assert history.points(0) == []
        history.record(0, 7, 7)
        history.record(4.9, 9, 9)
        assert history.points(4.9) == []

    def test_what_comes_more_often_than_a_step_is_not_kept(self):
        history = History(step=5)
        for tick in range(21):
            history.record(tick / 2, tick, 0)
        assert history.points(10) == [Point(5, 2, 0), Point(0, 2, 0)]

    def test_a_gap_is_one_long_step(self):
        history = History(step=5)
        history.record(0, 0, 0)
        history.record(50, 100, 50)
        assert history.points(50) == [Point(0, 2, 1)]

    def test_the_oldest_are_forgotten(self):
        history = History(step=1, points=4)
        for now in range(1000):
            history.record(now, now, 0)
        assert [point.age for point in history.points(999)] == [2, 1, 0]


def test_events_are_a_bounded_ring_newest_first():
    events = Events(size=3)
    assert events.latest(5) == []
    for at in range(10):
        events.add(Event(at, STARTED if at % 2 else COMPLETED, torrent(at), b"", b"", False, False))
    assert [event.at for event in events.latest(5)] == [9, 8, 7]
    assert [event.at for event in events.latest(2)] == [9, 8]
    assert events.latest(0) == []


class TestLargest:
    def test_the_largest_of_many_are_found_however_they_grow(self):
        sizes = {torrent(number): number // 3 for number in range(1, 1000)}
        largest = Largest(candidates=32)
        announces = [info_hash for info_hash, size in sizes.items() for _ in range(size)]
        Random(1).shuffle(announces)
        now: dict[InfoHash, int] = {}
        for info_hash in announces:
            now[info_hash] = now.get(info_hash, 0) + 1
            largest.offer(info_hash, now[info_hash])
            assert len(largest._sizes) <= 32
        for info_hash in sizes:  # a round in which each torrent announces once more
            largest.offer(info_hash, sizes[info_hash])
        rows = largest.rows(10, lambda hashes: [(1, 7, sizes[each] - 1) for each in hashes])
        assert rows[0] == Row(torrent(999), 1, 7, 332)
        assert [row.seeds + row.leechers for row in rows] == sorted(sizes.values(), reverse=True)[:10]

    def test_those_that_shrank_make_room(self):
        sizes = {torrent(number): 100 for number in range(8)}
        largest = Largest(candidates=4)

        def scrape(hashes):
            return [(sizes[each], 0, 0) for each in hashes]

        for info_hash, size in sizes.items():
            largest.offer(info_hash, size)
        assert len(largest.rows(10, scrape)) >= 2
        sizes = dict.fromkeys(sizes, 0)
        assert largest.rows(10, scrape) == []
        sizes[torrent(7)] = 1
        largest.offer(torrent(7), 1)
        assert [row.info_hash for row in largest.rows(10, scrape)] == [torrent(7)]

    def test_nothing_was_offered(self):
        assert Largest().rows(10, lambda hashes: [(0, 0, 0) for _ in hashes]) == []

"""What only the Redis store must do: several trackers on one swarm set, and a Redis that goes away. The rest: test_store.py."""

from __future__ import annotations

import logging
import signal
import threading
import time

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError, UsageError
from gotorrent.tracker import redis_store
from gotorrent.tracker.redis_store import RedisStore
from gotorrent.tracker.store import COMPLETED, NONE, STARTED, STOPPED
from gotorrent.wire.compact import PEER4, pack_peer, split_peers
from tests.tracker.redis_server import RedisServer
from tests.tracker.store_contract import StoreContract
from tests.waiting import wait_until

HASH, OTHER = b"\x11" * 20, b"\r\n\x00:*{}" + bytes(range(13))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def open_store(server):
    """Open one more store on the same Redis, which is empty at first."""
    opened = []

    def one(**settings):
        opened.append(RedisStore(TrackerConfig(**settings), server.url))
        return opened[-1]

    one()._redis.flushall()
    yield one
    for store in opened:
        store.close()


def say(store, number, info_hash=HASH, event=NONE, seed=False, want=50, both=True, host="192.0.2.1", now=0.0):
    peer = pack_peer(host, number)
    return store.announce(info_hash, peer, event, seed, want, both, now)


class TestContract(StoreContract):
    @pytest.fixture
    def make(self, open_store):
        return open_store


class TestShared:
    def test_what_one_is_told_the_other_knows(self, open_store):
        first, second = open_store(), open_store()
        say(first, 1, seed=True)
        say(first, 2, host="2001:db8::1")
        seeds, leechers, _, _, peers4, peers6 = say(second, 3)
        assert (seeds, leechers) == (1, 2)
        assert (peers4, peers6) == (pack_peer("192.0.2.1", 1), pack_peer("2001:db8::1", 2))
        assert say(second, 1, event=STOPPED)[:2] == (0, 2)
        assert first.totals() == second.totals() == (1, 0, 2, 0)

    def test_binary_info_hashes(self, open_store):
        store = open_store()
        say(store, 1, info_hash=OTHER, seed=True, event=COMPLETED)
        assert store.scrape([HASH, OTHER]) == [(0, 0, 0), (1, 1, 0)]
        assert [torrent.info_hash for torrent in store.torrents(5)] == [OTHER]
        assert store.peers(OTHER, 5) == (pack_peer("192.0.2.1", 1), b"", b"", b"")

    def test_one_round_trip_per_announce(self, open_store):
        store = open_store()
        say(store, 1)
        before = store._redis.info("stats")["total_commands_processed"]
        count = store._redis.info("commandstats")["cmdstat_evalsha"]["calls"]
        for number in range(1, 101):
            say(store, number)
        info = store._redis.info("commandstats")
        assert info["cmdstat_evalsha"]["calls"] == count + 100
        assert "cmdstat_script" not in info or info["cmdstat_script|load"]["calls"] <= 20
        assert store._redis.info("stats")["total_commands_processed"] > before

    def test_trackers_whose_clocks_differ_mean_the_same_time(self, open_store):
        first, second = open_store(peer_timeout=180), open_store(peer_timeout=180)
        say(first, 1, now=0.0)
        assert say(second, 2, now=1e6)[1] == 2
        assert say(first, 3, now=178.0)[1] == 3
        assert say(first, 3, now=183.0)[1] == 1

    def test_a_large_swarm_gives_random_peers(self, open_store):
        store = open_store(max_peers=100_000)
        for number in range(1, 1501):
            say(store, number, want=0, seed=number % 3 == 0)
        seen = set()
        for _ in range(60):
            seeds, leechers, *_, peers4, _ = say(store, 1, want=200)
            found = split_peers(bytes(peers4), PEER4)
            assert len(found) == len(set(found)) == 200
            assert pack_peer("192.0.2.1", 1) not in found
            seen.update(found)
        assert (seeds, leechers) == (500, 1000)
        assert len(seen) > 1400
        assert store.totals() == (1, 500, 1000, 0)

    def test_totals_stay_right_whatever_happens(self, open_store):
        now = 0.0
        store = open_store(peer_timeout=180)
        for number in range(1, 300):
            now += 3
            kind = number % 7
            say(
                store,
                1 + number % 40,
                info_hash=bytes([number % 5]) * 20,
                seed=kind in (1, 2),
                event=(STOPPED if kind == 6 else COMPLETED if kind == 2 else STARTED),
                host="192.0.2.1" if number % 2 else "2001:db8::1",
                now=now,
            )
            store.sweep(now)
        hashes = [bytes([number]) * 20 for number in range(5)]
        counts = store.scrape(hashes)
        totals = store.totals()
        assert (totals.seeds, totals.leechers) == (sum(row[0] for row in counts), sum(row[2] for row in counts))
        assert totals.downloaded == sum(row[1] for row in counts) > 0
        now += 4000
        store.sweep(now)
        assert store.totals() == (0, 0, 0, totals.downloaded)
        assert sorted(store._redis.keys()) == [b"gotorrent:completed", b"gotorrent:totals"]

    def test_expiry_is_bounded(self, open_store, monkeypatch):
        monkeypatch.setitem(redis_store._SCRIPT_CONSTANTS, "EXPIRE", "10")
        monkeypatch.setitem(redis_store._SCRIPT_CONSTANTS, "SWEEP", "2")
        store = open_store()
        for number in range(1, 26):
            say(store, number, want=0)
        for number in range(5):
            say(store, 1, info_hash=bytes([number]) * 20)
        now = 10_000.0
        assert [say(store, 100, want=0, now=now)[1] for _ in range(3)] == [16, 6, 1]
        for left in (4, 2, 1, 1):
            store.sweep(now)
            assert store.totals().torrents == left

    def test_over_the_cap_new_peers_are_refused_and_known_ones_are_not(self, open_store):
        store = open_store(max_peers=3)
        for number in (1, 2, 3):
            say(store, number)
        with pytest.raises(TrackerError, match="full: it keeps 3 peers"):
            say(store, 4)
        assert say(store, 2, seed=True)[:2] == (1, 2)
        say(store, 1, event=STOPPED)
        say(store, 4)


class TestAway:
    @pytest.fixture
    def other(self, tmp_path):
        with RedisServer(tmp_path) as running:
            yield running

    @pytest.fixture
    def store(self, other):
        opened = RedisStore(TrackerConfig(), other.url)
        yield opened
        opened.close()

    def refused(self, store):
        with pytest.raises(TrackerError, match="cannot reach its memory") as caught:
            say(store, 1)
        return caught.value.retry_after == redis_store.RETRY_SECONDS

    def test_killed_and_started_again(self, other, store, caplog):
        say(store, 1)
        other.kill()
        for _ in range(20):
            assert self.refused(store)
        store.sweep(time.monotonic())
        other.start()

        def answers():
            try:
                return say(store, 2)
            except TrackerError:
                return None

        wait_until(answers, 10)
        assert say(store, 3)[1] == 2
        said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(said) == 2 and "does not do its work" in said[0] and "works again" in said[1]

    def test_one_that_hangs_holds_nobody_long_and_most_not_at_all(self, other, store):
        say(store, 1)
        other.signal(signal.SIGSTOP)
        try:
            waits = []

            def ask():
                started = time.monotonic()
                assert self.refused(store)
                waits.append(time.monotonic() - started)

            for _ in range(3):
                threads = [threading.Thread(target=ask) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            assert max(waits) < redis_store.ANSWER_SECONDS + 1
            assert sorted(waits)[-10] < 0.2, "only the first eight, and one that tries, may wait"
        finally:
            other.signal(signal.SIGCONT)
        wait_until(lambda: self.works(store), 10)

    def works(self, store):
        try:
            return say(store, 1)
        except TrackerError:
            return False

    def test_one_that_was_never_there(self, other, tmp_path):
        other.kill()
        lonely = RedisStore(TrackerConfig(), other.url)
        assert self.refused(lonely)
        with pytest.raises(TrackerError):
            lonely.totals()
        lonely.close()

    def test_one_without_room(self, other, store):
        say(store, 1)
        store._redis.config_set("maxmemory", "1")
        assert self.refused(store)
        store._redis.config_set("maxmemory", "0")
        wait_until(lambda: self.works(store), 10)


class TestUrl:
    @pytest.mark.parametrize(
        ("url", "place"),
        [
            ("redis://localhost", "localhost:6379"),
            ("redis://user:secret@localhost:7000/3", "localhost:7000/3"),
            ("rediss://[::1]:7000", "::1:7000"),
        ],
    )
    def test_what_is_shown_of_it_is_not_the_password(self, url, place):
        pytest.importorskip("redis")
        store = RedisStore(TrackerConfig(), url)
        assert store.place == place
        store.close()

    @pytest.mark.parametrize(
        "url", ["redis://", "http://localhost", "localhost:6379", "redis://h:99999", "redis://h/x", "redis://[::1"]
    )
    def test_what_is_none(self, url):
        pytest.importorskip("redis")
        with pytest.raises(UsageError, match="-store must be memory or redis://"):
            RedisStore(TrackerConfig(), url)

    def test_without_the_package(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "redis", None)
        with pytest.raises(UsageError, match="pip install redis"):
            RedisStore(TrackerConfig(), "redis://localhost")

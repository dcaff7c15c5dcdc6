from __future__ import annotations

import random

import pytest

from gotorrent.tracker.peers import INDEX_FROM, Peers, Peers6
from gotorrent.wire.compact import PEER4, pack_peer, split_peers


def peer(number: int) -> bytes:
    return pack_peer(f"10.0.{number >> 8}.{number & 255}", 6881)


def filled(leechers: int, seeds: int = 0) -> Peers:
    """Seeds come first: peers 0, 1, ..."""
    peers = Peers()
    for number in range(seeds + leechers):
        peers.add(peer(number), number < seeds, 0)
    return peers


@pytest.mark.parametrize("want", [0, 1, 2, 9, 10, 11, 100])
@pytest.mark.parametrize("count", [1, 10, 63, 64, 200])
def test_as_many_as_wanted_or_all_without_the_asker_and_none_twice(count, want):
    peers = filled(count)
    for asker in {0, count // 2, count - 1}:
        others = {peer(number) for number in range(count)} - {peer(asker)}
        for _ in range(30):
            got = split_peers(bytes(peers.sample(want, False, asker)), PEER4)
            assert len(got) == len(set(got)) == min(want, len(others))
            assert set(got) <= others
        got = split_peers(bytes(peers.sample(want, False, -1)), PEER4)
        assert len(got) == len(set(got)) == min(want, count)


@pytest.mark.parametrize(("want", "of_seeds"), [(20, 3), (4, 2), (5, 3), (1, 1), (200, 3)])
def test_half_seeds_and_the_rest_filled_up(want, of_seeds):
    peers = filled(100, seeds=3)
    seeds = {peer(number) for number in range(3)}
    got = set(split_peers(bytes(peers.sample(want, False, 50)), PEER4))
    assert len(got & seeds) == of_seeds and len(got) == min(want, 102)


def test_few_leechers_are_filled_up_with_seeds():
    peers = filled(3, seeds=100)
    got = set(split_peers(bytes(peers.sample(20, False, 101)), PEER4))
    assert len(got) == 20 and {peer(100), peer(102)} <= got


def test_a_seed_gets_leechers_only():
    peers = filled(30, seeds=30)
    assert set(split_peers(bytes(peers.sample(50, True, 3)), PEER4)) == {peer(number) for number in range(30, 60)}
    assert filled(0, seeds=3).sample(50, True, 0) == b""


def test_everybody_is_given_equally_often_over_all_who_ask():
    random.seed(7)
    peers = filled(20)
    seen = dict.fromkeys((peer(number) for number in range(20)), 0)
    for turn in range(4000):
        for other in split_peers(bytes(peers.sample(5, False, turn % 20)), PEER4):
            seen[other] += 1
    assert min(seen.values()) > 850 and max(seen.values()) < 1150


def test_the_index_comes_with_many_peers_and_goes_with_few():
    peers = filled(INDEX_FROM - 1)
    assert peers.index is None
    peers.add(peer(INDEX_FROM - 1), False, 0)
    assert peers.index is not None
    while len(peers) >= INDEX_FROM // 2:
        assert peers.find(peer(0)) >= 0
        peers.remove(peers.find(peer(len(peers) - 1)))
    assert peers.index is None and peers.find(peer(0)) >= 0


def test_bytes_that_span_two_peers_are_no_peer():
    peers = Peers()
    for start in (1, 7, 4):
        peers.add(bytes((number - 1) % 9 + 1 for number in range(start, start + 6)), False, 0)
    assert peers.find(bytes((4, 5, 6, 7, 8, 9))) == 2
    assert peers.find(bytes((2, 3, 4, 5, 6, 7))) == -1
    assert peers.find(bytes((3, 4, 5, 6, 7, 8))) == -1


@pytest.mark.parametrize("seeds", [0, 5, 10])
def test_expired_are_forgotten_whatever_their_place(seeds):
    peers = Peers()
    for number in range(100):
        peers.add(peer(number), number % 20 < seeds, number % 4)
    gone = peers.expire(bytes((1, 2)))
    assert sum(gone) == 50 == len(peers)
    left = set(split_peers(bytes(peers.compact), PEER4))
    assert left == {peer(number) for number in range(100) if number % 4 in (0, 3)}
    seeds_left = peers.seeds
    assert peers.expire(bytes(range(256))) == (seeds_left, 50 - seeds_left)
    assert len(peers) == 0


def test_ipv6_peers_have_18_bytes():
    peers = Peers6()
    for number in range(100):
        peers.add(pack_peer(f"2001:db8::{number:x}", 1), False, 0)
    assert len(peers.sample(7, False, 3)) == 7 * 18

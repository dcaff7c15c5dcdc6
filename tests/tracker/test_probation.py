from __future__ import annotations

import time

from gotorrent.tracker.probation import Probation
from gotorrent.wire.compact import pack_peer


def name(number: int) -> bytes:
    return b"%020d" % number


def waiting(probation: Probation) -> set[int]:
    return {int(info_hash) for info_hash in probation.newest(10**6)}


def test_kept_until_taken():
    probation = Probation()
    peer = pack_peer("192.0.2.1", 1)
    probation.add(name(1), peer, True, 7)
    assert name(1) in probation and len(probation) == probation.seeds == 1
    assert probation.get(name(1)) == probation.pop(name(1)) == (peer, True, 7)
    assert probation.pop(name(1)) is None
    assert len(probation) == probation.seeds == 0


def test_the_address_that_made_most_loses_its_oldest():
    probation = Probation()
    makers = {"192.0.2.1": range(2), "192.0.2.2": range(10, 15), "2001:db8::1": range(20, 22), "2001:db8::2": range(30, 32)}
    for host, numbers in makers.items():
        for number in numbers:
            probation.add(name(number), pack_peer(host, 1), False, 0)
    left = {number for numbers in makers.values() for number in numbers}
    for gone in (10, 11, 20, 21):  # 5 of 192.0.2.2; 2 + 2 of one IPv6 network
        probation.evict()
        left.discard(gone)
    assert len(waiting(probation)) == len(left)
    assert {0, 1, 14} <= waiting(probation)


def test_one_eviction_after_the_other_until_none_is_left():
    probation = Probation()
    for number in range(1000):
        probation.add(name(number), pack_peer(f"192.0.2.{number % 7}", 1), False, 0)
    for number in range(0, 1000, 3):
        probation.pop(name(number))
    while len(probation):
        before = len(probation)
        probation.evict()
        assert len(probation) < before
    probation.evict()
    assert (probation._made, probation._ranks, probation._most) == ({}, {}, 0)


def test_expiry_begins_with_the_oldest_and_is_bounded():
    probation = Probation()
    for number in range(10):
        probation.add(name(number), pack_peer("192.0.2.1", 1), False, (250 + number) & 255)
    probation.expire(253, 10)
    assert waiting(probation) == set(range(3, 10))
    probation.expire(253 + 7, 2)
    assert waiting(probation) == set(range(5, 10))
    probation.expire(253 + 7, 100)
    assert waiting(probation) == set()


def test_a_flood_costs_the_same_however_many_are_waiting():
    def cost(held: int, makers: int) -> float:
        probation = Probation()
        for number in range(held):
            probation.add(name(number), pack_peer(f"10.{number % makers >> 8 & 255}.{number % makers & 255}.1", 1), False, 0)
        begin = time.perf_counter()
        for number in range(held, held + 2000):
            if len(probation) >= held:
                probation.evict()
            probation.add(name(number), pack_peer(f"10.{number % makers >> 8 & 255}.{number % makers & 255}.1", 1), False, 0)
        return time.perf_counter() - begin

    for makers in (1, 10**5):
        assert cost(50_000, makers) < 10 * cost(500, makers)

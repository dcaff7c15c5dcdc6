"""Whom to dial, when again, and whom never more."""

from __future__ import annotations

from gotorrent.swarm import peer_pool
from gotorrent.swarm.peer_pool import FIRST_RETRY, LAST_RETRY, MAX_KNOWN, PeerPool, is_private


def test_each_address_is_handed_out_once_until_it_ended() -> None:
    pool = PeerPool()
    pool.add([("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.1", 1), ("192.0.2.9", 0)])
    assert sorted(pool.due(0.0, 10)) == [("192.0.2.1", 1), ("192.0.2.1", 2)]
    assert pool.due(1e9, 10) == []
    assert pool.next_due() == float("inf")


def test_a_failing_address_is_dialled_later_and_later() -> None:
    pool = PeerPool()
    pool.add([("192.0.2.1", 1)])
    now, waits = 0.0, []
    for _ in range(12):
        assert pool.due(now, 1)
        pool.ended(("192.0.2.1", 1), now, worked=False)
        waits.append(pool.next_due() - now)
        assert not pool.due(pool.next_due() - 0.001, 1)
        now = pool.next_due()
    assert waits[:3] == [2 * FIRST_RETRY, 4 * FIRST_RETRY, 8 * FIRST_RETRY]
    assert waits[-1] == LAST_RETRY
    pool.due(now, 1)
    pool.ended(("192.0.2.1", 1), now, worked=True)
    assert pool.next_due() - now == FIRST_RETRY


def test_those_that_failed_least_come_first() -> None:
    pool = PeerPool()
    pool.add([("192.0.2.1", 1), ("192.0.2.2", 2)])
    pool.due(0.0, 2)
    pool.ended(("192.0.2.1", 1), 0.0, worked=False)
    pool.ended(("192.0.2.2", 2), 0.0, worked=True)
    assert pool.due(1e6, 1) == [("192.0.2.2", 2)]


def test_a_ban_hits_a_public_host_whole_but_one_peer_of_a_private_one() -> None:
    pool = PeerPool()
    pool.add([("8.8.8.8", 1), ("8.8.8.8", 2), ("192.168.1.2", 1), ("192.168.1.2", 2)])
    pool.ban(("8.8.8.8", 1), b"a")
    pool.ban(("192.168.1.2", 1), b"a")
    assert pool.due(0.0, 9) == [("192.168.1.2", 2)]
    assert pool.is_banned(("8.8.8.8", 77), b"other")
    assert pool.is_banned(("192.168.1.2", 77), b"a")
    assert not pool.is_banned(("192.168.1.2", 77), b"other")


def test_a_useless_address_is_never_dialled_again() -> None:
    pool = PeerPool()
    pool.add([("192.0.2.1", 1)])
    pool.due(0.0, 1)
    pool.ended(("192.0.2.1", 1), 0.0, worked=True, useless=True)
    pool.ended(("192.0.2.1", 1), 0.0, worked=True)
    pool.add([("192.0.2.1", 1)])
    assert pool.due(1e9, 1) == []
    assert pool.count == 0


def test_a_full_pool_forgets_the_worst_for_new_ones_but_never_a_good_one() -> None:
    pool = PeerPool()
    pool.add((f"10.0.{n >> 8}.{n & 255}", 1) for n in range(MAX_KNOWN + 50))
    assert pool.count == MAX_KNOWN
    pool.add([("192.0.2.1", 1)])
    assert ("192.0.2.1", 1) not in pool.due(0.0, MAX_KNOWN)
    pool.ended(("10.0.0.1", 1), 0.0, worked=False)
    pool.ended(("10.0.0.2", 1), 0.0, worked=True, useless=True)
    pool.add([("192.0.2.1", 1)])
    assert pool.due(0.0, MAX_KNOWN) == [("192.0.2.1", 1)], "it took the place of the useless one"
    pool.add([("192.0.2.2", 1), ("192.0.2.3", 1)])
    assert pool.due(0.0, MAX_KNOWN) == [("192.0.2.2", 1)], "it took the place of the one that failed"


def test_an_endless_list_is_read_only_so_far() -> None:
    def endless() -> object:
        number = 0
        while True:
            number += 1
            yield ("192.0.2.1", number % 65535 + 1)

    pool = PeerPool()
    pool.add(endless())  # type: ignore[arg-type]
    assert pool.count == peer_pool.MAX_KNOWN


def test_private_addresses() -> None:
    for host in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.1.1", "::1", "fe80::1", "fd00::1"):
        assert is_private(host), host
    for host in ("8.8.8.8", "172.32.0.1", "2600::1", "example.org", ""):
        assert not is_private(host), host

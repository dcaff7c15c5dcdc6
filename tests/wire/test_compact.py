from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import CompactError
from gotorrent.wire.compact import (
    PEER4,
    PEER6,
    is_loopback,
    pack_host,
    pack_peer,
    split_peers,
    unpack_host,
    unpack_peer,
    unpack_peers,
)


def test_ipv4_peer_is_six_bytes_in_network_order():
    assert pack_peer("192.0.2.7", 6881) == bytes([192, 0, 2, 7, 0x1A, 0xE1])
    assert unpack_peer(bytes([192, 0, 2, 7, 0x1A, 0xE1])) == ("192.0.2.7", 6881)


def test_ipv6_peer_is_eighteen_bytes():
    packed = pack_peer("2001:db8::7", 443)
    assert packed == bytes.fromhex("20010db8000000000000000000000007 01bb")
    assert unpack_peer(packed) == ("2001:db8::7", 443)


def test_an_ipv4_address_in_ipv6_clothes_becomes_ipv4_both_ways():
    assert pack_host("::ffff:192.0.2.7") == bytes([192, 0, 2, 7])
    assert unpack_host(bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7])) == "192.0.2.7"


def test_a_zone_is_dropped():
    assert unpack_host(pack_host("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(
    "host", ["", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "::g", "1:2", "%eth0", ":", "01.2.3.4"]
)
def test_what_is_no_address_is_refused(host):
    with pytest.raises(CompactError, match="is not an IPv4 or IPv6 address"):
        pack_host(host)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_ports_out_of_range_are_refused(port):
    with pytest.raises(CompactError, match="not between 1 and 65535"):
        pack_peer("192.0.2.7", port)


@pytest.mark.parametrize("port", [1, 65535])
def test_ports_at_the_limits(port):
    assert unpack_peer(pack_peer("192.0.2.7", port)) == ("192.0.2.7", port)


@pytest.mark.parametrize("size", [PEER4, PEER6])
def test_left_over_bytes_are_refused_and_whole_ones_are_not(size):
    two = bytes(range(1, 2 * size + 1))
    assert split_peers(two, size) == [two[:size], two[size:]]
    assert split_peers(b"", size) == []
    for length in [1, size - 1, size + 1, 2 * size - 1]:
        with pytest.raises(CompactError, match="not a multiple"):
            split_peers(two[:length], size)


def test_peers_with_port_zero_are_left_out():
    data = pack_host("192.0.2.1") + b"\0\0" + pack_peer("192.0.2.2", 256)
    assert unpack_peers(data, PEER4) == [("192.0.2.2", 256)]


@pytest.mark.parametrize("length", [0, 1, 3, 5, 15, 17])
def test_addresses_of_other_lengths_are_refused(length):
    with pytest.raises(CompactError):
        unpack_host(bytes(length))


@given(st.ip_addresses(), st.integers(1, 65535))
def test_round_trip(address, port):
    packed = pack_peer(str(address), port)
    host = getattr(address, "ipv4_mapped", None) or address
    assert unpack_peer(packed) == (str(host), port)
    assert unpack_peers(packed * 3, len(packed)) == [(str(host), port)] * 3


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("128.0.0.1", False), ("::1", True), ("::2", False), ("::ffff:127.0.0.1", True)],
)
def test_loopback(host, loopback):
    assert is_loopback(pack_peer(host, 1)) is loopback
    assert is_loopback(pack_host(host)) is loopback

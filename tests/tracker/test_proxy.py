from __future__ import annotations

import pytest

from gotorrent.errors import TrackerError
from gotorrent.tracker.networks import Networks
from gotorrent.tracker.proxy import MAX_HOPS, ReverseProxies
from gotorrent.wire.compact import pack_host

OURS = "127.0.0.1, 10.0.0.0/8, 2001:db8:1::/64"


def client(connected, forwarded, proxies=OURS):
    """Packed address of who asks; `connected` is the other end of the connection, "" on a Unix socket."""
    return ReverseProxies(Networks(proxies)).client(pack_host(connected) if connected else b"", forwarded)


@pytest.mark.parametrize(
    ("connected", "forwarded", "real"),
    [
        ("198.51.100.9", "", "198.51.100.9"),
        ("198.51.100.9", "203.0.113.66", "198.51.100.9"),  # no proxy of ours: forged
        ("2001:db8:2::9", "203.0.113.66", "2001:db8:2::9"),
        ("127.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("::ffff:127.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", "192.0.2.66, 203.0.113.1", "203.0.113.1"),  # what the client sent itself stands left
        ("127.0.0.1", "192.0.2.66,203.0.113.1 , 10.0.0.7", "203.0.113.1"),
        ("2001:db8:1::5", "203.0.113.1, 2001:db8:1::7, 10.1.1.1", "203.0.113.1"),
        ("127.0.0.1", "garbage, <script>, 203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", "203.0.113.1:50123", "203.0.113.1"),
        ("127.0.0.1", "2001:db8:2::1", "2001:db8:2::1"),
        ("127.0.0.1", "[2001:db8:2::1]", "2001:db8:2::1"),
        ("127.0.0.1", "[2001:db8:2::1]:443", "2001:db8:2::1"),
        ("127.0.0.1", '"[2001:db8:2::1]:443"', "2001:db8:2::1"),
        ("127.0.0.1", "::ffff:203.0.113.1", "::ffff:203.0.113.1"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),  # asked by a client on the proxy's own machine
        ("127.0.0.1", "10.0.0.3, 127.0.0.1", "10.0.0.3"),
    ],
)
def test_the_right_most_that_is_no_proxy_of_ours(connected, forwarded, real):
    assert client(connected, forwarded) == pack_host(real)


@pytest.mark.parametrize(
    "forwarded", ["", " ", ",", "203.0.113.1,", "203.0.113.1, unknown", "_hidden", "1.2.3", "[", "[::1", "[]:80", "a" * 9000]
)
def test_a_proxy_that_names_nobody_is_refused_and_never_taken_for_the_peer(forwarded):
    with pytest.raises(TrackerError, match="reverse proxy"):
        client("127.0.0.1", forwarded)


def test_without_a_proxy_nothing_is_believed():
    assert client("127.0.0.1", "203.0.113.1", "") == pack_host("127.0.0.1")
    assert client("", "203.0.113.1", "") == b""


def test_a_unix_socket_only_when_named():
    assert client("", "203.0.113.1", "unix") == pack_host("203.0.113.1")
    assert client("", "203.0.113.1", OURS) == b""
    assert client("127.0.0.1", "203.0.113.1", "unix") == pack_host("127.0.0.1")


def test_membership():
    proxies = ReverseProxies(Networks(OURS))
    assert pack_host("10.9.9.9") in proxies
    assert [source for source in (pack_host("11.0.0.1"), b"", "10.9.9.9", None) if source in proxies] == []


def test_a_long_chain_costs_no_more_than_its_right_end():
    forwarded = ",".join(["203.0.113.1"] + ["10.0.0.1"] * (MAX_HOPS - 1))
    assert client("127.0.0.1", forwarded) == pack_host("203.0.113.1")
    forwarded = ",".join(["203.0.113.1"] + ["10.0.0.1"] * (MAX_HOPS + 1000))
    assert client("127.0.0.1", forwarded) == pack_host("10.0.0.1")

from __future__ import annotations

import pytest

from gotorrent.errors import TrackerError
from gotorrent.tracker.networks import Networks
from gotorrent.tracker.proxy import MAX_HOPS, is_proxy, real_source

OURS = Networks("127.0.0.1, 10.0.0.0/8, 2001:db8:1::/64")


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
    assert real_source(connected, forwarded, OURS) == real


@pytest.mark.parametrize(
    "forwarded", ["", " ", ",", "203.0.113.1,", "203.0.113.1, unknown", "_hidden", "1.2.3", "[::1", "a" * 9000]
)
def test_a_proxy_that_names_nobody_is_refused_and_never_taken_for_the_peer(forwarded):
    if forwarded == "[::1":
        assert real_source("127.0.0.1", forwarded, OURS) == "::1"
        return
    with pytest.raises(TrackerError, match="reverse proxy"):
        real_source("127.0.0.1", forwarded, OURS)


def test_without_a_proxy_nothing_is_believed():
    for connected in ("127.0.0.1", "", "localhost"):
        assert real_source(connected, "203.0.113.1", Networks("")) == connected


@pytest.mark.parametrize("connected", ["", "localhost", "unix:"])
def test_a_unix_socket_only_when_named(connected):
    assert real_source(connected, "203.0.113.1", Networks("unix")) == "203.0.113.1"
    assert real_source(connected, "203.0.113.1", OURS) == connected
    assert not is_proxy(connected, OURS)


def test_a_long_chain_costs_no_more_than_its_right_end():
    forwarded = ",".join(["203.0.113.1"] + ["10.0.0.1"] * (MAX_HOPS - 1))
    assert real_source("127.0.0.1", forwarded, OURS) == "203.0.113.1"
    forwarded = ",".join(["203.0.113.1"] + ["10.0.0.1"] * (MAX_HOPS + 1000))
    assert real_source("127.0.0.1", forwarded, OURS) == "10.0.0.1"

from __future__ import annotations

import pytest

from gotorrent.errors import ConfigError
from gotorrent.tracker.networks import MAX_RANGES, Networks
from gotorrent.wire.compact import pack_host


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::ffff:11.0.0.0", "a00::"]),
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("2001:db8::/32, 192.0.2.0/31", ["2001:db8:ffff::1", "192.0.2.1"], ["2001:db7::", "2001:db9::", "192.0.2.2"]),
        ("::/0", ["::1", "2001:db8::"], ["127.0.0.1"]),
        ("0.0.0.0/0", ["1.2.3.4"], ["::1"]),
        ("loopback", ["127.0.0.1", "127.255.0.9", "::1"], ["128.0.0.1", "::2"]),
        (" private ,\n203.0.113.9", ["172.31.0.1", "fd12::1", "fe80::1", "203.0.113.9"], ["172.32.0.1", "100.64.0.1", "::1"]),
        ("", [], ["127.0.0.1", "::1"]),
    ],
)
def test_what_is_inside(text, inside, outside):
    networks = Networks(text)
    assert bool(networks) is bool(inside)
    assert [host for host in inside if pack_host(host) not in networks] == []
    assert [host for host in outside if pack_host(host) in networks] == []


def test_a_unix_socket_is_a_word_of_its_own():
    assert Networks("unix").unix and Networks("unix")
    assert not Networks("0.0.0.0/0").unix
    assert b"" not in Networks("unix, 0.0.0.0/0, ::/0")


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "10.0.0.0/33", "example.org", "10.0.0", "privat", "::1/129", "1.2.3.4-1.2.3.9", "é"]
)
def test_what_is_no_range_is_named_with_its_setting(text):
    with pytest.raises(ConfigError, match=r"tracker\.trusted_networks: .*is no range"):
        Networks(f"127.0.0.1 {text}", "trusted_networks")


def test_the_number_of_ranges_is_bounded():
    assert Networks("192.0.2.1 " * MAX_RANGES)
    with pytest.raises(ConfigError, match="1001 ranges"):
        Networks("192.0.2.1 " * (MAX_RANGES + 1))


def test_private_is_not_loopback():
    assert pack_host("127.0.0.1") not in Networks("private")

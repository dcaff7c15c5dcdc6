from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gotorrent import lan


class FakeSocket:
    """A UDP socket of a machine with the given address; None = no route."""

    addresses: dict

    def __init__(self, family, kind):
        self.address = self.addresses[family]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def connect(self, target):
        if self.address is None:
            raise OSError("Network is unreachable")

    def getsockname(self):
        return (self.address, 40000)


@pytest.mark.parametrize(
    ("four", "six", "expected"),
    [
        ("192.0.2.5", "2001:db8::5", ["192.0.2.5", "2001:db8::5"]),
        ("192.0.2.5", None, ["192.0.2.5"]),
        (None, None, []),
        ("127.0.0.1", "::1", []),
        ("169.254.3.4", "fe80::5%eth0", []),
        ("0.0.0.0", "::", []),
    ],
)
def test_addresses_that_others_can_reach(monkeypatch, four, six, expected):
    monkeypatch.setattr(FakeSocket, "addresses", {socket.AF_INET: four, socket.AF_INET6: six}, raising=False)
    monkeypatch.setattr(lan.socket, "socket", FakeSocket)
    assert lan.lan_addresses() == expected


def test_on_this_machine():
    for host in lan.lan_addresses():
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who holds a port")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_holder_of_a_port(host):
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        port = server.getsockname()[1]
        assert lan.port_holder(port).endswith(f"(process {os.getpid()})")
    assert lan.port_holder(port) is None

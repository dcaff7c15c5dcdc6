from __future__ import annotations

import socket

import pytest

from gotorrent.errors import PortBusyError, UsageError
from gotorrent.tracker.sockets import SAME_PORT, bind


def close(*lists):
    for sockets in lists:
        for sock in sockets:
            sock.close()


def ports(sockets):
    return {sock.getsockname()[1] for sock in sockets}


def test_tcp_and_udp_of_both_families_on_one_free_port():
    tcp, udp = bind("", 0, SAME_PORT)
    try:
        assert len(ports(tcp + udp)) == 1
        assert [sock.family for sock in tcp] == [sock.family for sock in udp] == [socket.AF_INET, socket.AF_INET6]
        assert {sock.type for sock in udp} == {socket.SOCK_DGRAM}
    finally:
        close(tcp, udp)


def test_no_udp_or_udp_elsewhere():
    tcp, udp = bind("127.0.0.1", 0, 0)
    close(tcp)
    assert udp == []
    other, _ = bind("127.0.0.1", 0, 0)
    wanted = other[0].getsockname()[1]
    close(other)
    tcp, udp = bind("127.0.0.1", 0, wanted)
    close(tcp, udp)
    assert len(udp) == 1


def test_all_or_none_when_the_udp_port_is_busy():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"port {port} is in use"):
            bind("127.0.0.1", port, SAME_PORT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))  # the TCP socket was not left open


@pytest.mark.parametrize("host", ["no.such.host.invalid", "1.2.3.4.5", "192.0.2.77"])
def test_an_address_that_is_not_ours(host):
    with pytest.raises(UsageError, match="cannot listen on"):
        bind(host, 0, SAME_PORT)

"""The sockets a tracker listens on: TCP and UDP, one of each per address family, all as asked for or none. No BEP rules it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from gotorrent.errors import PortBusyError, UsageError
from gotorrent.lan import port_holder

BACKLOG = 1024  # connections that wait to be accepted
SAME_PORT = -1  # UDP has the port of TCP
_ANY_PORT_TRIES = 20  # how often a free port is sought that all sockets can have

_Address = tuple[socket.AddressFamily, str]


def bind(host: str, port: int, udp_port: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Listening TCP sockets and UDP sockets for `host`, or for all addresses of both families ("").

    `port` 0 takes any free one, `udp_port` `SAME_PORT` the same for UDP, 0 means no UDP. A family that this system does not have
    is left out, unless none remains. Raises `PortBusyError` or `UsageError`.
    """
    addresses = _addresses(host, port)
    for tries_left in reversed(range(_ANY_PORT_TRIES if port == 0 else 1)):
        tcp: list[socket.socket] = []
        udp: list[socket.socket] = []
        wanted = port
        try:
            _bind_all(addresses, socket.SOCK_STREAM, wanted, tcp)
            if udp_port:
                wanted = tcp[0].getsockname()[1] if udp_port == SAME_PORT else udp_port
                _bind_all([(sock.family, sock.getsockname()[0]) for sock in tcp], socket.SOCK_DGRAM, wanted, udp)
            return tcp, udp
        except OSError as error:
            for sock in tcp + udp:
                sock.close()
            if error.errno != errno.EADDRINUSE or not tries_left:
                raise _explain(error, host, wanted) from error
    return [], []


def _addresses(host: str, port: int) -> list[_Address]:
    if not host:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]  # noqa: S104
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise UsageError(f"cannot listen on {host}: there is no such address") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bind_all(addresses: Sequence[_Address], kind: socket.SocketKind, port: int, sockets: list[socket.socket]) -> None:
    """Bind each address, the first free port for all where `port` is 0; what is bound is put into `sockets`, whatever happens."""
    for family, host in addresses:
        try:
            sockets.append(_bind_one(family, kind, host, sockets[0].getsockname()[1] if sockets else port))
        except OSError as error:
            last_hope = not sockets and (family, host) == addresses[-1]
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) or last_hope:
                raise


def _bind_one(family: socket.AddressFamily, kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if os.name == "posix" and kind == socket.SOCK_STREAM:  # elsewhere it would let two programs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _explain(error: OSError, host: str, port: int) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        return PortBusyError(f"port {port} is in use{by}: stop that program, or choose another port with -port")
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} needs administrator rights: choose one above 1023 with -port")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"cannot listen on {host}: it is no address of this machine")
    return UsageError(f"cannot listen on port {port}: {error.strerror}")

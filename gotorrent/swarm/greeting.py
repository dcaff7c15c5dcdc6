"""How a connection begins: the TCP connection and both handshakes, against a clock (BEP 3, "handshake").

Both have one deadline for the whole of it, however slowly bytes drip, and end early when the client stops.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

from gotorrent import system
from gotorrent.clock import Clock
from gotorrent.errors import PeerError
from gotorrent.wire.handshake import LENGTH, Handshake, check_prefix, decode

_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)

_SLICE = 0.5
"""Seconds between two looks at whether the client stops."""


def connect(address: tuple[str, int], timeout: float, clock: Clock, stopping: Callable[[], bool]) -> socket.socket:
    """A connected socket. OSError when there is none within `timeout` seconds, or when the client stops."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    deadline = clock.monotonic() + timeout
    try:
        sock.setblocking(False)
        error = sock.connect_ex(address)
        if error in _UNDER_WAY:
            while not system.wait_connected(sock, min(_SLICE, max(0.0, deadline - clock.monotonic()))):
                if stopping() or clock.monotonic() >= deadline:
                    raise TimeoutError("the peer does not answer")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise
    return sock


def read_handshake(sock: socket.socket, timeout: float, clock: Clock, stopping: Callable[[], bool]) -> Handshake:
    """The other side's 68 bytes. PeerError when they are not a handshake or not here within `timeout` seconds; OSError."""
    deadline = clock.monotonic() + timeout
    data = b""
    while len(data) < LENGTH:
        left = deadline - clock.monotonic()
        if left <= 0 or stopping():
            raise PeerError("the peer did not complete its handshake in time")
        sock.settimeout(min(_SLICE, left))
        try:
            more = sock.recv(LENGTH - len(data))
        except TimeoutError:
            continue
        if not more:
            raise PeerError("the peer closed the connection during the handshake")
        data += more
        check_prefix(data)
    return decode(data)

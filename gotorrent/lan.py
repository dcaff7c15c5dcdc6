"""This machine among its neighbours: its addresses, and who holds a port. No BEP rules it; no packet is sent.

What cannot be told is left out: no network gives no address, another system than Linux or another user's program no name.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

# Documentation addresses (RFC 5737, 3849): no host has them, so the route to them is the one to everywhere.
_FAR_AWAY = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_LISTENING = "0A"  # the state in /proc/net/tcp
_MAX_NAME = 40  # characters of a program's name that are shown


def lan_addresses() -> list[str]:
    """The addresses at which other machines probably reach this one, IPv4 first; empty without a network.

    The system is asked from which address it would send to a host far away: connecting a UDP socket chooses it, sending nothing.
    """
    found = []
    for family, target in _FAR_AWAY:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((target, 9))
                host = str(sock.getsockname()[0])
        except OSError:
            continue
        address = ipaddress.ip_address(host.partition("%")[0])
        if not (address.is_loopback or address.is_link_local or address.is_unspecified):
            found.append(host)
    return found


def port_holder(port: int) -> str | None:
    """Which program listens on TCP `port`, as "name (process 1234)"; None when it cannot be told."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink().name in sockets for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()[:_MAX_NAME]
                return f"{''.join(c if c.isprintable() else '?' for c in name)} (process {process.name})"
        except OSError:
            continue  # it has ended, or is somebody else's
    return None


def _listening_inodes(port: int) -> set[str]:
    """The inodes of the sockets that listen on `port`, from Linux's own tables."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes

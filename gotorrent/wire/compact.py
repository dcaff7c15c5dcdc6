"""Compact peers: an address and a port in 6 bytes (IPv4, BEP 23) or 18 bytes (IPv6, BEP 7).

Trackers, PEX and the DHT all hand out peers this way: 4 or 16 bytes of address, then 2 bytes of port, big-endian, end to end
with nothing between. It refuses lengths that are no multiple of 6 or 18, and names that are not numeric addresses: no name is
ever looked up here.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from gotorrent.errors import CompactError

PEER4 = 6  # bytes of one IPv4 peer
PEER6 = 18  # bytes of one IPv6 peer
LOOPBACK6 = IPv6Address("::1").packed


def pack_host(host: str) -> bytes:
    """4 or 16 bytes of a numeric address.

    A zone (`fe80::1%eth0`) is dropped. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`, as a socket of both families gives
    it) becomes plain IPv4, so that one peer has one form. Raises `CompactError` when `host` is not an address.
    """
    try:
        if ":" not in host:
            return IPv4Address(host).packed
        address = IPv6Address(host.partition("%")[0])
    except AddressValueError as error:
        raise CompactError(f"{host!r} is not an IPv4 or IPv6 address") from error
    return (address.ipv4_mapped or address).packed


def unpack_host(data: bytes) -> str:
    """The text of 4 or 16 bytes of address; `::ffff:192.0.2.1` becomes `192.0.2.1`. Raises `CompactError` on other lengths."""
    if len(data) == 4:
        return ".".join(map(str, data))
    if len(data) != 16:
        raise CompactError(f"an address has 4 or 16 bytes, not {len(data)}")
    address = IPv6Address(bytes(data))
    return str(address.ipv4_mapped or address)


def pack_peer(host: str, port: int) -> bytes:
    """One compact peer, 6 or 18 bytes. Raises `CompactError` unless `host` is an address and `port` is 1 to 65535."""
    if not 0 < port < 65536:
        raise CompactError(f"port {port} is not between 1 and 65535")
    return pack_host(host) + port.to_bytes(2, "big")


def unpack_peer(data: bytes) -> tuple[str, int]:
    """(host, port) of one compact peer of 6 or 18 bytes. Raises `CompactError` on other lengths."""
    return unpack_host(data[:-2]), int.from_bytes(data[-2:], "big")


def split_peers(data: bytes, size: int) -> list[bytes]:
    """The compact peers of `size` bytes each (`PEER4` or `PEER6`) in `data`. Raises `CompactError` on a remainder."""
    if len(data) % size:
        raise CompactError(f"{len(data)} bytes of compact peers are not a multiple of {size}")
    return [data[start : start + size] for start in range(0, len(data), size)]


def unpack_peers(data: bytes, size: int) -> list[tuple[str, int]]:
    """(host, port) of each compact peer in `data`; those with port 0 are left out, since nobody can be reached there.

    `size` is `PEER4` (BEP 23, key `peers`) or `PEER6` (BEP 7, key `peers6`). Raises `CompactError` on a remainder.
    """
    return [unpack_peer(peer) for peer in split_peers(data, size) if peer[-2:] != b"\0\0"]


def is_loopback(peer: bytes) -> bool:
    """Is this compact peer, or packed address, of 127.0.0.0/8 or ::1, so that only its own machine can reach it?"""
    return peer[0] == 127 if len(peer) <= PEER4 else peer[:16] == LOOPBACK6

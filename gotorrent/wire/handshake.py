"""The first 68 bytes of each direction (BEP 3, "handshake") and the names of clients in peer ids (BEP 20).

Refuses another protocol at the first byte that differs. No reserved bit is set: every extension comes with its own BEP.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gotorrent import __version__
from gotorrent.errors import PeerError

PROTOCOL = b"\x13BitTorrent protocol"
LENGTH = 68
RESERVED = bytes(8)

_CLIENTS = {
    "AZ": "Vuze",
    "BI": "BiglyBT",
    "DE": "Deluge",
    "GT": "GoTorrent",
    "LT": "libtorrent",
    "TR": "Transmission",
    "UT": "uTorrent",
    "WW": "WebTorrent",
    "lt": "rTorrent",
    "qB": "qBittorrent",
    "rQ": "rqbit",
}


@dataclass(frozen=True)
class Handshake:
    """What the other side said: 8 reserved bytes, 20 of info-hash, 20 of peer id."""

    reserved: bytes
    info_hash: bytes
    peer_id: bytes


def encode(info_hash: bytes, peer_id: bytes) -> bytes:
    """The 68 bytes that open a connection."""
    return PROTOCOL + RESERVED + info_hash + peer_id


def check_prefix(data: bytes) -> None:
    """PeerError as soon as the first bytes cannot be a handshake, however few they are."""
    if not PROTOCOL.startswith(data[: len(PROTOCOL)]):
        raise PeerError("the other side does not speak BitTorrent (or wants encryption, which we do not speak)")


def decode(data: bytes) -> Handshake:
    """A whole handshake of exactly 68 bytes. PeerError for anything else."""
    check_prefix(data)
    if len(data) != LENGTH:
        raise PeerError(f"the peer's handshake has {len(data)} bytes instead of {LENGTH}")
    return Handshake(data[20:28], data[28:48], data[48:68])


def new_peer_id() -> bytes:
    """`-GT` and our version, then 12 random bytes (BEP 20)."""
    digits = "".join(part[:1] for part in __version__.split("."))[:4].ljust(4, "0")
    return f"-GT{digits}-".encode() + secrets.token_bytes(12)


def client_name(peer_id: bytes) -> str:
    """The program that a peer id in the style of BEP 20 names, or "". Every byte of it is the peer's word."""
    head = peer_id[:8].decode("ascii", "replace")
    if head[:1] != "-" or head[7:] != "-" or not head[1:7].isalnum():
        return "aria2" if head.startswith("A2-") else ""
    digits = head[3:7]
    version = ".".join(digits).rstrip("0").rstrip(".") if digits.isdigit() else digits
    return f"{_CLIENTS.get(head[1:3], head[1:3])} {version}".strip()

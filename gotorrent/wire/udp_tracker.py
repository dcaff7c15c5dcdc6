"""What client and UDP tracker say to each other: packets in, values out, and back (BEP 15; options after an announce: BEP 41).

    client                                        tracker
    connect: PROTOCOL, 0, transaction      ->     0, transaction, connection id
    announce: connection id, 1, ... port   ->     1, transaction, interval, leechers, seeds, peers
    scrape: connection id, 2, info-hashes  ->     2, transaction, (seeds, downloads, leechers) of each
                                           ->     3, transaction, an error in words

All numbers are big-endian; connection id and transaction are opaque, 8 and 4 bytes. Peers are compact, of the family that the
packets travel over. Packets may be longer than they must be. Of the client's side it refuses, as `TrackerError`, an answer that
is too short for its action; what answers another transaction or action is nobody's (`None`), since anyone can send a datagram.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from gotorrent.errors import TrackerError

PROTOCOL = (0x41727101980).to_bytes(8, "big")
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)

HEAD = struct.Struct(">8sI4s")
"""The first 16 bytes of every request: connection id (`PROTOCOL` to connect), action, transaction."""

ANNOUNCE_REQUEST = struct.Struct(">8sI4s20s20x8xQ8xI8xi2s")
"""98 bytes: connection id, action, transaction, info-hash, left, event (0 none, 1 completed, 2 started, 3 stopped), numwant
(negative: as the tracker likes), port as 2 bytes. Peer id, amounts, IP address and key are passed over: our tracker needs none.
"""

ANNOUNCE_REPLY = struct.Struct(">I4sIII")
"""20 bytes before the peers: action, transaction, interval in seconds, leechers, seeds."""

MAX_REPLY = 1400
"""Bytes of an answer: it must pass through any network in one piece."""

MAX_SCRAPE = 74
"""Info-hashes in one scrape (BEP 15)."""

INFO_HASH = 20
_REPLY = struct.Struct(">I4s")
_COUNTS = struct.Struct(">III")
_REQUEST = struct.Struct(">8sI4s20s20sQQQI4sIiH")
_URL_DATA = 2  # option types of BEP 41
_NOTHING = 1
_CHUNK = 255  # bytes of URL in one option


class Announced(NamedTuple):
    """A tracker's answer to an announce; `peers` are compact, 6 or 18 bytes each, and may end with a torn one."""

    interval: int
    leechers: int
    seeds: int
    peers: bytes


def connect_reply(transaction: bytes, connection: bytes) -> bytes:
    """16 bytes that hand out a connection id."""
    return _REPLY.pack(CONNECT, transaction) + connection


def scrape_hashes(packet: bytes) -> list[bytes]:
    """The info-hashes of a scrape, at most one more than `MAX_SCRAPE`, so that too many are noticed. A torn last one is dropped."""
    end = min(len(packet), HEAD.size + (MAX_SCRAPE + 1) * INFO_HASH)
    return [packet[start : start + INFO_HASH] for start in range(HEAD.size, end - INFO_HASH + 1, INFO_HASH)]


def scrape_reply(transaction: bytes, counts: Sequence[tuple[int, int, int]]) -> bytes:
    """The answer to a scrape: (seeds, downloads, leechers) of each torrent in the order asked."""
    return _REPLY.pack(SCRAPE, transaction) + b"".join(_COUNTS.pack(*three) for three in counts)


def error_reply(transaction: bytes, reason: str, limit: int = MAX_REPLY) -> bytes:
    """An error in words, cut to `limit` bytes in all."""
    return (_REPLY.pack(ERROR, transaction) + reason.encode())[:limit]


def url_data(options: bytes) -> bytes:
    """Path and query of the tracker's URL, from what follows an announce (BEP 41): the chunks put together.

    What is no option, or torn, ends it: much software pads its packets.
    """
    url, place = b"", 0
    while place < len(options):
        kind = options[place]
        if kind == _NOTHING:
            place += 1
            continue
        end = place + 2 + options[place + 1] if place + 1 < len(options) else 0
        if kind != _URL_DATA or not place + 2 <= end <= len(options):
            break
        url += options[place + 2 : end]
        place = end
    return url


def connect_request(transaction: bytes) -> bytes:
    """16 bytes that ask for a connection id."""
    return HEAD.pack(PROTOCOL, CONNECT, transaction)


def announce_request(
    connection: bytes,
    transaction: bytes,
    info_hash: bytes,
    peer_id: bytes,
    port: int,
    *,
    downloaded: int = 0,
    left: int = 0,
    uploaded: int = 0,
    event: int = 0,
    key: int = 0,
    numwant: int = -1,
    url: bytes = b"",
) -> bytes:
    """An announce; `event` is numbered as in `ANNOUNCE_REQUEST`, `url` is path and query of the tracker's URL (BEP 41)."""
    head = (connection, ANNOUNCE, transaction, info_hash, peer_id, downloaded, left, uploaded, event, bytes(4), key, numwant, port)
    chunks = (url[start : start + _CHUNK] for start in range(0, len(url), _CHUNK))
    return _REQUEST.pack(*head) + b"".join(bytes((_URL_DATA, len(chunk))) + chunk for chunk in chunks)


def scrape_request(connection: bytes, transaction: bytes, hashes: Sequence[bytes]) -> bytes:
    """A scrape of at most `MAX_SCRAPE` info-hashes."""
    return HEAD.pack(connection, SCRAPE, transaction) + b"".join(hashes)


def read_connected(packet: bytes, transaction: bytes) -> bytes | None:
    """The connection id that a tracker gave; None when this packet is no answer to `transaction`. Raises `TrackerError`."""
    body = _body(packet, CONNECT, transaction, 8)
    return None if body is None else body[:8]


def read_announced(packet: bytes, transaction: bytes) -> Announced | None:
    """The answer to an announce; None when this packet is no answer to `transaction`. Raises `TrackerError`."""
    body = _body(packet, ANNOUNCE, transaction, _COUNTS.size)
    if body is None:
        return None
    interval, leechers, seeds = _COUNTS.unpack_from(body)
    return Announced(interval, leechers, seeds, body[_COUNTS.size :])


def read_scraped(packet: bytes, transaction: bytes, count: int) -> list[tuple[int, int, int]] | None:
    """(seeds, downloads, leechers) of `count` torrents; None when this is no answer to `transaction`. Raises `TrackerError`."""
    body = _body(packet, SCRAPE, transaction, _COUNTS.size * count)
    if body is None:
        return None
    every = _COUNTS.iter_unpack(body[: _COUNTS.size * count])
    return [(seeds, downloads, leechers) for seeds, downloads, leechers in every]


def _body(packet: bytes, action: int, transaction: bytes, least: int) -> bytes | None:
    """What stands behind the head of an answer, `least` bytes or more."""
    if len(packet) < _REPLY.size:
        return None
    answered, echoed = _REPLY.unpack_from(packet)
    body = packet[_REPLY.size :]
    if echoed != transaction or answered not in (action, ERROR):
        return None
    if answered == ERROR:
        raise TrackerError(body.decode("utf-8", "replace") or "the tracker refused without a reason")
    if len(body) < least:
        raise TrackerError(f"the tracker's answer has {len(packet)} bytes, too few for what was asked")
    return body

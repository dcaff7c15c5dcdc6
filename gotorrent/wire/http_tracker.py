"""What client and HTTP tracker say to each other: the announce URL, and the bencoded answer to it.

Rules: BEP 3 (announce), 23 and 7 (compact peers, IPv4 and IPv6), 24 (`external ip`), 31 (`retry in`). Both forms of peers are
read whatever was asked for. Refuses an answer that is no dictionary; drops peers that nobody can connect to (port 0, host
names, multicast, 0.0.0.0), of which a single wrong one does not cost the others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlsplit

from gotorrent.errors import BencodeError, CompactError, TrackerError
from gotorrent.metainfo import bencode
from gotorrent.wire.compact import PEER4, PEER6, unpack_host, unpack_peers

MAX_DEPTH = 32
"""Lists and dictionaries in each other in an answer; a real one needs three."""

MAX_PEERS = 2000
"""Peers read from one answer: ten times what anyone asks for."""

MAX_TEXT = 300
"""Characters of a tracker's own words that we pass on to the person."""

DEFAULT_INTERVAL = 1800
"""Seconds between two announces when the tracker does not say: the usual value in the field."""

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
_KEY_WITH_DIGIT = re.compile(r"(?=[^\W_]*\d)[^\W_]{10,}")
_LONG_RUN = re.compile(r"[^\W_]{20,}")
_HIDDEN = "..."


@dataclass(frozen=True)
class AnnounceRequest:
    """What we tell a tracker (BEP 3). Amounts are bytes; `left` counts verified pieces only."""

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int
    downloaded: int
    left: int
    event: str  # "", "started", "completed" or "stopped"
    numwant: int
    key: str  # 8 hex digits, fixed for the session: some trackers refuse other lengths
    tracker_id: bytes = b""  # what this tracker gave us as `tracker id`


@dataclass(frozen=True)
class AnnounceReply:
    """What a tracker tells us. Intervals are seconds; `peers` are (numeric address, port), each once."""

    interval: int
    min_interval: int | None
    peers: list[tuple[str, int]]
    seeds: int | None
    leechers: int | None
    warning: str
    tracker_id: bytes
    external_ip: str | None


def announce_url(tracker: str, request: AnnounceRequest) -> str:
    """The URL to GET: `tracker` with the query of BEP 3 joined to it, and nothing in it that an HTTP library would escape again."""
    values = {
        "info_hash": quote_from_bytes(request.info_hash, safe=""),
        "peer_id": quote_from_bytes(request.peer_id, safe=""),
        "port": str(request.port),
        "uploaded": str(request.uploaded),
        "downloaded": str(request.downloaded),
        "left": str(request.left),
        "compact": "1",
        "no_peer_id": "1",
        "numwant": str(request.numwant),
        "key": request.key,
    }
    if request.event:
        values["event"] = request.event
    if request.tracker_id:
        values["trackerid"] = quote_from_bytes(request.tracker_id, safe="")
    base = escape_url(tracker)
    separator = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return base + separator + "&".join(f"{name}={value}" for name, value in values.items())


def escape_url(url: str) -> str:
    """`url` without fragment, in printable ASCII, each `%` the start of an escape.

    A single stray `%` makes HTTP libraries escape every `%` of the URL once more, which ruins the info-hash behind it.
    """
    return _STRAY_PERCENT.sub("%25", quote(url.partition("#")[0], safe=_PRINTABLE))


def parse_reply(body: bytes) -> AnnounceReply:
    """Read the answer to an announce.

    Raises `TrackerError` for an answer that is none, and for `failure reason` with its `retry in` (minutes, or `never`:
    infinity), else its `min interval` or `interval`, as `retry_after`.
    """
    if body.lstrip()[:1] == b"<":
        raise TrackerError("answered with a web page instead of a tracker's answer")
    if not body:
        raise TrackerError("answered with nothing at all")
    try:
        reply = bencode.decode(body, strict=False, max_depth=MAX_DEPTH)
    except BencodeError as error:
        raise TrackerError(f"answered with something that is not a tracker's answer: {error}") from error
    if not isinstance(reply, dict):
        raise TrackerError("answered with something that is not a tracker's answer: no dictionary")
    interval, min_interval = _count(reply.get(b"interval")), _count(reply.get(b"min interval"))
    if b"failure reason" in reply:
        raise _failure(reply, interval, min_interval)
    if interval is None and not reply.keys() & {b"peers", b"peers6"}:
        raise TrackerError("answered with neither peers nor an interval")
    return AnnounceReply(
        interval=DEFAULT_INTERVAL if interval is None else interval,
        min_interval=min_interval,
        peers=_peers(reply),
        seeds=_count(reply.get(b"complete")),
        leechers=_count(reply.get(b"incomplete")),
        warning=_text(reply.get(b"warning message")),
        tracker_id=_bytes(reply.get(b"tracker id"))[:MAX_TEXT],
        external_ip=_external_ip(reply.get(b"external ip")),
    )


def hide_passkey(url: str) -> str:
    """`url` for people's eyes: host and the names in the path stay; passwords, key-like parts and query values become "..."."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an unreadable URL"
    path = "/".join(_HIDDEN if _looks_like_key(part) else part for part in parts.path.split("/"))
    query = "&".join(
        f"{name}={_HIDDEN}" if equals and not _looks_like_key(name) else _HIDDEN
        for name, equals, _ in (pair.partition("=") for pair in parts.query.split("&"))
    )
    shown = f"{parts.scheme}://{host}{path}" + (f"?{query}" if parts.query else "")
    return "".join(character if character.isprintable() else "?" for character in shown)[:MAX_TEXT]


def _looks_like_key(part: str) -> bool:
    """Is this part of a URL a passkey rather than a word: a long unbroken run of letters and digits?"""
    return bool(_KEY_WITH_DIGIT.search(part) or _LONG_RUN.search(part))


def _failure(reply: dict[bytes, Any], interval: int | None, min_interval: int | None) -> TrackerError:
    """The error for `failure reason` (BEP 3). BEP 31: `retry in` is minutes as text, or "never"."""
    reason = _text(reply[b"failure reason"]) or "no reason given"
    retry_in = reply.get(b"retry in")
    retry_after: float | None = min_interval if min_interval is not None else interval
    if retry_in == b"never":
        retry_after = math.inf
    else:
        minutes = retry_in if isinstance(retry_in, int) else _bytes(retry_in)[:9]
        if isinstance(minutes, int) or minutes.isdigit():
            retry_after = 60.0 * max(0, int(minutes))
    return TrackerError(f'refused: "{reason}"', retry_after)


def _peers(reply: dict[bytes, Any]) -> list[tuple[str, int]]:
    """The usable peers of `peers` (compact or dictionaries, BEP 3 and 23) and `peers6` (BEP 7), each once, at most `MAX_PEERS`."""
    found: list[tuple[str, int]] = []
    peers = reply.get(b"peers")
    if isinstance(peers, list):
        found += [peer for entry in peers[:MAX_PEERS] if (peer := _dictionary_peer(entry))]
    else:
        found += _compact_peers(peers, PEER4)
    found += _compact_peers(reply.get(b"peers6"), PEER6)
    return list(dict.fromkeys(peer for peer in found if _reachable(peer[0])))[:MAX_PEERS]


def _compact_peers(value: Any, size: int) -> list[tuple[str, int]]:
    """The whole peers in `value`; a cut last one is left out."""
    data = _bytes(value)
    return unpack_peers(data[: min(len(data) // size, MAX_PEERS) * size], size)


def _dictionary_peer(entry: Any) -> tuple[str, int] | None:
    """(address, port) of one peer in dictionary form, or None. A host name is not looked up: it could be anybody's."""
    if not isinstance(entry, dict):
        return None
    host, port = _bytes(entry.get(b"ip"))[:64].decode("ascii", "replace"), _count(entry.get(b"port"))
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if port is None or not 0 < port < 65536:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return str(address), port


def _reachable(host: str) -> bool:
    """Can a TCP connection go to this numeric address at all? (Private and loopback ones can: swarms on a LAN use them.)"""
    address = ip_address(host)
    if address.is_multicast or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return address.packed[0] != 0 and not address.is_reserved
    return not address.is_link_local and address.scope_id is None


def _external_ip(value: Any) -> str | None:
    """Our own address as the tracker sees it: 4 or 16 raw bytes (BEP 24)."""
    try:
        return unpack_host(_bytes(value))
    except CompactError:
        return None


def _count(value: Any) -> int | None:
    """A number of something; None when the tracker gave none, or nonsense. Lenient: some send digits as a string."""
    if isinstance(value, bytes) and len(value) < 10 and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: Any) -> str:
    """A tracker's own words, one short printable line."""
    text = " ".join(_bytes(value)[: 4 * MAX_TEXT].decode("utf-8", "replace").split())
    return "".join(character if character.isprintable() else "?" for character in text)[:MAX_TEXT]

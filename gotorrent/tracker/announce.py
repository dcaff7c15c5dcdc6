"""The tracker's two questions, announce and scrape: every door asks them here, so that all of them decide alike.

BEP 3 (announce), 7 (IPv6), 23 (compact peers) and 48 (scrape) rule it. `announce` and `scrape` take the raw query string of an
HTTP request and give a bencoded answer; `decide` and `count` are the same decisions for doors with another language (UDP). A
refusal is an answer too, in words. What a peer says about its own address (`ip=`) is ignored unless the configuration believes
its source: it is where it called from. Peers in dictionaries come without `peer id`: nobody's is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from gotorrent.errors import CompactError, TrackerError
from gotorrent.tracker.counters import UDP4, Event
from gotorrent.tracker.store import COMPLETED, NONE, STARTED, STOPPED, Compact, Found
from gotorrent.tracker.tracker import Tracker
from gotorrent.wire.compact import LOOPBACK6, PEER4, PEER6, is_loopback, pack_host, split_peers, unpack_peer

MAX_QUERY = 8192  # bytes; a full announce has about 350, a full scrape 5 200
MAX_DIGITS = 20  # of a number in a query: 2**64 has 20
MAX_SCRAPE = 74  # info-hashes in one scrape: what one UDP packet holds, so that all ways in promise the same
INFO_HASH = 20  # bytes of a v1 info-hash
PEER_ID = 20  # bytes

_USED = frozenset((b"info_hash", b"peer_id", b"port", b"left", b"event", b"numwant", b"compact", b"ip"))
_EVENTS = {b"completed": COMPLETED, b"started": STARTED, b"stopped": STOPPED}


def announce(tracker: Tracker, query: bytes, source: bytes, local: bytes, now: float, door: int, key: bytes = b"") -> bytes:
    """Answer one HTTP announce (BEP 3). Never raises: what is wrong with it is in the answer's `failure reason`.

    `query` is the raw query string, `source` the packed address that asks, `local` the tracker's own on that connection; each
    may be `b""` when not known. `now` is monotonic seconds, `door` HTTP4 or HTTP6, `key` what stood behind `/announce/`.
    """
    counters = tracker.counters
    try:
        answer = _announce(tracker, _fields(query), source, local, now, door, key)
        counted = counters.announces
    except TrackerError as error:
        answer, counted = failure(str(error), error.retry_after), counters.refused
    with counters.lock:
        counted[door] += 1
    return answer


def scrape(tracker: Tracker, query: bytes, source: bytes, now: float, door: int, key: bytes = b"") -> bytes:
    """Answer one HTTP scrape (BEP 48): counts of each `info_hash` in `query`, zeros for an unknown one. Never raises."""
    counters = tracker.counters
    try:
        _check_length(query)
        parts = (part.partition(b"=") for part in query.split(b"&"))
        hashes = sorted({_info_hash(_unescape(value)) for name, _, value in parts if name == b"info_hash"})
        counts = zip(hashes, count(tracker, hashes, source, key, door, now), strict=True)
        files = b"".join(b"20:%sd8:completei%de10:downloadedi%de10:incompletei%dee" % (name, *three) for name, three in counts)
        answer = b"d5:filesd%se5:flagsd20:min_request_intervali%deee" % (files, tracker.config.min_interval)
        counted = counters.scrapes
    except TrackerError as error:
        answer, counted = failure(str(error), error.retry_after), counters.refused
    with counters.lock:
        counted[door] += 1
    return answer


def failure(reason: str, retry_after: float | None = None) -> bytes:
    """The bencoded refusal of BEP 3; clients show `reason` to the person, and wait `retry_after` seconds if they know BEP 31."""
    minutes = b"%d" % max(1, -(-retry_after // 60)) if retry_after is not None else b""  # as text, as clients read it
    wait = b"8:retry in" + _string(minutes) if minutes else b""
    return b"d14:failure reason%s%se" % (_string(reason.encode()), wait)


def decide(
    tracker: Tracker,
    info_hash: bytes,
    source: bytes,
    peer: bytes,
    event: int,
    seed: bool,
    want: int,
    door: int,
    key: bytes,
    now: float,
) -> Found:
    """One announce through any door, already parsed: ask the gate, then the store. Raises `TrackerError` with the refusal.

    `peer` is the compact peer to take note of, `want` how many others it asks for (negative: it did not say). UDP gives peers of
    the asker's own family only, since its answers have no room for another.
    """
    gate = tracker.gate
    if gate is not None:
        reason = gate.refuse_announce(source, info_hash, key, door, now)
        if reason is not None:
            raise TrackerError(reason)
    config = tracker.config
    if want < 0:
        want = config.numwant_default
    elif want > config.numwant_max:
        want = config.numwant_max
    found = tracker.store.announce(info_hash, peer, event, seed, want, door < UDP4, now)
    if event != NONE:
        tracker.counters.recent.append(Event(now, event, info_hash, peer, seed, door))
        if event == STOPPED and tracker.watch is not None:
            tracker.watch.forget(peer)
    return found


def count(
    tracker: Tracker, hashes: Sequence[bytes], source: bytes, key: bytes, door: int, now: float
) -> list[tuple[int, int, int]]:
    """One scrape through any door: (seeds, downloads, leechers) of each. Raises `TrackerError` with the refusal."""
    if not hashes:
        raise TrackerError("this tracker does not list all its torrents: ask with one or more info_hash")
    if len(hashes) > MAX_SCRAPE:
        raise TrackerError(f"{len(hashes)} torrents in one scrape: at most {MAX_SCRAPE} are answered, ask in several")
    if tracker.gate is not None:
        reason = tracker.gate.refuse_scrape(source, hashes, key, door, now)
        if reason is not None:
            raise TrackerError(reason)
    return tracker.store.scrape(hashes)


def _announce(
    tracker: Tracker, fields: dict[bytes, bytes], source: bytes, local: bytes, now: float, door: int, key: bytes
) -> bytes:
    info_hash = _info_hash(_required(fields, b"info_hash"))
    peer_id = _required(fields, b"peer_id")
    if len(peer_id) != PEER_ID:
        raise TrackerError(f"peer_id has {len(peer_id)} bytes, it must have {PEER_ID}")
    port = _number(fields, b"port")
    if not 0 < port < 65536:
        raise TrackerError(f"port {port} cannot be reached by anybody: it must be 1 to 65535")
    left = _number(fields, b"left")
    if left < 0:
        raise TrackerError(f"left is {left}: it counts the bytes still missing and cannot be negative")
    want = _number(fields, b"numwant") if b"numwant" in fields else -1
    address = source
    if b"ip" in fields and tracker.believed is not None and source in tracker.believed:
        address = _named_address(_required(fields, b"ip"))
    if not address:
        raise TrackerError("the tracker was told no usable address of yours: the server in front of it must pass it on")
    asker = address + port.to_bytes(2, "big")
    event = _EVENTS.get(_required(fields, b"event"), NONE) if b"event" in fields else NONE
    seeds, leechers, downloaded, told, peers4, peers6 = decide(
        tracker, info_hash, source, asker, event, left == 0, want, door, key, now
    )
    if fields.get(b"compact") == b"0":
        peers = _dictionaries(peers4, peers6, asker, local)
    else:
        peers4, peers6 = as_reachable(peers4, peers6, asker, local)
        peers = b"%d:" % len(peers4) + peers4
        if peers6:
            peers += b"6:peers6%d:" % len(peers6) + peers6
    warning = None
    pause = tracker.config.min_interval
    if tracker.watch is not None and event != STOPPED and address == source:
        warning = tracker.watch.warning(info_hash, asker, now)
    return b"d8:completei%de10:downloadedi%de10:incompletei%de8:intervali%de12:min intervali%de5:peers%b%be" % (
        seeds,
        downloaded,
        leechers,
        told,
        pause if pause < told else told,
        peers,
        b"" if warning is None else b"15:warning message" + _string(warning.encode()),
    )


def as_reachable(peers4: Compact, peers6: Compact, asker: bytes, here: bytes) -> tuple[Compact, Compact]:
    """Compact peers of both families as `asker` can reach them: those known by a loopback address get the tracker's, `here`.

    Such a peer runs on the tracker's machine, which another machine knows by the address that it asked at. An asker on
    loopback is on that machine too and gets them as they are.
    """
    if is_loopback(asker) or not has_loopback(peers4, peers6):
        return peers4, peers6
    every = split_peers(bytes(peers4), PEER4) + split_peers(bytes(peers6), PEER6)
    both = [seen for peer in every if (seen := _reached(peer, asker, here))]
    unique = dict.fromkeys(both)  # one client may have announced through both addresses
    return b"".join(peer for peer in unique if len(peer) == PEER4), b"".join(peer for peer in unique if len(peer) == PEER6)


def has_loopback(peers4: Compact, peers6: Compact) -> bool:
    """Is any of these compact peers known by a loopback address? It may say so of one that is not."""
    return 127 in peers4[::PEER4] or LOOPBACK6 in peers6


def _reached(peer: bytes, asker: bytes, here: bytes) -> bytes:
    """How `asker` reaches one compact peer; empty when it cannot, or when that is the asker itself."""
    if is_loopback(asker) or not is_loopback(peer):
        return peer
    if not here or is_loopback(here) or here + peer[-2:] == asker:
        return b""
    return here + peer[-2:]


def _dictionaries(peers4: Compact, peers6: Compact, asker: bytes, here: bytes) -> bytes:
    """The peers of both families as the list of dictionaries of BEP 3, without peer ids."""
    entries: dict[bytes, bytes] = {}
    for peer in split_peers(bytes(peers4), PEER4) + split_peers(bytes(peers6), PEER6):
        reached = _reached(peer, asker, here)
        if reached:
            host, port = unpack_peer(reached)
            entries[reached] = b"d2:ip%s4:porti%dee" % (_string(host.encode()), port)
    return b"l%se" % b"".join(entries.values())


def _fields(query: bytes) -> dict[bytes, bytes]:
    """The fields of a query, still escaped. One that an announce uses may not be given twice."""
    _check_length(query)
    parts = query.split(b"&")
    try:
        fields: dict[bytes, bytes] = dict([part.split(b"=", 1) for part in parts])
    except ValueError:  # there is one without a value
        fields = {}
    if len(fields) == len(parts):
        return fields
    fields.clear()
    for part in parts:
        name, _, value = part.partition(b"=")
        if name in fields and name in _USED:
            raise TrackerError(f"{name.decode()} was given twice")
        fields[name] = value
    return fields


def _unescape(value: bytes) -> bytes:
    """The bytes that a value stands for. `+` stays `+`: this is no web form. A `%` without two hex digits stays, too."""
    try:  # by a decoder that runs in C: ten times as fast as unquote_to_bytes
        return value.replace(b"\\", b"\\\\").replace(b"%", b"\\x").decode("unicode_escape").encode("latin-1")
    except UnicodeDecodeError:
        return unquote_to_bytes(value)


def _named_address(value: bytes) -> bytes:
    """The packed address of `ip=`: that of one host, and no loopback, by which nobody else would find it."""
    try:
        address = pack_host(value.decode("ascii", "replace"))
    except CompactError as error:
        raise TrackerError(f"ip is no address: {error}") from error
    first = address[0]
    if is_loopback(address) or not any(address) or (first in (0, *range(224, 256)) if len(address) == 4 else first == 0xFF):
        raise TrackerError("ip is no address of one computer that others can reach")
    return address


def _check_length(query: bytes) -> None:
    if len(query) > MAX_QUERY:
        raise TrackerError(f"the query has {len(query)} bytes, at most {MAX_QUERY} are read")


def _required(fields: dict[bytes, bytes], name: bytes) -> bytes:
    """The bytes of one field."""
    value = fields.get(name)
    if value is None:
        raise TrackerError(f"{name.decode()} is missing: this is the address for torrent clients, they send it themselves")
    return _unescape(value) if b"%" in value else value


def _info_hash(value: bytes) -> bytes:
    if len(value) != INFO_HASH:
        hint = ", send the bytes themselves, not their hex digits" if len(value) == 2 * INFO_HASH else ""
        raise TrackerError(f"info_hash has {len(value)} bytes, it must have {INFO_HASH}{hint}")
    return value


def _number(fields: dict[bytes, bytes], name: bytes) -> int:
    """The number in one field."""
    value = fields.get(name, b"")
    if not (value.isdigit() and len(value) <= MAX_DIGITS):
        value = _required(fields, name)
        digits = value[1:] if value[:1] == b"-" else value
        if not (digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise TrackerError(f"{name.decode()} is not a number of at most {MAX_DIGITS} digits")
    return int(value)


def _string(value: bytes) -> bytes:
    return b"%d:%s" % (len(value), value)

"""The tracker's two questions, announce and scrape, as functions of bytes: a query string in, a bencoded answer out.

BEP 3 (announce), 7 (IPv6), 23 (compact peers) and 48 (scrape) rule it. Every way in, whatever server it runs in, hands the raw
query string and the two addresses of the connection to these functions, so that all of them decide alike. A refusal is an
answer too: `failure reason`, in words. What a peer says about its own address (`ip=`) is ignored: it is where it called from.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from gotorrent.errors import CompactError, TrackerError
from gotorrent.metainfo.metainfo import InfoHash
from gotorrent.tracker.swarms import PEER_ID, Swarms
from gotorrent.wire.compact import PEER4, PEER6, is_loopback, pack_host, split_peers, unpack_peer

MAX_QUERY = 8192  # bytes; a full announce has about 350, a full scrape 5 200
MAX_DIGITS = 20  # of a number in a query: 2**64 has 20
MAX_SCRAPE = 74  # info-hashes in one scrape: what one UDP packet holds, so that all ways in promise the same
INFO_HASH = 20  # bytes of a v1 info-hash

_WANTED = frozenset((b"info_hash", b"peer_id", b"port", b"left", b"event", b"numwant", b"compact", b"no_peer_id"))


def announce(swarms: Swarms, query: bytes, source: str, local: str, now: float) -> bytes:
    """Answer one announce (BEP 3). Never raises: what is wrong with it is in the answer's `failure reason`.

    `query` is the raw query string, `source` the address the request came from, `local` the tracker's own address on that
    connection ("" when not known), `now` monotonic seconds.
    """
    try:
        return _announce(swarms, _fields(query), source, local, now)
    except TrackerError as error:
        return failure(str(error))


def scrape(swarms: Swarms, query: bytes) -> bytes:
    """Answer one scrape (BEP 48): counts of each `info_hash` in `query`, zeros for an unknown one. Never raises."""
    try:
        _check_length(query)
        parts = (part.partition(b"=") for part in query.split(b"&"))
        hashes = {_info_hash(unquote_to_bytes(value)) for name, _, value in parts if name == b"info_hash"}
    except TrackerError as error:
        return failure(str(error))
    if not hashes:
        return failure("this tracker does not list all its torrents: ask with one or more info_hash")
    if len(hashes) > MAX_SCRAPE:
        return failure(f"{len(hashes)} torrents in one scrape: at most {MAX_SCRAPE} are answered, ask in several")
    files = b"".join(
        b"20:%sd8:completei%de10:downloadedi%de10:incompletei%dee" % (info_hash, *swarms.scrape(info_hash))
        for info_hash in sorted(hashes)
    )
    return b"d5:filesd%se5:flagsd20:min_request_intervali%deee" % (files, swarms.config.min_interval)


def failure(reason: str) -> bytes:
    """The bencoded refusal of BEP 3; clients show `reason` to the person."""
    return b"d14:failure reason%se" % _string(reason.encode())


def _announce(swarms: Swarms, fields: dict[bytes, bytes], source: str, local: str, now: float) -> bytes:
    config = swarms.config
    info_hash = _info_hash(_required(fields, b"info_hash"))
    peer_id = _required(fields, b"peer_id")
    if len(peer_id) != PEER_ID:
        raise TrackerError(f"peer_id has {len(peer_id)} bytes, it must have {PEER_ID}")
    port = _number(b"port", _required(fields, b"port"))
    if not 0 < port < 65536:
        raise TrackerError(f"port {port} cannot be reached by anybody: it must be 1 to 65535")
    left = _number(b"left", _required(fields, b"left"))
    if left < 0:
        raise TrackerError(f"left is {left}: it counts the bytes still missing and cannot be negative")
    want = _number(b"numwant", fields.get(b"numwant", b"-1"))
    want = config.numwant_default if want < 0 else min(want, config.numwant_max)
    try:
        asker = pack_host(source) + port.to_bytes(2, "big")
        here = pack_host(local) if local else b""
    except CompactError as error:
        raise TrackerError(f"the tracker was told no usable address of yours: {error}") from error
    seeds, leechers, downloaded, peers4, peers6 = swarms.announce(
        info_hash, asker, peer_id, fields.get(b"event", b""), left == 0, want, now
    )
    if fields.get(b"compact") == b"0":
        with_ids = fields.get(b"no_peer_id") != b"1"
        peers = _dictionaries(swarms, info_hash, peers4, peers6, asker, here, with_ids)
    else:
        peers4, peers6 = as_reachable(peers4, peers6, asker, here)
        peers = _string(peers4) + (b"6:peers6" + _string(peers6) if peers6 else b"")
    return b"d8:completei%de10:downloadedi%de10:incompletei%de8:intervali%de12:min intervali%de5:peers%se" % (
        seeds,
        downloaded,
        leechers,
        config.announce_interval,
        min(config.min_interval, config.announce_interval),
        peers,
    )


def as_reachable(peers4: bytes, peers6: bytes, asker: bytes, here: bytes) -> tuple[bytes, bytes]:
    """Compact peers of both families as `asker` can reach them: those known by a loopback address get the tracker's, `here`.

    Such a peer runs on the tracker's machine, which another machine knows by the address that it asked at. An asker on
    loopback is on that machine too and gets them as they are.
    """
    if is_loopback(asker) or not _has_loopback(peers4, peers6):
        return peers4, peers6
    both = [seen for peer in split_peers(peers4, PEER4) + split_peers(peers6, PEER6) if (seen := _reached(peer, asker, here))]
    unique = dict.fromkeys(both)  # one client may have announced through both addresses
    return b"".join(peer for peer in unique if len(peer) == PEER4), b"".join(peer for peer in unique if len(peer) == PEER6)


def _has_loopback(peers4: bytes, peers6: bytes) -> bool:
    return 127 in peers4[::PEER4] or any(is_loopback(peer) for peer in split_peers(peers6, PEER6))


def _reached(peer: bytes, asker: bytes, here: bytes) -> bytes:
    """How `asker` reaches one compact peer; empty when it cannot, or when that is the asker itself."""
    if is_loopback(asker) or not is_loopback(peer):
        return peer
    if not here or is_loopback(here) or here + peer[-2:] == asker:
        return b""
    return here + peer[-2:]


def _dictionaries(
    swarms: Swarms, info_hash: InfoHash, peers4: bytes, peers6: bytes, asker: bytes, here: bytes, with_ids: bool
) -> bytes:
    """The peers of both families as the list of dictionaries of BEP 3."""
    entries: dict[bytes, bytes] = {}
    for peer in split_peers(peers4, PEER4) + split_peers(peers6, PEER6):
        reached = _reached(peer, asker, here)
        if not reached:
            continue
        host, port = unpack_peer(reached)
        peer_id = swarms.peer_id(info_hash, peer) if with_ids else None
        shown_id = b"7:peer id" + _string(peer_id) if peer_id is not None else b""
        entries[reached] = b"d2:ip%s%s4:porti%dee" % (_string(host.encode()), shown_id, port)
    return b"l%se" % b"".join(entries.values())


def _fields(query: bytes) -> dict[bytes, bytes]:
    """The fields of an announce that we use, unescaped to bytes. `+` stays `+`: this is no web form."""
    _check_length(query)
    fields: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name not in _WANTED:
            continue
        if name in fields:
            raise TrackerError(f"{name.decode()} was given twice")
        fields[name] = unquote_to_bytes(value)
    return fields


def _check_length(query: bytes) -> None:
    if len(query) > MAX_QUERY:
        raise TrackerError(f"the query has {len(query)} bytes, at most {MAX_QUERY} are read")


def _required(fields: dict[bytes, bytes], name: bytes) -> bytes:
    value = fields.get(name)
    if value is None:
        raise TrackerError(f"{name.decode()} is missing: this is the address for torrent clients, they send it themselves")
    return value


def _info_hash(value: bytes) -> InfoHash:
    if len(value) != INFO_HASH:
        hint = ", send the bytes themselves, not their hex digits" if len(value) == 2 * INFO_HASH else ""
        raise TrackerError(f"info_hash has {len(value)} bytes, it must have {INFO_HASH}{hint}")
    return InfoHash(value)


def _number(name: bytes, value: bytes) -> int:
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise TrackerError(f"{name.decode()} is not a number of at most {MAX_DIGITS} digits")
    return int(value)


def _string(value: bytes) -> bytes:
    return b"%d:%s" % (len(value), value)

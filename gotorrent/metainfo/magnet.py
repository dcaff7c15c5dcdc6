"""Magnet links (BEP 9): an info-hash in 40 hex digits or 32 of base32, with a name and places to ask.

Also read: web seeds (`ws`, BEP 19) and peers (`x.pe`). Refused: links without a version 1 info-hash, or with two different
ones. What is wrong elsewhere in a link (a tracker that is no URL, a peer without a port) is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from gotorrent.errors import MagnetError
from gotorrent.metainfo.metainfo import MAX_TRACKERS, MAX_WEB_SEEDS, InfoHash, Metainfo
from gotorrent.metainfo.text import clean_text, clean_url, is_web_url

MAX_LINK = 64 * 1024
"""Characters of a link: no browser or shell passes on more."""

MAX_PEERS = 100
"""Peers that are taken from a link; the rest is ignored."""

_NUMBERED = re.compile(r"\.\d+$")  # tr.1=...&tr.2=... is an old way to write a list
_PEER = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253}):([0-9]{1,5})")


@dataclass(frozen=True)
class Magnet:
    """What a magnet link says. `name` is for people and may be ""; a peer is (host, port), IPv6 without brackets."""

    info_hash: InfoHash
    name: str = ""
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()


def parse(text: str) -> Magnet:
    """Read a magnet link. Raises MagnetError with a sentence that says what is wrong with it."""
    text = text.strip()
    if len(text) > MAX_LINK:
        raise MagnetError(f"the magnet link is longer than {MAX_LINK} characters")
    if not text.lower().startswith("magnet:?"):
        raise MagnetError("this is not a magnet link: it should begin with 'magnet:?xt=urn:btih:'")
    values: dict[str, list[str]] = {}
    for key, value in parse_qsl(text[len("magnet:?") :].replace("&amp;", "&"), errors="replace"):
        values.setdefault(_NUMBERED.sub("", key.lower()), []).append(value)
    trackers = [clean_url(url) for url in values.get("tr", [])]
    web_seeds = [clean_url(url) for url in values.get("ws", [])]
    names = values.get("dn", [""])
    return Magnet(
        info_hash=_info_hash(values.get("xt", [])),
        name=clean_text(names[0].encode(errors="replace")),
        trackers=tuple(dict.fromkeys(url for url in trackers if url))[:MAX_TRACKERS],
        web_seeds=tuple(dict.fromkeys(url for url in web_seeds if is_web_url(url)))[:MAX_WEB_SEEDS],
        peers=_peers(values.get("x.pe", [])),
    )


def link(metainfo: Metainfo) -> str:
    """The magnet link of a torrent, with its name, trackers and web seeds."""
    parts = [f"xt=urn:btih:{metainfo.info_hash.hex()}", f"dn={quote(metainfo.name, safe='')}"]
    parts += [f"tr={quote(url, safe='')}" for tier in metainfo.trackers for url in tier]
    parts += [f"ws={quote(url, safe='')}" for url in metainfo.web_seeds]
    return "magnet:?" + "&".join(parts)


def _info_hash(topics: list[str]) -> InfoHash:
    """The one version 1 info-hash among the exact topics (`xt`)."""
    found = set()
    for topic in topics:
        kind, _, digits = topic.rpartition(":")
        if kind.lower() == "urn:btih":
            found.add(_decode_hash(digits))
    if len(found) > 1:
        raise MagnetError("the magnet link names two different torrents: use one link for each")
    if not found and any(topic.lower().startswith("urn:btmh:") for topic in topics):
        raise MagnetError("this magnet link is for BitTorrent version 2 only, which GoTorrent does not know; ask for a hybrid")
    if not found:
        raise MagnetError("the magnet link has no info-hash: 'xt=urn:btih:' and 40 hex digits are missing")
    return InfoHash(found.pop())


def _decode_hash(digits: str) -> bytes:
    try:
        if len(digits) == 40:
            return binascii.unhexlify(digits)
        if len(digits) == 32:
            return base64.b32decode(digits, casefold=True)
    except ValueError:
        pass
    raise MagnetError("the info-hash of the magnet link is damaged: it should be 40 hex digits, or 32 of base32")


def _peers(values: list[str]) -> tuple[tuple[str, int], ...]:
    found = []
    for value in values:
        match = _PEER.fullmatch(value)
        if match and 0 < int(match[2]) <= 65535:
            found.append((match[1].strip("[]"), int(match[2])))
    return tuple(dict.fromkeys(found))[:MAX_PEERS]

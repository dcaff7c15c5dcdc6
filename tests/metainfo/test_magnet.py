"""Magnet links: what people paste."""

from __future__ import annotations

import base64
import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import MagnetError
from gotorrent.metainfo import magnet, metainfo
from tests.make_testdata import TESTDATA

HASH = bytes(range(20))
HEX = HASH.hex()


@pytest.mark.parametrize(
    "text",
    [
        f"magnet:?xt=urn:btih:{HEX}",
        f"MAGNET:?xt=URN:BTIH:{HEX.upper()}",
        f"magnet:?xt=urn:btih:{base64.b32encode(HASH).decode()}",
        f"magnet:?xt=urn:btih:{base64.b32encode(HASH).decode().lower()}",
        f"  magnet:?dn=x&xt.1=urn:btih:{HEX}\n",
        f"magnet:?xt=urn%3Abtih%3A{HEX}",
        f"magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:1220{'ab' * 32}",
        f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{HEX.upper()}",
        f"magnet:?xt=urn:sha1:ABC&xt=urn:btih:{HEX}",
    ],
)
def test_info_hash(text: str) -> None:
    assert magnet.parse(text).info_hash == HASH


def test_all_parts() -> None:
    text = (
        f"magnet:?xt=urn:btih:{HEX}&dn=Some+File%20%C3%A9.bin&tr=http%3A%2F%2Fa%2Fannounce&tr.1=udp://b:80&amp;tr=udp://b:80"
        "&tr=nonsense&ws=http://w/f&ws=udp://w&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:6882&x.pe=host.example:1&x.pe=bad&x.pe=h:0"
        "&x.pe=h:65536&xl=123&unknown=1&&=&dn"
    )
    assert magnet.parse(text) == magnet.Magnet(
        info_hash=metainfo.InfoHash(HASH),
        name="Some File é.bin",
        trackers=("http://a/announce", "udp://b:80"),
        web_seeds=("http://w/f",),
        peers=(("192.0.2.1", 6881), ("2001:db8::1", 6882), ("host.example", 1)),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not a magnet link"),
        ("http://a/b.torrent", "not a magnet link"),
        ("magnet:", "not a magnet link"),
        ("magnet:?", "no info-hash"),
        ("magnet:?dn=x", "no info-hash"),
        ("magnet:?xt=urn:sha1:ABC", "no info-hash"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 32}", "version 2 only"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}", "damaged"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}x", "damaged"),
        (f"magnet:?xt=urn:btih:{'é' * 40}", "damaged"),
        (f"magnet:?xt=urn:btih:{'1' * 32}", "damaged"),
        ("magnet:?xt=urn:btih:", "damaged"),
        (f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{'0' * 40}", "two different"),
    ],
)
def test_bad_links_get_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(MagnetError, match=sentence):
        magnet.parse(text)


def test_limits() -> None:
    head = f"magnet:?xt=urn:btih:{HEX}"
    assert magnet.parse(head + "&" + "x" * (magnet.MAX_LINK - len(head) - 1)).info_hash == HASH
    with pytest.raises(MagnetError, match="longer"):
        magnet.parse(head + "&" + "x" * (magnet.MAX_LINK - len(head)))
    many = head + "".join(f"&tr=udp://t{n}&ws=http://w{n}&x.pe=h{n}:1" for n in range(300))
    parsed = magnet.parse(many)
    assert len(parsed.trackers) == metainfo.MAX_TRACKERS
    assert len(parsed.web_seeds) == metainfo.MAX_WEB_SEEDS
    assert len(parsed.peers) == magnet.MAX_PEERS


def test_the_name_cannot_move_the_cursor() -> None:
    assert magnet.parse(f"magnet:?xt=urn:btih:{HEX}&dn=a%1B%5B2J%E2%80%AEb%FF").name == "a [2J b\ufffd"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.torrent")), ids=lambda path: path.stem)
def test_the_link_of_a_torrent_says_the_same(path: Path) -> None:
    torrent = metainfo.load(path)
    parsed = magnet.parse(magnet.link(torrent))
    assert parsed.info_hash == torrent.info_hash
    assert parsed.name == torrent.name
    assert parsed.trackers == tuple(url for tier in torrent.trackers for url in tier)
    assert parsed.web_seeds == torrent.web_seeds


@given(st.text(max_size=200))
def test_any_text_parses_or_raises_magnet_error(text: str) -> None:
    for link in (text, "magnet:?" + text, f"magnet:?xt=urn:btih:{HEX}&" + text):
        with contextlib.suppress(MagnetError):
            magnet.parse(link)


def test_damaged_links_parse_or_raise_magnet_error() -> None:
    chance = random.Random(4)
    whole = f"magnet:?xt=urn:btih:{HEX}&dn=name&tr=http%3A%2F%2Fa&x.pe=1.2.3.4:5&ws=http://w/"
    for _ in range(5_000):
        text = list(whole)
        for _ in range(chance.randrange(1, 6)):
            text[chance.randrange(len(text))] = chance.choice(["", "%", "&", "=", "+", "\x00", "é", "\udcff", ":", "%FF", "a"])
        with contextlib.suppress(MagnetError):
            assert len(magnet.parse("".join(text)).info_hash) == 20

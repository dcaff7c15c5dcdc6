"""The announce URL and the answer, whole and hostile."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import TrackerError
from gotorrent.wire.http_tracker import (
    MAX_PEERS,
    AnnounceReply,
    AnnounceRequest,
    announce_url,
    escape_url,
    hide_passkey,
    parse_reply,
)

HASH = bytes.fromhex("123456789abcdef123456789abcdef123456789a")
PEER = b"\xc0\x00\x02\x01\x1a\xe1"  # 192.0.2.1:6881
PEER6 = bytes.fromhex("20010db8000000000000000000000007") + b"\x1a\xe1"


def request(info_hash: bytes = HASH, event: str = "", tracker_id: bytes = b"") -> AnnounceRequest:
    return AnnounceRequest(info_hash, b"-GT0001-\x00 +%&=?#/:;\xff", 6881, 1, 2, 3, event, 50, "0123abcd", tracker_id)


def reply(**fields: object) -> AnnounceReply:
    values = {name.replace("_", " "): value for name, value in fields.items()}
    return parse_reply(bencodepy.encode({"interval": 60} | values))


def raw_values(url: str) -> dict[str, bytes]:
    pairs = (pair.partition("=") for pair in urlsplit(url).query.split("&"))
    return {name: unquote_to_bytes(value) for name, _, value in pairs}


def test_info_hash_is_escaped_byte_by_byte() -> None:
    url = announce_url("http://tracker.example/announce", request())
    assert "?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&" in url


@given(st.binary(min_size=20, max_size=20))
def test_any_info_hash_arrives_as_it_is(info_hash: bytes) -> None:
    url = announce_url("http://tracker.example/announce?passkey=p%20q", request(info_hash))
    assert raw_values(url)["info_hash"] == info_hash
    assert "+" not in url
    assert " " not in url


def test_every_parameter_of_bep_3() -> None:
    url = announce_url("http://tracker.example/announce", request(event="started", tracker_id=b"a b"))
    assert raw_values(url) == {
        "info_hash": HASH,
        "peer_id": request().peer_id,
        "port": b"6881",
        "uploaded": b"1",
        "downloaded": b"2",
        "left": b"3",
        "compact": b"1",
        "no_peer_id": b"1",
        "numwant": b"50",
        "key": b"0123abcd",
        "event": b"started",
        "trackerid": b"a b",
    }
    assert "event" not in announce_url("http://tracker.example/announce", request())


@pytest.mark.parametrize(
    ("tracker", "start"),
    [
        ("http://t.example/announce", "http://t.example/announce?info_hash="),
        ("http://t.example/announce?passkey=1", "http://t.example/announce?passkey=1&info_hash="),
        ("http://t.example/announce?", "http://t.example/announce?info_hash="),
        ("http://t.example/announce?a=1&", "http://t.example/announce?a=1&info_hash="),
        ("http://t.example/announce#part", "http://t.example/announce?info_hash="),
        ("http://t.example", "http://t.example?info_hash="),
        ("http://t.example/100%/a%2fb", "http://t.example/100%25/a%2fb?info_hash="),
        ("http://t.example/a\r\nHost: evil/ü", "http://t.example/a%0D%0AHost:%20evil/%C3%BC?info_hash="),
    ],
)
def test_query_is_joined_to_any_url(tracker: str, start: str) -> None:
    assert announce_url(tracker, request()).startswith(start)


def test_stray_percent_is_escaped_and_escapes_are_kept() -> None:
    assert escape_url("http://h/%/%2/%zz/%20/%Aa%") == "http://h/%25/%252/%25zz/%20/%Aa%25"


def test_full_reply() -> None:
    body = bencodepy.encode(
        {
            "interval": 1800,
            "min interval": 900,
            "complete": 5,
            "incomplete": 7,
            "peers": PEER,
            "peers6": PEER6,
            "tracker id": b"xyz",
            "warning message": "be nice",
            "external ip": b"\xcb\x00\x71\x09",
        }
    )
    assert parse_reply(body) == AnnounceReply(
        interval=1800,
        min_interval=900,
        peers=[("192.0.2.1", 6881), ("2001:db8::7", 6881)],
        seeds=5,
        leechers=7,
        warning="be nice",
        tracker_id=b"xyz",
        external_ip="203.0.113.9",
    )


def test_keys_in_any_order_and_a_line_end_are_read() -> None:
    assert parse_reply(b"d5:peers0:8:intervali60ee\r\n").interval == 60


def test_dictionary_peers() -> None:
    peers = [
        {"ip": "192.0.2.1", "port": 6881, "peer id": b"x" * 20},
        {"ip": "2001:db8::7", "port": 6881},
        {"ip": "::ffff:192.0.2.9", "port": 1},
        {"ip": "peer.example", "port": 6881},
        {"ip": "192.0.2.2", "port": 0},
        {"ip": "192.0.2.2", "port": 65536},
        {"ip": "192.0.2.2", "port": -1},
        {"ip": "192.0.2.3"},
        {"port": 1},
        {"ip": 7, "port": 1},
        {"ip": b"\xff\xfe", "port": 1},
        "not a peer",
        7,
    ]
    assert reply(peers=peers).peers == [("192.0.2.1", 6881), ("2001:db8::7", 6881), ("192.0.2.9", 1)]


@pytest.mark.parametrize("extra", range(1, 6))
def test_odd_compact_lengths_cost_only_the_cut_peer(extra: int) -> None:
    assert reply(peers=PEER + PEER[:extra], peers6=PEER6 + PEER6[: 3 * extra]).peers == [
        ("192.0.2.1", 6881),
        ("2001:db8::7", 6881),
    ]


@pytest.mark.parametrize(
    "host",
    [bytes(4), b"\x00\x01\x02\x03", b"\xe0\x00\x00\x01", b"\xff\xff\xff\xff", b"\xf0\x00\x00\x01"],
)
def test_addresses_that_nobody_has_are_dropped(host: bytes) -> None:
    assert reply(peers=host + b"\x1a\xe1" + PEER).peers == [("192.0.2.1", 6881)]


@pytest.mark.parametrize("host", ["00" * 16, "ff02" + "00" * 13 + "01", "fe80" + "00" * 13 + "01"])
def test_ipv6_addresses_that_nobody_has_are_dropped(host: str) -> None:
    assert reply(peers6=bytes.fromhex(host) + b"\x1a\xe1" + PEER6).peers == [("2001:db8::7", 6881)]


def test_local_peers_stay_and_port_0_goes() -> None:
    local = b"\x7f\x00\x00\x01\x00\x01" + b"\x0a\x00\x00\x01\x00\x02" + b"\x7f\x00\x00\x01\x00\x00"
    assert reply(peers=local).peers == [("127.0.0.1", 1), ("10.0.0.1", 2)]


def test_peers_are_bounded_and_each_comes_once() -> None:
    many = b"".join(bytes([10, 1, number >> 8, number & 255, 0, 1]) for number in range(MAX_PEERS + 1))
    assert len(reply(peers=many).peers) == MAX_PEERS
    assert reply(peers=PEER * 3).peers == [("192.0.2.1", 6881)]


@pytest.mark.parametrize("value", [-1, 2**63, "soon", [], {}, b"1" * 10])
def test_wrong_numbers_count_as_not_given(value: object) -> None:
    answer = reply(interval=value, complete=value, incomplete=value, peers="", min_interval=value)
    assert (answer.interval, answer.min_interval, answer.seeds, answer.leechers) == (1800, None, None, None)


@pytest.mark.parametrize("value", [7, [], {}, b"123", b"1" * 17])
def test_wrong_types_elsewhere_count_as_not_given(value: object) -> None:
    answer = reply(external_ip=value, peers6=value)
    assert (answer.external_ip, answer.peers) == (None, [])
    if not isinstance(value, bytes):
        answer = reply(warning_message=value, tracker_id=value, peers=value)
        assert (answer.warning, answer.tracker_id, answer.peers) == ("", b"", [])


@pytest.mark.parametrize(
    ("fields", "retry_after"),
    [
        ({}, None),
        ({"interval": 60}, 60),
        ({"interval": 60, "min interval": 30}, 30),
        ({"interval": 60, "retry in": "5"}, 300),
        ({"retry in": 5}, 300),
        ({"interval": 60, "retry in": "never"}, math.inf),
        ({"interval": 60, "retry in": "soon"}, 60),
        ({"interval": 60, "retry in": []}, 60),
    ],
)
def test_failure_reason_with_its_wish(fields: dict[str, object], retry_after: float | None) -> None:
    with pytest.raises(TrackerError, match='refused: "unregistered torrent"') as caught:
        parse_reply(bencodepy.encode({"failure reason": "unregistered torrent"} | fields))
    assert caught.value.retry_after == retry_after


def test_words_of_a_tracker_are_one_short_printable_line() -> None:
    assert reply(warning_message=b"a\n\x1b[31mb\xff" + b"c" * 5000).warning.startswith("a ?[31mb\ufffdccc")
    with pytest.raises(TrackerError) as caught:
        parse_reply(bencodepy.encode({"failure reason": b"x" * 100_000}))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html></html>", "a web page instead"),
        (b"\r\n  <html>", "a web page instead"),
        (b"", "nothing at all"),
        (b"garbage", "not a tracker's answer"),
        (b"le", "no dictionary"),
        (b"i7e", "no dictionary"),
        (b"de", "neither peers nor an interval"),
        (b"d8:intervali60e", "not a tracker's answer"),
        (b"d8:intervali60eed", "not a tracker's answer"),
        (b"d1:a" + b"l" * 40 + b"e" * 41, "more than 32"),
        (b"d1:ai1e-6:", "not a tracker's answer"),
    ],
)
def test_answers_that_are_none(body: bytes, words: str) -> None:
    with pytest.raises(TrackerError, match=words):
        parse_reply(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_tracker_error(body: bytes) -> None:
    for data in (body, bencodepy.encode({"interval": 60, "peers": body, "peers6": body})):
        try:
            parse_reply(data)
        except TrackerError:
            continue


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:8080/announce", "http://localhost:8080/announce"),
        ("https://t.example/0123456789abcdef0123456789abcdef/announce", "https://t.example/.../announce"),
        ("https://t.example/announce/0123456789abcdef", "https://t.example/announce/..."),
        ("https://t.example/ABCDEFGHIJKLMNOPQRSTUVWX/announce.php", "https://t.example/.../announce.php"),
        ("https://t.example/announce.php?passkey=secret&id=7", "https://t.example/announce.php?passkey=...&id=..."),
        ("https://t.example/announce?secret", "https://t.example/announce?..."),
        ("https://me:secret@t.example/announce", "https://t.example/announce"),
        ("http://[2001:db8::7]:80/announce", "http://[2001:db8::7]:80/announce"),
        ("http://t.example/debian-12.5.0-amd64-netinst.iso.torrent", "http://t.example/debian-12.5.0-amd64-netinst.iso.torrent"),
        ("http://[bad/announce", "an unreadable URL"),
        ("http://t.example/a\x1b[31m", "http://t.example/a?[31m"),
    ],
)
def test_passkeys_are_hidden_and_the_rest_is_told(url: str, shown: str) -> None:
    assert hide_passkey(url) == shown


def test_our_own_query_reads_back_with_the_standard_library() -> None:
    assert dict(parse_qsl(urlsplit(announce_url("http://t.example/?x=1", request())).query, encoding="latin-1"))["x"] == "1"

from __future__ import annotations

from urllib.parse import quote_from_bytes

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.config import TrackerConfig
from gotorrent.tracker import announce as module
from gotorrent.tracker.announce import MAX_QUERY, MAX_SCRAPE, announce, as_reachable, failure, scrape
from gotorrent.tracker.swarms import Swarms
from gotorrent.wire.compact import PEER4, PEER6, pack_host, pack_peer, unpack_peers

INFO_HASH = bytes.fromhex("123456789abcdef123456789abcdef123456789a")
PEER_ID = b"-GT0100-+ &=%\xff\x00\xe9\x20abc"
LAN = "198.51.100.1"


@pytest.fixture
def swarms():
    return Swarms(TrackerConfig())


def query(**fields):
    """A query string as a client makes it; a field that is None is left out."""
    values = {"info_hash": INFO_HASH, "peer_id": PEER_ID, "port": 6881, "uploaded": 0, "downloaded": 0, "left": 7, **fields}
    encoded = (
        (name, value if isinstance(value, bytes) else str(value).encode()) for name, value in values.items() if value is not None
    )
    return "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in encoded).encode()


def ask(swarms, source="198.51.100.7", local=LAN, now=0.0, **fields):
    answer = announce(swarms, query(**fields), source, local, now)
    decoded = bencodepy.decode(answer)
    assert bencodepy.encode(decoded) == answer, "keys sorted, nothing behind the end"
    return decoded


def peers(answer):
    return unpack_peers(answer[b"peers"], PEER4) + unpack_peers(answer.get(b"peers6", b""), PEER6)


def reason(swarms, **fields):
    answer = ask(swarms, **fields)
    assert set(answer) == {b"failure reason"}
    return answer[b"failure reason"].decode()


class TestAnswer:
    def test_first_and_second_peer(self, swarms):
        assert ask(swarms, event="started") == {
            b"complete": 0,
            b"downloaded": 0,
            b"incomplete": 1,
            b"interval": 60,
            b"min interval": 15,
            b"peers": b"",
        }
        assert peers(ask(swarms, source="198.51.100.8")) == [("198.51.100.7", 6881)]

    def test_the_check_string_of_the_bep_names_the_torrent(self, swarms):
        announce(
            swarms,
            b"info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=" + b"a" * 20 + b"&port=1&left=0",
            "192.0.2.1",
            "",
            0,
        )
        assert swarms.scrape(INFO_HASH) == (1, 0, 0)

    def test_plus_stays_plus(self, swarms):
        announce(swarms, b"info_hash=" + b"+" * 20 + b"&peer_id=" + b"+" * 20 + b"&port=1&left=0", "192.0.2.1", "", 0)
        assert swarms.scrape(b"+" * 20) == (1, 0, 0)
        assert swarms.scrape(b" " * 20) == (0, 0, 0)

    def test_started_completed_stopped(self, swarms):
        ask(swarms, event="started")
        answer = ask(swarms, event="completed", left=0)
        assert (answer[b"complete"], answer[b"incomplete"], answer[b"downloaded"]) == (1, 0, 1)
        answer = ask(swarms, event="stopped", left=0)
        assert (answer[b"complete"], answer[b"incomplete"], answer[b"peers"]) == (0, 0, b"")

    def test_stopped_gets_no_peers_whatever_it_wants(self, swarms):
        ask(swarms, source="192.0.2.1")
        assert ask(swarms, event="stopped", numwant=50)[b"peers"] == b""

    def test_an_unknown_event_is_a_regular_announce(self, swarms):
        assert ask(swarms, event="paused")[b"incomplete"] == 1

    @pytest.mark.parametrize(
        ("numwant", "given"), [(None, 50), (-1, 50), (0, 0), (1, 1), (199, 199), (200, 200), (201, 200), (10**19, 200)]
    )
    def test_numwant(self, swarms, numwant, given):
        for number in range(250):
            ask(swarms, port=1000 + number, numwant=0)
        assert len(peers(ask(swarms, numwant=numwant))) == given

    def test_both_families_whoever_asks(self, swarms):
        ask(swarms, source="192.0.2.1")
        ask(swarms, source="2001:db8::1")
        expected = [("192.0.2.1", 6881), ("2001:db8::1", 6881)]
        assert peers(ask(swarms, source="192.0.2.2", left=0)) == expected
        assert peers(ask(swarms, source="2001:db8::2", left=0)) == expected

    def test_no_peers6_key_without_ipv6_peers(self, swarms):
        ask(swarms)
        assert b"peers6" not in ask(swarms, source="192.0.2.2")

    def test_ipv4_through_a_socket_of_both_families(self, swarms):
        ask(swarms, source="::ffff:192.0.2.1", local="::ffff:198.51.100.1")
        assert ask(swarms, source="192.0.2.2")[b"peers"] == pack_peer("192.0.2.1", 6881)

    def test_the_ip_parameter_is_ignored(self, swarms):
        ask(swarms, source="192.0.2.1", ip="203.0.113.66", ipv4="203.0.113.66:1", ipv6="[2001:db8::66]:1")
        assert peers(ask(swarms, source="192.0.2.2")) == [("192.0.2.1", 6881)]

    def test_min_interval_is_never_over_the_interval(self):
        swarms = Swarms(TrackerConfig(announce_interval=10, min_interval=15))
        answer = ask(swarms)
        assert (answer[b"interval"], answer[b"min interval"]) == (10, 10)

    def test_a_full_tracker_says_so(self):
        swarms = Swarms(TrackerConfig(max_peers=1))
        ask(swarms)
        assert "full" in reason(swarms, port=2)


class TestDictionaries:
    def test_with_and_without_peer_id(self, swarms):
        ask(swarms, source="192.0.2.1")
        ask(swarms, source="2001:db8::1")
        answer = ask(swarms, source="192.0.2.2", compact=0, left=0)
        assert answer[b"peers"] == [
            {b"ip": b"192.0.2.1", b"peer id": PEER_ID, b"port": 6881},
            {b"ip": b"2001:db8::1", b"peer id": PEER_ID, b"port": 6881},
        ]
        answer = ask(swarms, source="192.0.2.2", compact=0, no_peer_id=1, left=0)
        assert answer[b"peers"] == [{b"ip": b"192.0.2.1", b"port": 6881}, {b"ip": b"2001:db8::1", b"port": 6881}]

    def test_compact_unless_refused(self, swarms):
        assert ask(swarms)[b"peers"] == b""
        assert ask(swarms, compact=1)[b"peers"] == b""
        assert ask(swarms, compact=0)[b"peers"] == []

    def test_loopback_peers_keep_their_id_under_the_trackers_address(self, swarms):
        ask(swarms, source="127.0.0.1", local="127.0.0.1")
        assert ask(swarms, compact=0)[b"peers"] == [{b"ip": LAN.encode(), b"peer id": PEER_ID, b"port": 6881}]


class TestLoopback:
    def test_another_machine_gets_the_address_at_which_it_asked(self, swarms):
        ask(swarms, source="127.0.0.1", local="127.0.0.1", port=1111)
        ask(swarms, source="::1", local="::1", port=2222)
        answer = ask(swarms, source="192.0.2.9")
        assert sorted(peers(answer)) == [(LAN, 1111), (LAN, 2222)]
        answer = ask(swarms, source="2001:db8::9", local="2001:db8::1", left=0)
        assert sorted(peers(answer)) == [("192.0.2.9", 6881), ("2001:db8::1", 1111), ("2001:db8::1", 2222)]

    def test_the_same_machine_gets_loopback(self, swarms):
        ask(swarms, source="127.0.0.1", local="127.0.0.1", port=1111)
        assert peers(ask(swarms, source="127.0.0.1", local="127.0.0.1", port=2222, left=0)) == [("127.0.0.1", 1111)]
        assert ("127.0.0.1", 1111) in peers(ask(swarms, source="::1", local="::1", port=3333))

    def test_it_is_not_handed_to_itself_under_its_other_address(self, swarms):
        ask(swarms, source="127.0.0.1", local="127.0.0.1")
        assert peers(ask(swarms, source=LAN, local=LAN)) == []

    def test_one_client_with_two_addresses_is_handed_out_once(self, swarms):
        ask(swarms, source="127.0.0.1", local="127.0.0.1")
        ask(swarms, source=LAN, local=LAN)
        assert peers(ask(swarms, source="192.0.2.9")) == [(LAN, 6881)]

    @pytest.mark.parametrize("local", ["", "127.0.0.1"])
    def test_left_out_when_our_address_is_not_known(self, swarms, local):
        ask(swarms, source="127.0.0.1", local="127.0.0.1")
        assert peers(ask(swarms, source="192.0.2.9", local=local)) == []

    def test_a_port_or_number_that_only_looks_like_loopback_stays(self):
        peers4 = pack_peer("192.127.0.1", 0x7F00) + pack_peer("10.0.0.127", 127)
        peers6 = pack_host("2001:db8::1") + b"\0\1" + pack_host("2001:db8::2") + b"\0\1"
        assert as_reachable(peers4, peers6, pack_peer("192.0.2.1", 1), pack_host(LAN)) == (peers4, peers6)


class TestRefusals:
    @pytest.mark.parametrize("name", ["info_hash", "peer_id", "port", "left"])
    def test_a_missing_field_is_named(self, swarms, name):
        assert reason(swarms, **{name: None}).startswith(f"{name} is missing")

    @pytest.mark.parametrize("length", [0, 1, 19, 21, 32])
    def test_info_hash_of_a_wrong_length(self, swarms, length):
        assert reason(swarms, info_hash=bytes(length)) == f"info_hash has {length} bytes, it must have 20"

    def test_info_hash_in_hex_digits(self, swarms):
        assert "not their hex digits" in reason(swarms, info_hash=INFO_HASH.hex())

    def test_a_hash_that_was_decoded_as_text_is_noticed(self, swarms):
        assert "it must have 20" in reason(swarms, info_hash=INFO_HASH.decode("utf-8", "replace"))

    @pytest.mark.parametrize("length", [0, 19, 21])
    def test_peer_id_of_a_wrong_length(self, swarms, length):
        assert reason(swarms, peer_id=bytes(length)) == f"peer_id has {length} bytes, it must have 20"

    @pytest.mark.parametrize("port", [0, -1, 65536, 10**19])
    def test_ports_nobody_can_reach(self, swarms, port):
        assert reason(swarms, port=port) == f"port {port} cannot be reached by anybody: it must be 1 to 65535"

    @pytest.mark.parametrize("name", ["port", "left", "numwant"])
    @pytest.mark.parametrize(
        "value", ["", "-", "--1", "1.5", "0x10", "one", "1_0", " 1", "1 ", "+1", "٣", "1" * 21, "9" * 5000, b"\xff"]
    )
    def test_what_is_no_number(self, swarms, name, value):
        assert reason(swarms, **{name: value}) == f"{name} is not a number of at most 20 digits"

    def test_numbers_of_twenty_digits_are_read(self, swarms):
        assert ask(swarms, left="9" * 20)[b"incomplete"] == 1

    def test_negative_left(self, swarms):
        assert "cannot be negative" in reason(swarms, left=-1)

    @pytest.mark.parametrize("name", ["info_hash", "peer_id", "port", "left", "event", "compact"])
    def test_a_field_given_twice(self, swarms, name):
        twice = query() + f"&{name}=1&{name}=1".encode()
        assert announce(swarms, twice, "192.0.2.1", "", 0) == failure(f"{name} was given twice")

    def test_length_of_the_query(self, swarms):
        start = query() + b"&x="
        longest = start + b"a" * (MAX_QUERY - len(start))
        assert b"interval" in announce(swarms, longest, "192.0.2.1", "", 0)
        assert b"at most 8192 are read" in announce(swarms, longest + b"a", "192.0.2.1", "", 0)
        assert b"at most 8192 are read" in scrape(swarms, longest + b"a")

    def test_a_source_that_is_no_address(self, swarms):
        assert "no usable address" in reason(swarms, source="unix:")

    @given(st.binary(max_size=300))
    def test_any_bytes_get_an_answer(self, data):
        swarms = Swarms(TrackerConfig())
        for answer in (announce(swarms, data, "192.0.2.1", "", 0), scrape(swarms, data)):
            assert isinstance(bencodepy.decode(answer), dict)

    @given(st.sampled_from(sorted(module._WANTED)), st.binary(max_size=40))
    def test_any_value_gets_an_answer_in_words_or_peers(self, name, value):
        swarms = Swarms(TrackerConfig())
        answer = announce(swarms, query(**{name.decode(): value}), "192.0.2.1", "", 0)
        assert isinstance(bencodepy.decode(answer), dict)


class TestScrape:
    def scraped(self, swarms, *hashes):
        query = "&".join(f"info_hash={quote_from_bytes(info_hash, safe='')}" for info_hash in hashes).encode()
        answer = scrape(swarms, query)
        decoded = bencodepy.decode(answer)
        assert bencodepy.encode(decoded) == answer
        return decoded

    def test_counts_of_several(self, swarms):
        ask(swarms, port=1)
        ask(swarms, port=2, left=0)
        ask(swarms, port=1, event="completed", left=0)
        ask(swarms, port=3)
        unknown = b"\x00" * 20
        assert self.scraped(swarms, INFO_HASH, unknown, INFO_HASH) == {
            b"files": {
                unknown: {b"complete": 0, b"downloaded": 0, b"incomplete": 0},
                INFO_HASH: {b"complete": 2, b"downloaded": 1, b"incomplete": 1},
            },
            b"flags": {b"min_request_interval": 15},
        }

    def test_asking_about_all_is_refused(self, swarms):
        for everything in (b"", b"&", b"x=1"):
            assert b"does not list all" in scrape(swarms, everything)

    def test_how_many_at_once(self, swarms):
        hashes = [bytes([number]) * 20 for number in range(MAX_SCRAPE + 1)]
        assert len(self.scraped(swarms, *hashes[:-1])[b"files"]) == 74
        assert b"75 torrents in one scrape" in self.scraped(swarms, *hashes)[b"failure reason"]

    def test_wrong_length(self, swarms):
        assert b"info_hash has 3 bytes" in scrape(swarms, b"info_hash=abc")

    def test_scraping_makes_no_swarm(self, swarms):
        self.scraped(swarms, INFO_HASH)
        assert swarms.totals().torrents == 0

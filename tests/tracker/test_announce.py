from __future__ import annotations

from urllib.parse import quote_from_bytes

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.config import TrackerConfig
from gotorrent.tracker import announce as module
from gotorrent.tracker.announce import MAX_QUERY, MAX_SCRAPE, as_reachable, failure
from gotorrent.tracker.counters import HTTP4, HTTP6
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker, packed
from gotorrent.wire.compact import PEER4, PEER6, pack_host, pack_peer, unpack_peers

INFO_HASH = bytes.fromhex("123456789abcdef123456789abcdef123456789a")
PEER_ID = b"-GT0100-+ &=%\xff\x00\xe9\x20abc"
LAN = "198.51.100.1"


def make_tracker(**settings):
    config = TrackerConfig(**settings)
    return Tracker(config, Swarms(config))


def announce(tracker, query, source, local, now):
    return module.announce(tracker, query, packed(source), packed(local), now, HTTP6 if ":" in source else HTTP4)


def scrape(tracker, query):
    return module.scrape(tracker, query, packed("192.0.2.1"), 0.0, HTTP4)


def counts(tracker, info_hash):
    return tracker.store.scrape([info_hash])[0]


@pytest.fixture
def tracker():
    return make_tracker()


def query(**fields):
    """A query string as a client makes it; a field that is None is left out."""
    values = {"info_hash": INFO_HASH, "peer_id": PEER_ID, "port": 6881, "uploaded": 0, "downloaded": 0, "left": 7, **fields}
    encoded = (
        (name, value if isinstance(value, bytes) else str(value).encode()) for name, value in values.items() if value is not None
    )
    return "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in encoded).encode()


def ask(tracker, source="198.51.100.7", local=LAN, now=0.0, **fields):
    answer = announce(tracker, query(**fields), source, local, now)
    decoded = bencodepy.decode(answer)
    assert bencodepy.encode(decoded) == answer, "keys sorted, nothing behind the end"
    return decoded


def peers(answer):
    return unpack_peers(answer[b"peers"], PEER4) + unpack_peers(answer.get(b"peers6", b""), PEER6)


def reason(tracker, **fields):
    answer = ask(tracker, **fields)
    assert set(answer) == {b"failure reason"}
    return answer[b"failure reason"].decode()


class TestAnswer:
    def test_first_and_second_peer(self, tracker):
        assert ask(tracker, event="started") == {
            b"complete": 0,
            b"downloaded": 0,
            b"incomplete": 1,
            b"interval": 60,
            b"min interval": 15,
            b"peers": b"",
        }
        assert peers(ask(tracker, source="198.51.100.8")) == [("198.51.100.7", 6881)]

    def test_the_check_string_of_the_bep_names_the_torrent(self, tracker):
        announce(
            tracker,
            b"info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=" + b"a" * 20 + b"&port=1&left=0",
            "192.0.2.1",
            "",
            0,
        )
        assert counts(tracker, INFO_HASH) == (1, 0, 0)

    def test_plus_stays_plus(self, tracker):
        announce(tracker, b"info_hash=" + b"+" * 20 + b"&peer_id=" + b"+" * 20 + b"&port=1&left=0", "192.0.2.1", "", 0)
        assert counts(tracker, b"+" * 20) == (1, 0, 0)
        assert counts(tracker, b" " * 20) == (0, 0, 0)

    def test_started_completed_stopped(self, tracker):
        ask(tracker, event="started")
        answer = ask(tracker, event="completed", left=0)
        assert (answer[b"complete"], answer[b"incomplete"], answer[b"downloaded"]) == (1, 0, 1)
        answer = ask(tracker, event="stopped", left=0)
        assert (answer[b"complete"], answer[b"incomplete"], answer[b"peers"]) == (0, 0, b"")

    def test_stopped_gets_no_peers_whatever_it_wants(self, tracker):
        ask(tracker, source="192.0.2.1")
        assert ask(tracker, event="stopped", numwant=50)[b"peers"] == b""

    def test_an_unknown_event_is_a_regular_announce(self, tracker):
        assert ask(tracker, event="paused")[b"incomplete"] == 1

    @pytest.mark.parametrize(
        ("numwant", "given"), [(None, 50), (-1, 50), (0, 0), (1, 1), (199, 199), (200, 200), (201, 200), (10**19, 200)]
    )
    def test_numwant(self, tracker, numwant, given):
        for number in range(250):
            ask(tracker, port=1000 + number, numwant=0)
        assert len(peers(ask(tracker, numwant=numwant))) == given

    def test_both_families_whoever_asks(self, tracker):
        ask(tracker, source="192.0.2.1")
        ask(tracker, source="2001:db8::1")
        expected = [("192.0.2.1", 6881), ("2001:db8::1", 6881)]
        assert peers(ask(tracker, source="192.0.2.2", left=0)) == expected
        assert peers(ask(tracker, source="2001:db8::2", left=0)) == expected

    def test_no_peers6_key_without_ipv6_peers(self, tracker):
        ask(tracker)
        assert b"peers6" not in ask(tracker, source="192.0.2.2")

    def test_ipv4_through_a_socket_of_both_families(self, tracker):
        ask(tracker, source="::ffff:192.0.2.1", local="::ffff:198.51.100.1")
        assert ask(tracker, source="192.0.2.2")[b"peers"] == pack_peer("192.0.2.1", 6881)

    def test_the_ip_parameter_is_ignored(self, tracker):
        ask(tracker, source="192.0.2.1", ip="203.0.113.66", ipv4="203.0.113.66:1", ipv6="[2001:db8::66]:1")
        assert peers(ask(tracker, source="192.0.2.2")) == [("192.0.2.1", 6881)]

    def test_min_interval_is_never_over_the_interval(self):
        tracker = make_tracker(announce_interval=10, min_interval=15)
        answer = ask(tracker)
        assert (answer[b"interval"], answer[b"min interval"]) == (10, 10)

    def test_a_full_tracker_says_so(self):
        tracker = make_tracker(max_peers=1)
        ask(tracker)
        assert "full" in reason(tracker, port=2)


class TestDictionaries:
    def test_no_peer_id_is_kept_so_none_is_given(self, tracker):
        ask(tracker, source="192.0.2.1")
        ask(tracker, source="2001:db8::1")
        expected = [{b"ip": b"192.0.2.1", b"port": 6881}, {b"ip": b"2001:db8::1", b"port": 6881}]
        assert ask(tracker, source="192.0.2.2", compact=0, left=0)[b"peers"] == expected
        assert ask(tracker, source="192.0.2.2", compact=0, no_peer_id=1, left=0)[b"peers"] == expected

    def test_compact_unless_refused(self, tracker):
        assert ask(tracker)[b"peers"] == b""
        assert ask(tracker, compact=1)[b"peers"] == b""
        assert ask(tracker, compact=0)[b"peers"] == []

    def test_loopback_peers_under_the_trackers_address(self, tracker):
        ask(tracker, source="127.0.0.1", local="127.0.0.1")
        assert ask(tracker, compact=0)[b"peers"] == [{b"ip": LAN.encode(), b"port": 6881}]


class TestLoopback:
    def test_another_machine_gets_the_address_at_which_it_asked(self, tracker):
        ask(tracker, source="127.0.0.1", local="127.0.0.1", port=1111)
        ask(tracker, source="::1", local="::1", port=2222)
        answer = ask(tracker, source="192.0.2.9")
        assert sorted(peers(answer)) == [(LAN, 1111), (LAN, 2222)]
        answer = ask(tracker, source="2001:db8::9", local="2001:db8::1", left=0)
        assert sorted(peers(answer)) == [("192.0.2.9", 6881), ("2001:db8::1", 1111), ("2001:db8::1", 2222)]

    def test_the_same_machine_gets_loopback(self, tracker):
        ask(tracker, source="127.0.0.1", local="127.0.0.1", port=1111)
        assert peers(ask(tracker, source="127.0.0.1", local="127.0.0.1", port=2222, left=0)) == [("127.0.0.1", 1111)]
        assert ("127.0.0.1", 1111) in peers(ask(tracker, source="::1", local="::1", port=3333))

    def test_it_is_not_handed_to_itself_under_its_other_address(self, tracker):
        ask(tracker, source="127.0.0.1", local="127.0.0.1")
        assert peers(ask(tracker, source=LAN, local=LAN)) == []

    def test_one_client_with_two_addresses_is_handed_out_once(self, tracker):
        ask(tracker, source="127.0.0.1", local="127.0.0.1")
        ask(tracker, source=LAN, local=LAN)
        assert peers(ask(tracker, source="192.0.2.9")) == [(LAN, 6881)]

    @pytest.mark.parametrize("local", ["", "127.0.0.1"])
    def test_left_out_when_our_address_is_not_known(self, tracker, local):
        ask(tracker, source="127.0.0.1", local="127.0.0.1")
        assert peers(ask(tracker, source="192.0.2.9", local=local)) == []

    def test_a_port_or_number_that_only_looks_like_loopback_stays(self):
        peers4 = pack_peer("192.127.0.1", 0x7F00) + pack_peer("10.0.0.127", 127)
        peers6 = pack_host("2001:db8::1") + b"\0\1" + pack_host("2001:db8::2") + b"\0\1"
        assert as_reachable(peers4, peers6, pack_peer("192.0.2.1", 1), pack_host(LAN)) == (peers4, peers6)


class TestRefusals:
    @pytest.mark.parametrize("name", ["info_hash", "peer_id", "port", "left"])
    def test_a_missing_field_is_named(self, tracker, name):
        assert reason(tracker, **{name: None}).startswith(f"{name} is missing")

    @pytest.mark.parametrize("length", [0, 1, 19, 21, 32])
    def test_info_hash_of_a_wrong_length(self, tracker, length):
        assert reason(tracker, info_hash=bytes(length)) == f"info_hash has {length} bytes, it must have 20"

    def test_info_hash_in_hex_digits(self, tracker):
        assert "not their hex digits" in reason(tracker, info_hash=INFO_HASH.hex())

    def test_a_hash_that_was_decoded_as_text_is_noticed(self, tracker):
        assert "it must have 20" in reason(tracker, info_hash=INFO_HASH.decode("utf-8", "replace"))

    @pytest.mark.parametrize("length", [0, 19, 21])
    def test_peer_id_of_a_wrong_length(self, tracker, length):
        assert reason(tracker, peer_id=bytes(length)) == f"peer_id has {length} bytes, it must have 20"

    @pytest.mark.parametrize("port", [0, -1, 65536, 10**19])
    def test_ports_nobody_can_reach(self, tracker, port):
        assert reason(tracker, port=port) == f"port {port} cannot be reached by anybody: it must be 1 to 65535"

    @pytest.mark.parametrize("name", ["port", "left", "numwant"])
    @pytest.mark.parametrize(
        "value", ["", "-", "--1", "1.5", "0x10", "one", "1_0", " 1", "1 ", "+1", "٣", "1" * 21, "9" * 5000, b"\xff"]
    )
    def test_what_is_no_number(self, tracker, name, value):
        assert reason(tracker, **{name: value}) == f"{name} is not a number of at most 20 digits"

    def test_numbers_of_twenty_digits_are_read(self, tracker):
        assert ask(tracker, left="9" * 20)[b"incomplete"] == 1

    def test_negative_left(self, tracker):
        assert "cannot be negative" in reason(tracker, left=-1)

    @pytest.mark.parametrize("name", ["info_hash", "peer_id", "port", "left", "event", "compact"])
    def test_a_field_given_twice(self, tracker, name):
        twice = query() + f"&{name}=1&{name}=1".encode()
        assert announce(tracker, twice, "192.0.2.1", "", 0) == failure(f"{name} was given twice")

    def test_length_of_the_query(self, tracker):
        start = query() + b"&x="
        longest = start + b"a" * (MAX_QUERY - len(start))
        assert b"interval" in announce(tracker, longest, "192.0.2.1", "", 0)
        assert b"at most 8192 are read" in announce(tracker, longest + b"a", "192.0.2.1", "", 0)
        assert b"at most 8192 are read" in scrape(tracker, longest + b"a")

    def test_a_source_that_is_no_address(self, tracker):
        assert "no usable address" in reason(tracker, source="unix:")

    @given(st.binary(max_size=300))
    def test_any_bytes_get_an_answer(self, data):
        tracker = make_tracker()
        for answer in (announce(tracker, data, "192.0.2.1", "", 0), scrape(tracker, data)):
            assert isinstance(bencodepy.decode(answer), dict)

    @given(st.sampled_from(sorted(module._USED)), st.binary(max_size=40))
    def test_any_value_gets_an_answer_in_words_or_peers(self, name, value):
        tracker = make_tracker()
        answer = announce(tracker, query(**{name.decode(): value}), "192.0.2.1", "", 0)
        assert isinstance(bencodepy.decode(answer), dict)


class TestScrape:
    def scraped(self, tracker, *hashes):
        query = "&".join(f"info_hash={quote_from_bytes(info_hash, safe='')}" for info_hash in hashes).encode()
        answer = scrape(tracker, query)
        decoded = bencodepy.decode(answer)
        assert bencodepy.encode(decoded) == answer
        return decoded

    def test_counts_of_several(self, tracker):
        ask(tracker, port=1)
        ask(tracker, port=2, left=0)
        ask(tracker, port=1, event="completed", left=0)
        ask(tracker, port=3)
        unknown = b"\x00" * 20
        assert self.scraped(tracker, INFO_HASH, unknown, INFO_HASH) == {
            b"files": {
                unknown: {b"complete": 0, b"downloaded": 0, b"incomplete": 0},
                INFO_HASH: {b"complete": 2, b"downloaded": 1, b"incomplete": 1},
            },
            b"flags": {b"min_request_interval": 15},
        }

    def test_asking_about_all_is_refused(self, tracker):
        for everything in (b"", b"&", b"x=1"):
            assert b"does not list all" in scrape(tracker, everything)

    def test_how_many_at_once(self, tracker):
        hashes = [bytes([number]) * 20 for number in range(MAX_SCRAPE + 1)]
        assert len(self.scraped(tracker, *hashes[:-1])[b"files"]) == 74
        assert b"75 torrents in one scrape" in self.scraped(tracker, *hashes)[b"failure reason"]

    def test_wrong_length(self, tracker):
        assert b"info_hash has 3 bytes" in scrape(tracker, b"info_hash=abc")

    def test_scraping_makes_no_swarm(self, tracker):
        self.scraped(tracker, INFO_HASH)
        assert tracker.store.totals().torrents == 0

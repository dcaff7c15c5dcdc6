from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import TrackerError
from gotorrent.wire import udp_tracker
from gotorrent.wire.udp_tracker import (
    ANNOUNCE_REPLY,
    ANNOUNCE_REQUEST,
    HEAD,
    Announced,
    announce_request,
    connect_reply,
    connect_request,
    error_reply,
    read_announced,
    read_connected,
    read_scraped,
    scrape_hashes,
    scrape_reply,
    scrape_request,
    url_data,
)

ID, CALL = b"IDIDIDID", b"call"
HASH, PEER = bytes(range(20)), b"-GT0100-abcdefghijkl"


def test_connect_as_the_bep_writes_it():
    assert connect_request(CALL).hex() == "0000041727101980" + "00000000" + CALL.hex()
    assert connect_reply(CALL, ID) == bytes(4) + CALL + ID
    assert read_connected(connect_reply(CALL, ID), CALL) == ID


def test_announce_as_the_bep_writes_it():
    packet = announce_request(ID, CALL, HASH, PEER, 6881, downloaded=1, left=2, uploaded=3, event=2, key=4, numwant=5)
    numbers = "000000000000000100000000000000020000000000000003000000020000000000000004000000051ae1"
    assert packet.hex() == ID.hex() + "00000001" + CALL.hex() + HASH.hex() + PEER.hex() + numbers
    assert len(packet) == ANNOUNCE_REQUEST.size == 98
    assert ANNOUNCE_REQUEST.unpack_from(packet) == (ID, 1, CALL, HASH, 2, 2, 5, (6881).to_bytes(2, "big"))


def test_numwant_may_be_left_to_the_tracker():
    assert ANNOUNCE_REQUEST.unpack_from(announce_request(ID, CALL, HASH, PEER, 1))[6] == -1


def test_the_answer_to_an_announce_is_read_back():
    packet = ANNOUNCE_REPLY.pack(1, CALL, 60, 7, 8) + b"peers!"
    assert read_announced(packet, CALL) == Announced(60, 7, 8, b"peers!")


def test_scrape_there_and_back():
    hashes = [bytes([number]) * 20 for number in range(74)]
    packet = scrape_request(ID, CALL, hashes)
    assert HEAD.unpack_from(packet) == (ID, 2, CALL)
    assert scrape_hashes(packet) == hashes
    assert scrape_hashes(packet[:-1]) == hashes[:-1]
    assert len(scrape_hashes(packet + bytes(2000))) == 75
    counts = [(number, 2, 3) for number in range(74)]
    answer = scrape_reply(CALL, counts)
    assert len(answer) == 8 + 74 * 12 <= udp_tracker.MAX_REPLY
    assert read_scraped(answer, CALL, 74) == counts
    assert read_scraped(answer + b"more", CALL, 74) == counts


def test_an_error_is_raised_in_its_words_and_cut_to_its_limit():
    with pytest.raises(TrackerError, match=r"^not today$"):
        read_announced(error_reply(CALL, "not today"), CALL)
    with pytest.raises(TrackerError, match="without a reason"):
        read_connected(error_reply(CALL, ""), CALL)
    assert len(error_reply(CALL, "a" * 5000)) == 1400
    assert len(error_reply(CALL, "a" * 5000, 16)) == 16


@pytest.mark.parametrize("packet", [b"", b"\0\0\0\0cal", connect_reply(b"miss", ID), ANNOUNCE_REPLY.pack(1, CALL, 1, 2, 3)])
def test_what_answers_something_else_is_nobodys(packet):
    assert read_connected(packet, CALL) is None


@pytest.mark.parametrize("length", [8, 12, 15])
def test_an_answer_that_is_too_short(length):
    with pytest.raises(TrackerError, match=f"has {length} bytes"):
        read_connected(connect_reply(CALL, ID)[:length], CALL)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        (b"", b""),
        (b"\x02\x09/announce", b"/announce"),
        (b"\x02\x04/ann\x02\x05ounce", b"/announce"),
        (b"\x01\x01\x02\x01/\x00\x02\x01x", b"/"),
        (b"\x02\x05/an", b""),
        (b"\x02", b""),
        (b"\x07\x01x\x02\x01/", b""),
        (bytes(16), b""),
    ],
)
def test_options_of_an_announce(options, url):
    assert url_data(options) == url


@given(st.binary(max_size=600).filter(lambda url: b"\0" not in url))
def test_a_url_of_any_length_goes_through_the_options(url):
    packet = announce_request(ID, CALL, HASH, PEER, 1, url=url)
    assert url_data(packet[98:]) == url


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    url_data(data)
    scrape_hashes(data)
    for read in (read_connected, read_announced):
        try:
            read(data, data[4:8])
        except TrackerError:
            pass

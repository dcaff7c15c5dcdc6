"""The 68 bytes that open a connection (BEP 3), and the names in peer ids (BEP 20)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent import __version__
from gotorrent.errors import PeerError
from gotorrent.wire import handshake

HASH, ID = bytes(range(20)), b"-GT0100-abcdefghijkl"
WHOLE = b"\x13BitTorrent protocol" + bytes(8) + HASH + ID


def test_the_bytes_are_those_of_bep_3() -> None:
    assert handshake.encode(HASH, ID) == WHOLE
    assert len(WHOLE) == handshake.LENGTH == 68


def test_what_comes_is_taken_apart_whatever_the_reserved_bits_say() -> None:
    reserved = b"\x80\0\0\0\0\x10\0\x05"
    found = handshake.decode(WHOLE[:20] + reserved + WHOLE[28:])
    assert (found.reserved, found.info_hash, found.peer_id) == (reserved, HASH, ID)


@pytest.mark.parametrize("length", [0, 1, 19, 20, 48, 67, 69, 136])
def test_any_other_length_is_refused(length: int) -> None:
    with pytest.raises(PeerError, match=f"{length} bytes instead of 68"):
        handshake.decode((WHOLE * 2)[:length])


@pytest.mark.parametrize("length", range(69))
def test_every_beginning_of_a_handshake_may_go_on(length: int) -> None:
    handshake.check_prefix(WHOLE[:length])


@pytest.mark.parametrize("position", range(20))
def test_another_protocol_is_refused_at_its_first_strange_byte(position: int) -> None:
    wrong = bytearray(WHOLE)
    wrong[position] ^= 1
    handshake.check_prefix(wrong[:position])
    for length in (position + 1, 20, 68):
        with pytest.raises(PeerError, match="does not speak BitTorrent"):
            handshake.check_prefix(bytes(wrong[:length]))
    with pytest.raises(PeerError):
        handshake.decode(bytes(wrong))


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-OpenSSH_9", b"\0" * 68])
def test_other_protocols_are_refused(hello: bytes) -> None:
    with pytest.raises(PeerError, match="does not speak BitTorrent"):
        handshake.check_prefix(hello)


@given(st.binary(max_size=100) | st.binary(min_size=48, max_size=48).map(lambda rest: WHOLE[:20] + rest))
def test_random_bytes_are_a_handshake_or_a_peer_error(data: bytes) -> None:
    try:
        found = handshake.decode(data)
    except PeerError:
        assert len(data) != 68 or not data.startswith(handshake.PROTOCOL)
    else:
        assert data == handshake.PROTOCOL + found.reserved + found.info_hash + found.peer_id


def test_a_new_peer_id_names_us_and_is_not_guessable() -> None:
    ids = {handshake.new_peer_id() for _ in range(100)}
    assert len(ids) == 100
    for peer_id in ids:
        assert len(peer_id) == 20
        assert handshake.client_name(peer_id).startswith("GoTorrent")
        assert peer_id[3:8] == f"{__version__.replace('.', '')[:4]:0<4}-".encode()


@pytest.mark.parametrize(
    ("peer_id", "name"),
    [
        (b"-GT0100-abcdefghijkl", "GoTorrent 0.1.0"),
        (b"-LT2110-abcdefghijkl", "libtorrent 2.1.1"),
        (b"-TR3000-abcdefghijkl", "Transmission 3.0.0"),
        (b"-TR40B0-abcdefghijkl", "Transmission 40B0"),
        (b"-lt0D80-abcdefghijkl", "rTorrent 0D80"),
        (b"-qB4650-abcdefghijkl", "qBittorrent 4.6.5"),
        (b"-XY1200-abcdefghijkl", "XY 1.2.0"),
        (b"A2-1-36-0-abcdefghij", "aria2"),
        (b"M7-10-5--abcdefghijk", ""),
        (b"-LT2110xabcdefghijkl", ""),
        (b"-\xff\xfe2110-abcdefghijkl", ""),
        (b"-<b>\x1b[1-abcdefghijkl", ""),
        (bytes(20), ""),
        (b"", ""),
        (b"-", ""),
    ],
)
def test_the_name_of_a_client(peer_id: bytes, name: str) -> None:
    assert handshake.client_name(peer_id) == name


@given(st.binary(max_size=30))
def test_a_client_name_is_short_printable_ascii(peer_id: bytes) -> None:
    name = handshake.client_name(peer_id)
    assert name.isascii()
    assert name == "" or name.isprintable()
    assert len(name) < 30

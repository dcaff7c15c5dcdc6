"""Cutting a stream into messages: whole, byte by byte, at every split point; lengths at their limit and one past it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import PeerError
from gotorrent.wire import messages as wire
from gotorrent.wire.stream import MAX_BLOCK, MAX_UNKNOWN, Framing

BITFIELD_SIZE = 3
SENT = [
    wire.encode_bitfield(b"\xff\x00\x80"),
    wire.encode_keep_alive(),
    wire.encode_flag(wire.UNCHOKE),
    wire.encode_have(0),
    wire.encode_keep_alive(),
    wire.encode_keep_alive(),
    wire.encode_request(0, 0, 16384),
    wire.encode_piece(3, 16384, b"block"),
    struct.pack(">IB", 4, 20) + b"ext",
    wire.encode_cancel(0, 0, 16384),
    wire.encode_keep_alive(),
]
STREAM = b"".join(SENT)
WANTED = [(message[4] if len(message) > 4 else wire.KEEP_ALIVE, message[5:]) for message in SENT]

Found = list[tuple[int, bytes]]


def cut(data: bytes, room: int = 0) -> tuple[Found, int]:
    """What one `split` finds in a buffer that has `room` more bytes of old rubbish behind `data`."""
    buffer = bytearray(data) + b"\xaa" * room
    messages, end = Framing(BITFIELD_SIZE).split(buffer, len(data))
    return [(kind, bytes(buffer[start:stop])) for kind, start, stop in messages], end


def feed(chunks: list[bytes]) -> tuple[Found, bytes]:
    """What a connection finds that gets the stream in these chunks, and what is left over."""
    found: Found = []
    rest = b""
    for chunk in chunks:
        rest += chunk
        some, end = cut(rest, 9)
        found += some
        rest = rest[end:]
    return found, rest


def header(length: int, kind: int) -> bytes:
    return struct.pack(">IB", length, kind)


def test_whole() -> None:
    assert cut(STREAM) == (WANTED, len(STREAM))


def test_one_byte_at_a_time() -> None:
    assert feed([STREAM[at : at + 1] for at in range(len(STREAM))]) == (WANTED, b"")


def test_every_split_point() -> None:
    for at in range(len(STREAM) + 1):
        assert feed([STREAM[:at], STREAM[at:]]) == (WANTED, b""), at


def test_the_beginning_of_another_message_stays() -> None:
    for tail in (b"\0", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\5\4", b"\0\0\0\5\4\0\0\0", b"\0\0\x40\x09\x07" + b"x" * 100):
        assert feed([STREAM + tail]) == (WANTED, tail)


def test_bytes_behind_the_end_are_never_looked_at() -> None:
    assert cut(b"\0\0\0", room=50) == ([], 0)
    assert cut(b"", room=50) == ([], 0)


def test_keep_alives_alone() -> None:
    for count in range(1, 5):
        assert cut(bytes(4 * count)) == ([(wire.KEEP_ALIVE, b"")] * count, 4 * count)
        assert cut(bytes(4 * count + 3))[1] == 4 * count


LEGAL = {
    wire.CHOKE: (1, 1),
    wire.UNCHOKE: (1, 1),
    wire.INTERESTED: (1, 1),
    wire.NOT_INTERESTED: (1, 1),
    wire.HAVE: (5, 5),
    wire.BITFIELD: (1 + BITFIELD_SIZE, 1 + BITFIELD_SIZE),
    wire.REQUEST: (13, 13),
    wire.PIECE: (10, 9 + MAX_BLOCK),
    wire.CANCEL: (13, 13),
    9: (1, 1 + MAX_UNKNOWN),
    20: (1, 1 + MAX_UNKNOWN),
    255: (1, 1 + MAX_UNKNOWN),
}


@pytest.mark.parametrize("kind", LEGAL)
def test_lengths_at_their_limits(kind: int) -> None:
    for length in LEGAL[kind]:
        payload = bytes(length - 1)
        assert cut(header(length, kind) + payload) == ([(kind, payload)], 4 + length)


@pytest.mark.parametrize("kind", LEGAL)
def test_lengths_one_past_their_limits_are_refused_with_the_fifth_byte(kind: int) -> None:
    low, high = LEGAL[kind]
    for length in {low - 1, high + 1, 2**31, 2**32 - 1} - {0}:
        assert cut(header(length, kind)[:4]) == ([], 0)
        with pytest.raises(PeerError, match=f"of {length} bytes, it may have"):
            cut(header(length, kind))


def test_the_sentence_names_the_message_and_what_it_may_have() -> None:
    with pytest.raises(PeerError, match=r"a have message of 6 bytes, it may have 5$"):
        cut(header(6, wire.HAVE))
    with pytest.raises(PeerError, match=r"a piece message of 9 bytes, it may have 10 to 16393$"):
        cut(header(9, wire.PIECE))
    with pytest.raises(PeerError, match=r"a type 21 message of"):
        cut(header(10**6, 21))


def test_a_bad_length_behind_good_messages_is_refused_too() -> None:
    with pytest.raises(PeerError):
        cut(STREAM + header(2, wire.CHOKE))


@pytest.mark.parametrize("size", [1, 2, 1 << 13, 62_500])
def test_the_longest_message_fits_the_buffer_that_is_promised(size: int) -> None:
    framing = Framing(size)
    for kind, length in ((wire.BITFIELD, 1 + size), (wire.PIECE, 9 + MAX_BLOCK), (99, 1 + MAX_UNKNOWN)):
        data = bytearray(header(length, kind) + bytes(length - 1))
        assert len(data) <= framing.longest
        assert framing.split(data, len(data)) == ([(kind, 5, len(data))], len(data))


@given(st.lists(st.binary(max_size=40) | st.sampled_from(SENT), max_size=20))
def test_random_bytes_are_messages_or_a_peer_error_however_they_come(parts: list[bytes]) -> None:
    data = b"".join(parts)

    def outcome(chunks: list[bytes]) -> object:
        try:
            return feed(chunks)
        except PeerError:
            return "refused"

    whole = outcome([data])
    assert outcome([data[at : at + 1] for at in range(len(data))]) == whole
    if whole != "refused":
        found, rest = feed([data])
        again = b"".join(b"\0" * 4 if kind == wire.KEEP_ALIVE else header(1 + len(body), kind) + body for kind, body in found)
        assert again + rest == data

"""The bytes of the peer messages (BEP 3): written out by hand, and read back by our own stream."""

from __future__ import annotations

import pytest

from gotorrent.wire import messages as wire
from gotorrent.wire.stream import Framing


@pytest.mark.parametrize(
    ("message", "raw"),
    [
        (wire.encode_keep_alive(), "00000000"),
        (wire.encode_flag(wire.CHOKE), "00000001 00"),
        (wire.encode_flag(wire.UNCHOKE), "00000001 01"),
        (wire.encode_flag(wire.INTERESTED), "00000001 02"),
        (wire.encode_flag(wire.NOT_INTERESTED), "00000001 03"),
        (wire.encode_have(0x01020304), "00000005 04 01020304"),
        (wire.encode_bitfield(b"\xff\x80"), "00000003 05 ff80"),
        (wire.encode_request(1, 0x4000, 0x4000), "0000000d 06 00000001 00004000 00004000"),
        (wire.encode_piece(7, 0x8000, b"abc"), "0000000c 07 00000007 00008000 616263"),
        (wire.encode_cancel(1, 0x4000, 3), "0000000d 08 00000001 00004000 00000003"),
    ],
)
def test_the_bytes_are_those_of_bep_3(message: bytes, raw: str) -> None:
    assert message == bytes.fromhex(raw)


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**32 - 1])
def test_numbers_have_32_bits_without_sign(number: int) -> None:
    assert wire.INDEX.unpack_from(wire.encode_have(number), 5) == (number,)
    assert wire.BLOCK.unpack_from(wire.encode_request(number, number, number), 5) == (number,) * 3
    assert wire.PIECE_AT.unpack_from(wire.encode_piece(number, number, b"x"), 5) == (number,) * 2


def test_every_message_has_a_name_and_passes_our_own_stream() -> None:
    sent = [
        wire.encode_flag(wire.CHOKE),
        wire.encode_flag(wire.UNCHOKE),
        wire.encode_flag(wire.INTERESTED),
        wire.encode_flag(wire.NOT_INTERESTED),
        wire.encode_have(1),
        wire.encode_bitfield(b"\0\0"),
        wire.encode_request(1, 2, 3),
        wire.encode_piece(1, 2, b"x" * 16384),
        wire.encode_cancel(1, 2, 3),
        wire.encode_keep_alive(),
    ]
    data = b"".join(sent)
    found, end = Framing(2).split(bytearray(data), len(data))
    assert end == len(data)
    assert [kind for kind, _, _ in found] == list(wire.NAMES)
    assert [data[start:stop] for _, start, stop in found] == [message[5:] for message in sent]

"""The messages of the peer wire protocol and their bytes (BEP 3, "peer messages").

`encode` functions give whole messages, length prefix included. What may come in, and how long it may be, is the table in
`stream.py`, which cuts a stream into these messages.
"""

from __future__ import annotations

import struct

CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL = range(9)
KEEP_ALIVE = -1  # has no id on the wire: a length of 0

NAMES = {
    CHOKE: "choke",
    UNCHOKE: "unchoke",
    INTERESTED: "interested",
    NOT_INTERESTED: "not interested",
    HAVE: "have",
    BITFIELD: "bitfield",
    REQUEST: "request",
    PIECE: "piece",
    CANCEL: "cancel",
    KEEP_ALIVE: "keep-alive",
}

PREFIX = struct.Struct(">IB")  # length, id
INDEX = struct.Struct(">I")  # payload of have
BLOCK = struct.Struct(">III")  # payload of request and cancel: piece, begin, length
PIECE_AT = struct.Struct(">II")  # start of the payload of piece: piece, begin
PIECE_HEADER = struct.Struct(">IBII")  # length, id, piece, begin: the 13 bytes before a block

_REQUEST = struct.Struct(">IBIII")
_HAVE = struct.Struct(">IBI")


def encode_keep_alive() -> bytes:
    """Four zero bytes."""
    return bytes(4)


def encode_flag(kind: int) -> bytes:
    """choke, unchoke, interested or not interested: a message of its id alone."""
    return PREFIX.pack(1, kind)


def encode_have(piece: int) -> bytes:
    """ "I have verified this piece." """
    return _HAVE.pack(5, HAVE, piece)


def encode_bitfield(bits: bytes) -> bytes:
    """All pieces that we have, packed."""
    return PREFIX.pack(1 + len(bits), BITFIELD) + bits


def encode_request(piece: int, begin: int, length: int) -> bytes:
    """Ask for `length` bytes at `begin` of a piece."""
    return _REQUEST.pack(13, REQUEST, piece, begin, length)


def encode_cancel(piece: int, begin: int, length: int) -> bytes:
    """Take a request back."""
    return _REQUEST.pack(13, CANCEL, piece, begin, length)


def encode_piece(piece: int, begin: int, block: bytes) -> bytes:
    """One block of content."""
    return PIECE_HEADER.pack(9 + len(block), PIECE, piece, begin) + block

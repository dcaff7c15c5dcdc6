"""Bencode (BEP 3): bytes to values and back, with the place of each value in the bytes.

Decoding goes in two steps. A scanner of our own walks the bytes without recursion and checks bounds, depth, digits, order
and duplicates; it tells where a value ends and where the values of the outermost dictionary lie, which the info-hash and
BEP 9 need. The `bencode.py` package (`bencodepy`) then builds the values, and encodes. It never sees bytes that the scanner
has not accepted: by itself it loops for ever on `d1:ai1e-6:`, takes `i1_0e` and `i+5e`, and does not notice a cut string.

Refused always: trailing bytes, numbers that are not canonical or longer than 20 digits, a key that comes twice (two programs
would read two different torrents). `strict=False` is for .torrent files as they are found: it lets keys stand in any order and
line ends follow the value. bencodepy decodes both faithfully.
"""

from __future__ import annotations

from typing import Any

import bencodepy

from gotorrent.errors import BencodeError

MAX_DEPTH = 100
"""Lists and dictionaries inside each other: the paths of a v2 file tree need the most. Trackers and peers need far less."""

MAX_DIGITS = 20
"""Digits of an integer or a length: 64 bits need 19 or 20. `int()` takes quadratic time on long ones."""

MAX_VALUES = 3_000_000
"""Values in one document. 200 000 files need 1.6 million; ten megabytes of `le` would become half a gigabyte of lists."""

_ZERO, _NINE, _DICT, _END, _INTEGER, _LIST = b"09deil"


def decode(data: bytes, *, strict: bool = True, max_depth: int = MAX_DEPTH) -> Any:
    """The one value that `data` is: int, bytes, list, or dict with bytes keys. Raises BencodeError, also for trailing bytes."""
    return decode_spans(data, strict=strict, max_depth=max_depth)[0]


def decode_spans(data: bytes, *, strict: bool = True, max_depth: int = MAX_DEPTH) -> tuple[Any, dict[bytes, tuple[int, int]]]:
    """`decode`, and for each key of the outermost dictionary the (start, end) of its value in `data`."""
    end, spans = _scan(data, strict, max_depth)
    if end != len(data) and (strict or data[end:].strip(b"\r\n")):
        raise BencodeError(f"{len(data) - end} bytes follow the end of the value at byte {end}")
    return _build(data[:end]), spans


def decode_prefix(data: bytes, *, strict: bool = True, max_depth: int = MAX_DEPTH) -> tuple[Any, int]:
    """The value at the start of `data`, and the offset of the first byte after it (BEP 9 puts a piece there)."""
    end, _ = _scan(data, strict, max_depth)
    return _build(data[:end]), end


def dict_span(data: bytes, key: bytes, *, strict: bool = True, max_depth: int = MAX_DEPTH) -> tuple[int, int]:
    """The (start, end) in `data` of the raw value of `key` in the dictionary that `data` is.

    Raises BencodeError when `data` does not decode, is no dictionary, or lacks the key.
    """
    _, spans = decode_spans(data, strict=strict, max_depth=max_depth)
    if key not in spans:
        raise BencodeError(f"there is no key {key!r} in the dictionary")
    return spans[key]


def encode(value: Any) -> bytes:
    """Canonical bencode of ints, bytes, str (as UTF-8), lists, tuples and dicts. Raises BencodeError for anything else."""
    try:
        encoded: bytes = bencodepy.encode(value)
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as error:
        raise BencodeError(f"bencode holds integers, byte strings, lists and dictionaries only: {error!r}") from None
    return encoded


def _build(data: bytes) -> Any:
    return bencodepy.decode(data)


def _scan(data: bytes, strict: bool, max_depth: int) -> tuple[int, dict[bytes, tuple[int, int]]]:
    """Check the value at the start of `data`; return its end, and the spans of the values of its outermost dictionary."""
    spans: dict[bytes, tuple[int, int]] = {}
    stack: list[list[bytes] | None] = []  # one per open container: the keys so far of a dictionary, None for a list
    position = start = values = 0
    try:
        while True:
            byte = data[position]
            keys = stack[-1] if stack else None
            if byte == _END and stack:
                if keys is not None and len(set(keys)) < len(keys):
                    raise BencodeError(f"a key comes twice in the dictionary that ends at byte {position}")
                stack.pop()
                position += 1
            else:
                if keys is not None:
                    position = _key_end(data, position, keys, strict)
                    byte = data[position]
                values += 1
                if values > MAX_VALUES:
                    raise BencodeError(f"more than {MAX_VALUES} values at byte {position}")
                if len(stack) == 1:
                    start = position
                if _ZERO <= byte <= _NINE:
                    position = _string_span(data, position)[1]
                elif byte == _INTEGER:
                    position = _integer_end(data, position)
                else:
                    if byte != _LIST and byte != _DICT:
                        raise BencodeError(f"no value can begin with {bytes([byte])!r}, at byte {position}")
                    if len(stack) >= min(max_depth, MAX_DEPTH):
                        raise BencodeError(f"more than {len(stack)} lists and dictionaries in each other at byte {position}")
                    stack.append([] if byte == _DICT else None)
                    position += 1
                    continue
            if not stack:
                return position, spans
            if len(stack) == 1 and stack[0]:
                spans[stack[0][-1]] = (start, position)
    except IndexError:
        raise BencodeError(f"the data ends at byte {len(data)} in the middle of a value") from None


def _key_end(data: bytes, position: int, keys: list[bytes], strict: bool) -> int:
    """Check the key at `position`, append it to `keys`, return where its value begins."""
    start, end = _string_span(data, position)
    key = data[start:end]
    if strict and keys and key <= keys[-1]:
        raise BencodeError(f"the keys of a dictionary are not in order, or one comes twice, at byte {position}")
    keys.append(key)
    return end


def _string_span(data: bytes, position: int) -> tuple[int, int]:
    """Check the head of the string at `position`, return where its bytes start and end."""
    colon = data.find(b":", position, position + MAX_DIGITS + 1)
    digits = data[position:colon] if colon > 0 else b""
    if not digits.isdigit() or (digits[0] == _ZERO and len(digits) > 1):
        raise BencodeError(f"no string with a canonical length at byte {position}")
    end = colon + 1 + int(digits)
    if end > len(data):
        raise BencodeError(f"the string at byte {position} ends at {end}, after the end of the data at {len(data)}")
    return colon + 1, end


def _integer_end(data: bytes, position: int) -> int:
    """Check the integer at `position`, return the offset after its `e`."""
    end = data.find(b"e", position + 1, position + MAX_DIGITS + 3)
    number = data[position + 1 : end] if end > 0 else b""
    digits = number[1:] if number[:1] == b"-" else number
    if not digits.isdigit() or len(digits) > MAX_DIGITS or (digits[0] == _ZERO and number != b"0"):
        raise BencodeError(f"no canonical integer of at most {MAX_DIGITS} digits at byte {position}")
    return end + 1

"""Bencode: canonical values only, every error with its place, nothing that hangs."""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import BencodeError
from gotorrent.metainfo import bencode

integers = st.integers(-(10**20) + 1, 10**20 - 1)
values = st.recursive(
    integers | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_what_is_encoded_decodes_to_the_same(value: Any) -> None:
    data = bencode.encode(value)
    assert bencode.decode(data) == value
    assert bencode.decode(data, strict=False) == value
    assert bencode.decode_prefix(data + b"tail") == (value, len(data))


def test_any_bytes_decode_canonically_or_raise_bencode_error() -> None:
    chance = random.Random(1)
    decoded = 0
    for _ in range(40_000):
        data = bytes(chance.choices(b"iiieeeeelldd001112::::-a_ ", k=chance.randrange(1, 14)))
        try:
            value = bencode.decode(data)
        except BencodeError:
            continue
        decoded += 1
        assert bencode.encode(value) == data
        assert bencode.decode(data, strict=False) == value
    assert decoded > 100


def test_any_bytes_decode_leniently_to_a_value_of_the_same_length_or_raise_bencode_error() -> None:
    chance = random.Random(2)
    for _ in range(20_000):
        data = bytes(chance.choices(b"deeelei01123:::ab-", k=chance.randrange(1, 20)))
        try:
            assert len(bencode.encode(bencode.decode(data, strict=False))) == len(data)
        except BencodeError:
            continue


@given(st.binary(max_size=40))
def test_arbitrary_bytes_never_raise_another_error(data: bytes) -> None:
    for strict in (True, False):
        with contextlib.suppress(BencodeError):
            bencode.decode_prefix(data, strict=strict)


@given(values.map(bencode.encode), st.data())
def test_no_cut_value_decodes(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data) - 1))
    for strict in (True, False):
        with pytest.raises(BencodeError):
            bencode.decode(data[:cut], strict=strict)
        with pytest.raises(BencodeError):
            bencode.decode_prefix(data[:cut], strict=strict)


@given(st.dictionaries(st.binary(max_size=4), values, max_size=6))
def test_spans_are_the_raw_values_of_the_outermost_dictionary(table: dict[bytes, Any]) -> None:
    data = bencode.encode(table)
    decoded, spans = bencode.decode_spans(data)
    assert decoded == table
    assert {key: data[start:end] for key, (start, end) in spans.items()} == {k: bencode.encode(v) for k, v in table.items()}
    for key in table:
        assert bencode.dict_span(data, key) == spans[key]


@given(st.dictionaries(st.binary(max_size=4), values, max_size=6), st.randoms())
def test_lenient_takes_keys_in_any_order_and_bencodepy_decodes_them_faithfully(table: dict[bytes, Any], shuffler: Any) -> None:
    pairs = list(table.items())
    shuffler.shuffle(pairs)
    data = b"d" + b"".join(bencode.encode(key) + bencode.encode(value) for key, value in pairs) + b"e"
    decoded, spans = bencode.decode_spans(data, strict=False)
    assert decoded == table
    assert list(spans) == [key for key, _ in pairs]
    if pairs != sorted(pairs, key=lambda pair: pair[0]):
        with pytest.raises(BencodeError, match="order"):
            bencode.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"d1:ai1e-6:",
            b"i1_0e",
            b"i+5e",
            b"i 5e",
            b"i5 e",
            b"i-0e",
            b"i00e",
            b"i05e",
            b"i-e",
            b"ie",
            b"i1",
            b"i",
            b"i1.0e",
            b"i0x1e",
        ),
        *(b"5:ab", b"01:a", b"-1:", b"1_0:aaaaaaaaaa", b"+1:a", b" 1:a", b"1", b":", b"", b"e", b"x", b"\xd9\xa1:a", b"i\xd9\xa1e"),
        *(
            b"l",
            b"li1e",
            b"d",
            b"d1:a",
            b"d1:ae",
            b"di1ei2ee",
            b"dlei1ee",
            b"d1:ai1e1:ai2ee",
            b"lee",
            b"i1ei2e",
            b"i1e ",
            b"d1:ai1ex",
        ),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_refused_in_both_modes(data: bytes, strict: bool) -> None:
    with pytest.raises(BencodeError):
        bencode.decode(data, strict=strict)


@pytest.mark.parametrize("data", [b"d1:bi1e1:ai2ee", b"i1e\n", b"i1e\r\n"])
def test_refused_unless_lenient(data: bytes) -> None:
    bencode.decode(data, strict=False)
    with pytest.raises(BencodeError):
        bencode.decode(data)


def test_duplicate_keys_far_apart_are_refused_though_bencodepy_takes_the_last() -> None:
    data = b"d1:bi1e1:ai2e1:bi3ee"
    assert bencodepy.decode(data) == {b"b": 3, b"a": 2}
    with pytest.raises(BencodeError, match="twice"):
        bencode.decode(data, strict=False)


@pytest.mark.parametrize(
    ("data", "place"), [(b"li1ei02ee", "byte 4"), (b"d1:a5:abe", "byte 4"), (b"li1e", "byte 4"), (b"lxe", "byte 1")]
)
def test_errors_say_where(data: bytes, place: str) -> None:
    with pytest.raises(BencodeError, match=place):
        bencode.decode(data)


@pytest.mark.parametrize("opening", [b"l", b"d1:a"])
def test_depth_limit(opening: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * (depth - 1) + b"le" + b"e" * (depth - 1)

    bencode.decode(nested(bencode.MAX_DEPTH))
    with pytest.raises(BencodeError, match="in each other"):
        bencode.decode(nested(bencode.MAX_DEPTH + 1))
    bencode.decode(nested(32), max_depth=32)
    with pytest.raises(BencodeError, match="more than 32"):
        bencode.decode(nested(33), max_depth=32)
    with pytest.raises(BencodeError, match="more than 100"):
        bencode.decode(nested(200), max_depth=1000)


def test_digit_limit() -> None:
    assert bencode.decode(b"i" + b"9" * 20 + b"e") == 10**20 - 1
    assert bencode.decode(b"i-" + b"9" * 20 + b"e") == 1 - 10**20
    for data in (b"i" + b"9" * 21 + b"e", b"i-" + b"9" * 21 + b"e", b"1" + b"0" * 20 + b":"):
        with pytest.raises(BencodeError, match="canonical"):
            bencode.decode(data)
    with pytest.raises(BencodeError, match="after the end"):
        bencode.decode(b"9" * 20 + b":")


def test_value_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bencode, "MAX_VALUES", 10)
    assert len(bencode.decode(b"l" + b"i1e" * 9 + b"e")) == 9
    with pytest.raises(BencodeError, match="more than 10 values"):
        bencode.decode(b"l" + b"i1e" * 10 + b"e")


@pytest.mark.parametrize(
    "data", [b"l" * 5_000_000, b"i" * 5_000_000, b"9" * 5_000_000, b"1" * 20 + b"x" * 5_000_000, b"d" * 5_000_000]
)
def test_large_garbage_is_refused_at_once(data: bytes) -> None:
    before = time.monotonic()
    with pytest.raises(BencodeError):
        bencode.decode(data)
    assert time.monotonic() - before < 1


def test_dict_span_of_a_missing_key_or_of_no_dictionary() -> None:
    for data in (b"d1:ai1ee", b"li1ee", b"i1e"):
        with pytest.raises(BencodeError, match="no key"):
            bencode.dict_span(data, b"info")


def test_keys_of_inner_dictionaries_are_not_spans() -> None:
    data = b"d1:ad4:infoi1ee1:bld4:infoi2eeee"
    assert bencode.decode_spans(data)[1] == {b"a": (4, 15), b"b": (18, 31)}


@pytest.mark.parametrize("value", [None, 1.5, {1: 2}, [None], {"a": {"b": object()}}, bytearray(b"x"), "\ud800"])
def test_encode_refuses_what_bencode_cannot_hold(value: Any) -> None:
    with pytest.raises(BencodeError, match="bencode holds"):
        bencode.encode(value)


def test_encode_sorts_keys_and_writes_text_as_utf8() -> None:
    assert bencode.encode({"b": 1, "a": ["é", (b"x",)]}) == b"d1:al2:\xc3\xa9l1:xee1:bi1ee"

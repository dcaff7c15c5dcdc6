"""One bit a piece (BEP 3): against a plain set of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import PeerError
from gotorrent.wire.bitfield import Bitfield


def test_the_first_piece_is_the_highest_bit() -> None:
    field = Bitfield(10)
    field.add(0)
    field.add(9)
    assert bytes(field.bytes) == b"\x80\x40"
    assert list(field) == [0, 9]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 17, 500_000])
def test_full_and_empty(size: int) -> None:
    full, empty = Bitfield.full(size), Bitfield(size)
    assert full.complete
    assert (full.count, empty.count) == (size, 0)
    assert empty.complete == (size == 0)
    assert len(full.bytes) == (size + 7) // 8
    assert Bitfield.from_wire(full.bytes, size).count == size
    assert empty.missing_from(full) == size
    assert full.missing_from(empty) == 0
    if size < 100:
        assert list(full) == list(range(size))
        assert list(empty) == []


def test_what_a_peer_sends_is_copied() -> None:
    data = bytearray(b"\xf0")
    field = Bitfield.from_wire(memoryview(data), 8)
    data[0] = 0
    assert field.count == 4
    assert 0 in field


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17])
def test_one_byte_too_few_or_too_many_is_refused(size: int) -> None:
    right = (size + 7) // 8
    Bitfield.from_wire(bytes(right), size)
    for wrong in (0, right - 1, right + 1):
        with pytest.raises(PeerError, match=f"a bitfield of {wrong} bytes, this torrent needs {right}"):
            Bitfield.from_wire(bytes(wrong), size)


@pytest.mark.parametrize("size", [1, 4, 7, 9, 15])
def test_every_spare_bit_is_refused(size: int) -> None:
    length = (size + 7) // 8
    for spare in range(size, 8 * length):
        data = bytearray(length)
        data[spare >> 3] |= 128 >> (spare & 7)
        with pytest.raises(PeerError, match="spare bits"):
            Bitfield.from_wire(data, size)
    Bitfield.from_wire(Bitfield.full(size).bytes, size)


@given(st.integers(1, 70), st.lists(st.tuples(st.booleans(), st.integers(0, 69)), max_size=60), st.data())
def test_it_behaves_like_a_set(size: int, steps: list[tuple[bool, int]], data: st.DataObject) -> None:
    field, model = Bitfield(size), set[int]()
    for adds, index in steps:
        index %= size
        if adds:
            assert field.add(index) == (index not in model)
            model.add(index)
        else:
            field.discard(index)
            model.discard(index)
        assert (index in field) == (index in model)
    assert list(field) == sorted(model)
    assert field.count == len(model)
    assert field.complete == (len(model) == size)
    others = data.draw(st.sets(st.integers(0, size - 1)))
    other = Bitfield(size)
    for index in others:
        other.add(index)
    assert field.missing_from(other) == len(others - model)
    assert list(Bitfield.from_wire(field.bytes, size)) == sorted(model)


@given(st.binary(max_size=12), st.integers(0, 100))
def test_random_bytes_are_a_bitfield_or_a_peer_error(data: bytes, size: int) -> None:
    try:
        field = Bitfield.from_wire(data, size)
    except PeerError:
        return
    assert bytes(field.bytes) == data
    assert all(0 <= index < size for index in field)
    assert field.count == len(list(field))

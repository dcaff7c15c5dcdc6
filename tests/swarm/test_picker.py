"""Rarest first, against a plain model."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gotorrent.swarm.picker import RarestFirst
from gotorrent.wire.bitfield import Bitfield
from tests.swarm.fakes import bits_of


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 19), st.integers(0, 3)), max_size=80), st.sets(st.integers(0, 19)))
def test_it_gives_a_rarest_piece_that_may_be_picked(count: int, steps: list[tuple[int, int]], has: set[int]) -> None:
    picker = RarestFirst(count, random.Random(1))
    inside: set[int] = set()
    availability = [0] * count
    for piece, step in steps:
        piece %= count
        if step == 0 and piece not in inside:
            picker.add(piece)
            inside.add(piece)
        elif step == 1 and piece in inside:
            picker.remove(piece)
            inside.remove(piece)
        elif step == 2:
            picker.change(piece, 1)
            availability[piece] += 1
        elif availability[piece]:
            picker.change(piece, -1)
            availability[piece] -= 1
    assert picker.count == len(inside)
    assert [picker.availability(piece) for piece in range(count)] == availability
    for bits in (bits_of(count, [piece for piece in has if piece < count]), Bitfield.full(count)):
        possible = inside & set(bits)
        picked = picker.pick(bits)
        if not possible:
            assert picked is None
        else:
            assert picked in possible
            assert availability[picked] == min(availability[piece] for piece in possible)


def test_chance_decides_among_equals() -> None:
    def first(seed: int) -> int | None:
        picker = RarestFirst(100, random.Random(seed))
        for piece in range(100):
            picker.add(piece)
        return picker.pick(Bitfield.full(100))

    assert len({first(seed) for seed in range(50)}) > 10


def test_each_change_costs_the_same_however_many_pieces_there_are() -> None:
    picker = RarestFirst(500_000, random.Random(1))
    for piece in range(500_000):
        picker.add(piece)
    for piece in range(0, 500_000, 5):
        picker.change(piece, 1)
        picker.remove(piece)
    assert picker.count == 400_000

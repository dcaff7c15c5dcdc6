"""Layout: every byte of a torrent is in one piece, one block and one file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.metainfo.layout import BLOCK, FileEntry, Layout


def layout_of(piece_length: int, *lengths: int) -> Layout:
    files, offset = [], 0
    for number, length in enumerate(lengths):
        files.append(FileEntry((f"f{number}",), length, offset))
        offset += length
    return Layout(piece_length, files)


layouts = st.builds(
    lambda piece_length, lengths: layout_of(piece_length, *lengths),
    st.integers(1, 40),
    st.lists(st.integers(0, 30), min_size=1, max_size=12),
)


@given(layouts)
def test_pieces_cover_the_torrent_once(layout: Layout) -> None:
    covered = []
    for piece in range(layout.piece_count):
        assert 1 <= layout.piece_size(piece) <= layout.piece_length
        start = layout.piece_offset(piece)
        covered += range(start, start + layout.piece_size(piece))
    assert covered == list(range(layout.total))
    assert layout.bitfield_size * 8 - 7 <= layout.piece_count <= layout.bitfield_size * 8 or layout.total == 0


@given(layouts, st.data())
def test_spans_are_what_walking_byte_by_byte_finds(layout: Layout, draw: st.DataObject) -> None:
    owners = [(index, at) for index, file in enumerate(layout.files) for at in range(file.length)]
    offset = draw.draw(st.integers(0, layout.total))
    length = draw.draw(st.integers(0, layout.total - offset))
    found = layout.spans(offset, length)
    assert [(index, inside + at) for index, inside, part in found for at in range(part)] == owners[offset : offset + length]
    assert all(part > 0 for _, _, part in found)
    assert len({index for index, _, _ in found}) == len(found)


@given(layouts)
def test_pieces_of_a_file_are_those_whose_spans_name_it(layout: Layout) -> None:
    for index in range(len(layout.files)):
        touching = [
            piece
            for piece in range(layout.piece_count)
            if any(index == found for found, _, _ in layout.spans(layout.piece_offset(piece), layout.piece_size(piece)))
        ]
        assert list(layout.pieces_of(index)) == touching


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        (BLOCK * 4, [BLOCK * 2] * 2),
        (BLOCK * 4 - 1, [BLOCK * 2, BLOCK * 2 - 1]),
        (BLOCK * 2 + 1, [BLOCK * 2, 1]),
        (1, [1]),
        (BLOCK, [BLOCK]),
    ],
)
def test_blocks_of_pieces(total: int, sizes: list[int]) -> None:
    layout = layout_of(BLOCK * 2, total)
    assert [layout.piece_size(piece) for piece in range(layout.piece_count)] == sizes
    for piece, size in enumerate(sizes):
        blocks = [layout.block_size(piece, block) for block in range(layout.block_count(piece))]
        assert sum(blocks) == size
        assert all(block == BLOCK for block in blocks[:-1])
        assert 1 <= blocks[-1] <= BLOCK


def test_a_piece_length_that_is_no_multiple_of_a_block() -> None:
    layout = layout_of(20_000, 50_000)
    assert [layout.block_count(piece) for piece in range(3)] == [2, 2, 1]
    assert [layout.block_size(0, 0), layout.block_size(0, 1), layout.block_size(2, 0)] == [BLOCK, 20_000 - BLOCK, 10_000]
    assert layout.offset(2, 16) == 40_016


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 11), (10, 1), (0, -1)])
@pytest.mark.parametrize("lengths", [(10,), (4, 6)])
def test_spans_outside_of_the_torrent_raise(offset: int, length: int, lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="outside"):
        layout_of(4, *lengths).spans(offset, length)


def test_files_must_follow_each_other() -> None:
    for files in ([FileEntry(("a",), 5, 1)], [FileEntry(("a",), 5, 0), FileEntry(("b",), 5, 6)], [FileEntry(("a",), -1, 0)]):
        with pytest.raises(ValueError, match="expected offset"):
            Layout(4, files)
    with pytest.raises(ValueError, match="not positive"):
        Layout(0, [])


def test_an_empty_torrent_has_no_pieces() -> None:
    layout = layout_of(4, 0, 0)
    assert (layout.total, layout.piece_count, layout.bitfield_size, layout.spans(0, 0)) == (0, 0, 0, [])

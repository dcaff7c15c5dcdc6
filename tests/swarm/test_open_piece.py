"""A piece that has just been opened: nothing came, nobody was asked, and it uses no more of its buffer than its size."""

from __future__ import annotations

from gotorrent.swarm.open_piece import OpenPiece


def test_a_new_piece_needs_all_its_blocks_and_shares_its_buffer() -> None:
    buffer = bytearray(40)
    piece = OpenPiece(7, 25, [(0, 16), (16, 9)], buffer)
    assert piece.needed == {0: 16, 16: 9}
    assert (piece.index, piece.size, len(piece.view), piece.claims, piece.vain) == (7, 25, 25, 0, 0)
    assert not (piece.shared or piece.alone or piece.asked or piece.holders or piece.contributors or piece.owner)
    piece.view[24] = 1
    assert buffer[24] == 1
    assert piece.view.obj is buffer


def test_two_pieces_have_nothing_in_common() -> None:
    one, two = (OpenPiece(0, 1, [(0, 1)], bytearray(1)) for _ in range(2))
    one.needed.clear()
    one.asked[0] = 1
    assert two.needed
    assert not two.asked
    assert one.contributors is not two.contributors
    assert one.holders is not two.holders

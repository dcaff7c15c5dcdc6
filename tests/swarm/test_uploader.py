"""Requests: which are refused, and how the others are answered."""

from __future__ import annotations

import pytest

from gotorrent.errors import PeerError
from gotorrent.metainfo.layout import MAX_REQUEST
from gotorrent.swarm.uploader import MAX_BATCH, MAX_PENDING, MAX_REFUSED, MIN_BATCH, Uploader
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.messages import PIECE, encode_cancel, encode_piece, encode_request
from gotorrent.wire.stream import Framing
from tests.swarm.fakes import BLOCK, MemoryContent, make_data, make_layout

PIECE_LENGTH = 4 * BLOCK
TOTAL = 10 * PIECE_LENGTH + 100
DATA = make_data(TOTAL)


class Serving:
    def __init__(self, *, lacks: int = -1) -> None:
        self.have = Bitfield.full(11)
        if lacks >= 0:
            self.have.discard(lacks)
        self.content = MemoryContent(make_layout(PIECE_LENGTH, TOTAL), DATA)
        self.uploader = Uploader(self.content, self.have)  # type: ignore[arg-type]
        self.framing = Framing(2)

    def ask(self, *requests: tuple[int, int, int], choked: bool = False) -> None:
        raw = bytearray(b"".join(encode_request(*request) for request in requests))
        messages, _ = self.framing.split(raw, len(raw))
        assert self.uploader.take_requests(messages, 0, raw, choked=choked) == len(requests)

    def cancel(self, *request: int) -> None:
        self.uploader.cancel(bytearray(encode_cancel(*request)), 5)

    def sent(self) -> bytes:
        out = b""
        while self.uploader.pending:
            batch, _ = self.uploader.next_batch(0.0)
            out += bytes(batch)
        return out


def _answer(*requests: tuple[int, int, int]) -> bytes:
    return b"".join(encode_piece(p, b, DATA[p * PIECE_LENGTH + b : p * PIECE_LENGTH + b + n]) for p, b, n in requests)


def test_blocks_leave_in_the_order_asked_read_in_runs() -> None:
    serving = Serving()
    wanted = [(0, n * BLOCK, BLOCK) for n in range(4)] + [(1, 0, BLOCK), (5, 7, 9), (10, 0, 100), (5, 7, 9)]
    serving.ask(*wanted)
    assert serving.sent() == _answer(*wanted)
    assert [size for _, size in serving.content.reads] == [5 * BLOCK, 9, 100, 9]


def test_old_clients_may_ask_for_a_whole_piece() -> None:
    serving = Serving()
    serving.ask((0, 0, PIECE_LENGTH), (1, 0, PIECE_LENGTH))
    assert serving.sent() == _answer((0, 0, PIECE_LENGTH), (1, 0, PIECE_LENGTH))


def test_a_batch_is_bounded() -> None:
    serving = Serving()
    serving.ask(*[(n % 10, 0, BLOCK) for n in range(2 * MAX_BATCH)])
    for rate, count in (0.0, MIN_BATCH), (20 * BLOCK * 30.0, 30), (1e9, MAX_BATCH):
        _, size = serving.uploader.next_batch(rate)
        assert size == count * BLOCK
    assert len(serving.uploader.pending) == 2 * MAX_BATCH - MIN_BATCH - 30 - MAX_BATCH


@pytest.mark.parametrize(
    "request_",
    [
        (11, 0, 1),
        (2**32 - 1, 0, 1),
        (0, 0, 0),
        (0, PIECE_LENGTH, 1),
        (0, PIECE_LENGTH - 1, 2),
        (0, 2**32 - 1, 1),
        (0, 0, 2**32 - 1),
        (10, 0, 101),
        (3, 0, BLOCK),
    ],
)
def test_what_we_do_not_offer_is_refused(request_: tuple[int, int, int]) -> None:
    serving = Serving(lacks=3)
    with pytest.raises(PeerError, match="which we do not offer"):
        serving.ask((0, 0, BLOCK), request_)


def test_the_longest_request() -> None:
    content = MemoryContent(make_layout(2 * MAX_REQUEST, 2 * MAX_REQUEST))
    uploader, framing = Uploader(content, Bitfield.full(1)), Framing(1)  # type: ignore[arg-type]
    raw = bytearray(encode_request(0, 5, MAX_REQUEST))
    assert uploader.take_requests(framing.split(raw, len(raw))[0], 0, raw, choked=False) == 1
    raw = bytearray(encode_request(0, 5, MAX_REQUEST + 1))
    with pytest.raises(PeerError):
        uploader.take_requests(framing.split(raw, len(raw))[0], 0, raw, choked=False)


def test_so_many_may_wait_and_not_one_more() -> None:
    serving = Serving()
    serving.ask(*[(0, 0, BLOCK)] * MAX_PENDING)
    with pytest.raises(PeerError, match="more than 2000"):
        serving.ask((0, 0, BLOCK))


def test_some_requests_may_cross_our_choke_each_time_it_chokes() -> None:
    serving = Serving()
    for _ in range(5):
        serving.ask(*[(0, 0, BLOCK)] * MAX_REFUSED, choked=True)
        assert not serving.uploader.pending
        serving.ask((0, 0, BLOCK))
        serving.sent()
    with pytest.raises(PeerError, match="choked"):
        serving.ask(*[(0, 0, BLOCK)] * (MAX_REFUSED + 1), choked=True)


def test_cancel() -> None:
    serving = Serving()
    serving.ask((0, 0, BLOCK), (1, 0, BLOCK), (2, 0, BLOCK))
    serving.cancel(1, 0, BLOCK)
    serving.cancel(7, 0, BLOCK)
    serving.cancel(0, 0, 1)
    assert serving.sent() == _answer((0, 0, BLOCK), (2, 0, BLOCK))
    assert _answer((0, 0, 1))[4] == PIECE

"""Fetching from one peer: what to ask it for, and what to do with the blocks that come (BEP 3, "request", "piece").

Requests go out for whole pieces at a time, so many that the peer always has something to send: about three seconds of its rate.
A block is copied once, from the receive buffer into its piece; a full piece is hashed and written, by its owner's thread or a spare
one, and only then does anybody hear of it. Blocks that nobody asked for are dropped uncopied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from gotorrent.errors import PeerError, WriteError
from gotorrent.metainfo.layout import BLOCK
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.storage.check import piece_matches
from gotorrent.storage.files import Content
from gotorrent.swarm.open_piece import OpenPiece, PeerLink
from gotorrent.swarm.piece_manager import PieceManager
from gotorrent.swarm.rate import RateMeter
from gotorrent.wire.messages import PIECE, PIECE_AT, encode_cancel, encode_request
from gotorrent.wire.stream import Message

WINDOW_SECONDS = 3.0
"""How much of the peer's rate we keep requested: enough for any round trip, little enough to give back."""

MIN_WINDOW = 16
"""Blocks: 256 KiB, the bandwidth-delay product of 20 Mbit/s at 100 ms, to start with."""

MAX_WINDOW = 250
"""Blocks that a peer may be asked for when it has not said how many it allows (BEP 10, `reqq`)."""


MIN_BESIDE = 64 * 1024
"""Bytes of a piece from which on handing it to another thread costs less than it gains."""


class Share:
    """One peer's part in an open piece. `asked`: begin -> length, on the way; `todo`: blocks of its own it will ask for."""

    __slots__ = ("asked", "piece", "todo")

    def __init__(self, piece: OpenPiece) -> None:
        self.piece = piece
        self.asked: dict[int, int] = {}
        self.todo: list[tuple[int, int]] = []


class Judge(Protocol):
    """Who wants to hear of finished pieces."""

    def piece_verified(self, piece: int) -> None:
        """It is on disk and announced."""

    def piece_failed(self, piece: int, contributors: set[PeerLink]) -> None:
        """Its SHA-1 is wrong."""

    def write_failed(self, error: WriteError) -> None:
        """The disk refused it."""

    def beside(self, work: Callable[[], None]) -> bool:
        """Whether another thread has taken `work` on."""


class Downloader:
    """The requests to one peer. The owner thread only."""

    def __init__(
        self,
        link: PeerLink,
        metainfo: Metainfo,
        manager: PieceManager,
        content: Content,
        judge: Judge,
        send: Callable[[bytes], None],
        now: float,
        window: int,
    ) -> None:
        self._link = link
        self._metainfo = metainfo
        self._manager = manager
        self._content = content
        self._judge = judge
        self._send = send
        self._window_limit = min(window, MAX_WINDOW)
        self._shares: dict[int, Share] = {}
        self._stray_allowance = 0  # bytes given up on that may still arrive
        self._asked_since = now
        self._patient_until = now
        self.outstanding = 0  # blocks
        self.rate = RateMeter(now)

    def take_blocks(self, messages: list[Message], at: int, buffer: bytearray, view: memoryview, now: float) -> int:
        """Handle the run of piece messages that begins at `messages[at]`; the index behind it."""
        shares, unpack, total = self._shares, PIECE_AT.unpack_from, len(messages)
        blocks = received = stray = 0
        shared: list[tuple[Share, int, memoryview]] = []
        while at < total:
            kind, start, end = messages[at]
            if kind != PIECE:
                break
            at += 1
            index, begin = unpack(buffer, start)
            share = shares.get(index)
            length = end - start - 8
            if share is None or share.asked.get(begin) != length:
                stray += length
                continue
            del share.asked[begin]
            blocks += 1
            received += length
            piece = share.piece
            if piece.shared:
                shared.append((share, begin, view[start + 8 : end]))
                continue
            piece.view[begin : begin + length] = view[start + 8 : end]
            if not share.asked and not share.todo:
                del shares[index]
                self._manager.filled(self._link, piece)
                self._finish(piece)
        self.outstanding -= blocks
        if shared:
            self._copy_shared(shared)
        if received:
            self.rate.add(received, now)
            self._asked_since = now
            self._patient_until = now
        if stray:
            self._stray(stray, now)
        return at

    def refill(self, now: float) -> None:
        """Ask for more once a quarter of the window is free. Call it whenever something may have changed."""
        if now < self._patient_until:
            return
        window = max(MIN_WINDOW, min(self._window_limit, int(self.rate.per_second(now) * WINDOW_SECONDS) // BLOCK))
        free = window - self.outstanding
        if free * 4 < window:
            return
        if not self.outstanding:
            self._asked_since = now
        requests: list[bytes] = []
        for share in self._shares.values():
            if share.todo and free > 0:
                free -= self._ask(share, share.todo[:free], requests)
        for piece in self._manager.take(self._link, free) if free > 0 else ():
            share = self._share_of(piece)
            share.todo = list(piece.needed.items())
            free -= self._ask(share, share.todo[:free], requests)
        if not self.outstanding:
            waiting = {index: share.asked for index, share in self._shares.items()}
            for piece, blocks in self._manager.help(self._link, free, waiting):
                self._ask(self._share_of(piece), blocks, requests)
        if requests:
            self._send(b"".join(requests))

    def share_pieces(self) -> None:
        """Others have asked to help with our open pieces."""
        for share in self._shares.values():
            self._manager.publish(self._link, share.piece, share.asked, share.todo)
            if share.piece.shared:
                share.todo = []

    def forget(self, piece: OpenPiece) -> None:
        """Somebody else has completed this piece: take back what we asked for."""
        share = self._shares.get(piece.index)
        if share is None or share.piece is not piece:
            return
        del self._shares[piece.index]
        self.outstanding -= len(share.asked)
        self._stray_allowance += sum(share.asked.values())
        if share.asked:
            self._send(b"".join(encode_cancel(piece.index, begin, length) for begin, length in share.asked.items()))

    def give_up(self) -> None:
        """The peer will not answer: choked us, went silent, or is gone. Others may have its pieces."""
        for share in self._shares.values():
            self._stray_allowance += sum(share.asked.values())
            self._manager.give_back(self._link, share.piece, share.asked, share.todo)
        self._shares.clear()
        self.outstanding = 0

    def check_silence(self, now: float, limit: float) -> bool:
        """Give up, and ask nothing for a while, when requested blocks have not come for `limit` seconds. True when that is now."""
        if not self.outstanding or now - self._asked_since < limit:
            return False
        self.give_up()
        self._patient_until = now + limit
        return True

    def _share_of(self, piece: OpenPiece) -> Share:
        share = self._shares.get(piece.index)
        if share is not None and share.piece is not piece:
            self.forget(share.piece)  # it failed in another thread a moment ago, and has been started anew
            share = None
        if share is None:
            share = self._shares[piece.index] = Share(piece)
        return share

    def _ask(self, share: Share, blocks: list[tuple[int, int]], requests: list[bytes]) -> int:
        index = share.piece.index
        share.asked.update(blocks)
        requests += [encode_request(index, begin, length) for begin, length in blocks]
        if share.todo:
            del share.todo[: len(blocks)]
        self.outstanding += len(blocks)
        return len(blocks)

    def _copy_shared(self, blocks: list[tuple[Share, int, memoryview]]) -> None:
        granted = self._manager.claim([(share.piece, begin) for share, begin, _ in blocks])
        copied = []
        for (share, begin, data), ours in zip(blocks, granted, strict=True):
            if ours:
                share.piece.view[begin : begin + len(data)] = data
                copied.append(share.piece)
        for piece in self._manager.copied(self._link, copied):
            self.forget(piece)
            self._finish(piece)

    def _finish(self, piece: OpenPiece) -> None:
        """Verify the full piece, in a spare thread where that is worth it and leaves us enough of the budget to go on."""
        worth_it = MIN_BESIDE <= piece.size <= self._manager.budget // 4
        if not (worth_it and self._judge.beside(partial(self._verify, piece))):
            self._verify(piece)

    def _verify(self, piece: OpenPiece) -> None:
        if not piece_matches(self._metainfo, piece.index, piece.view):
            self._judge.piece_failed(piece.index, self._manager.failed(piece))
            return
        try:
            self._content.write(self._metainfo.layout.piece_offset(piece.index), piece.view)
        except WriteError as error:
            self._manager.unwritten(piece)
            self._judge.write_failed(error)
            return
        for other in self._manager.verified(self._link, piece):
            other.forget(piece)
        self._judge.piece_verified(piece.index)

    def _stray(self, length: int, now: float) -> None:
        self._stray_allowance -= length
        self._patient_until = now
        if self._stray_allowance < 0:
            raise PeerError("the peer sent a block that nobody asked for")

"""Which pieces we have, which are being fetched, and by whom (BEP 3). Plain state under one lock per torrent.

Every piece is in exactly one state:

    MISSING ---take---> IN_FLIGHT ---filled---> TO_VERIFY ---verified---> HAVE
       ^                    |                       |
       +------give back-----+-------failed----------+

A piece in flight has one owner, the thread of one peer, which alone copies, hashes and writes it: no lock per block. Only when
others shall help (the end of a download, or a very large piece) does the owner itself make the piece *shared*; from then on each
block is claimed under the lock before it is copied, so that nothing is copied twice, and nothing once hashing has begun.

Methods decide and return; they never send, read a file, wait or call back, but for `PeerLink.post`, which appends to a list.
Memory is bounded: pieces that are requested or received but not verified share one budget for all peers.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence

from gotorrent.metainfo.layout import Layout
from gotorrent.swarm.open_piece import OpenPiece, PeerLink
from gotorrent.swarm.picker import RarestFirst
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.messages import encode_bitfield, encode_have

MISSING, IN_FLIGHT, TO_VERIFY, HAVE = range(4)

MAX_ASKED = 2
"""How many peers are asked for the same block when there is nothing else left to ask for. One more each time that another peer
looks for work in vain (about once a second), so that no number of silent peers keeps the last blocks."""

MAX_DUPLICATES = 16
"""Most blocks of that kind that one peer is asked for at a time."""

LARGE_PIECE = 4 * 1024 * 1024
"""From this size on a piece is shared before the end: its owner alone would hold too much of the budget for too long."""


class PieceManager:
    """The pieces of one torrent. Every public method takes the lock itself; see the module for what they may do."""

    def __init__(self, layout: Layout, have: Bitfield, budget: int, rng: random.Random | None = None) -> None:
        """`have` is adopted, not copied. `budget` is bytes."""
        self.layout = layout
        self.have = have
        self.lock = threading.Lock()
        self.state = bytearray(HAVE if piece in have else MISSING for piece in range(layout.piece_count))
        self.left = sum(layout.piece_size(piece) for piece in range(layout.piece_count) if piece not in have)
        self.peers: list[PeerLink] = []
        self.budget = budget
        self._spent = 0
        self._open: dict[int, OpenPiece] = {}
        self._partial: dict[int, OpenPiece] = {}  # open, but without an owner
        self._buffers: list[bytearray] = []
        self._suspect_pieces: set[int] = set()
        self._seeds = 0  # peers that came with everything: not counted piece by piece
        self._came_complete: set[PeerLink] = set()
        self._held: dict[PeerLink, int] = {}  # bytes of the open pieces that each peer owns
        self._picker = RarestFirst(layout.piece_count, rng or random.Random())  # noqa: S311  # breaks ties, guards nothing
        for piece in range(layout.piece_count):
            if piece not in have:
                self._picker.add(piece)

    @property
    def complete(self) -> bool:
        """Whether every piece is verified."""
        return self.have.complete

    # --- what peers have

    def attach(self, peer: PeerLink) -> None:
        """A connection is up; it has nothing until it says so. Posts our bitfield, and from now on every `have`."""
        with self.lock:
            if self.have.count:
                peer.post(encode_bitfield(bytes(self.have.bytes)))
            self.peers.append(peer)

    def detach(self, peer: PeerLink) -> None:
        """The connection is gone, and what it had with it. Its pieces must have been given back."""
        with self.lock:
            self.peers.remove(peer)
            if peer in self._came_complete:
                self._came_complete.remove(peer)
                self._seeds -= 1
            else:
                for piece in peer.bits:
                    self._picker.change(piece, -1)

    def peer_has_bitfield(self, peer: PeerLink, bits: Bitfield) -> None:
        """The bitfield message (BEP 3) as the first message; a later one is so many `peer_has`."""
        with self.lock:
            peer.bits = bits
            peer.useful = self.have.missing_from(bits)
            if bits.complete:
                self._came_complete.add(peer)
                self._seeds += 1
            else:
                for piece in bits:
                    self._picker.change(piece, 1)

    def peer_has(self, peer: PeerLink, pieces: Sequence[int]) -> None:
        """The have messages (BEP 3) of one receive; every piece must exist."""
        with self.lock:
            for piece in pieces:
                if peer.bits.add(piece):
                    self._picker.change(piece, 1)
                    peer.useful += piece not in self.have

    def missing_everywhere(self) -> int | None:
        """The first piece that neither we nor any connected peer has, or None."""
        with self.lock:
            if self._seeds:
                return None
            for piece in range(self.layout.piece_count):
                if self.state[piece] != HAVE and not self._picker.availability(piece):
                    return piece
            return None

    # --- who fetches what

    def take(self, peer: PeerLink, blocks: int) -> list[OpenPiece]:
        """Pieces with together about `blocks` blocks for this peer to own: started ones first, then the rarest.

        Fewer, or none, when the peer has nothing we need or the budget for unverified bytes is spent.
        """
        taken: list[OpenPiece] = []
        with self.lock:
            if not peer.useful:
                return taken
            share = self.budget // max(1, len(self._held) + (peer not in self._held))
            while blocks > 0:
                if self._held.get(peer, 0) and self._held[peer] + self.layout.piece_length > share:
                    break
                if peer.suspect:
                    piece = self._start(peer) or self._resume(peer)
                else:
                    piece = self._resume(peer) or self._start(peer)
                if piece is None:
                    break
                piece.owner = peer
                self._held[peer] = self._held.get(peer, 0) + piece.size
                taken.append(piece)
                blocks -= len(piece.needed)
        return taken

    def help(
        self, peer: PeerLink, blocks: int, waiting: Mapping[int, Mapping[int, int]]
    ) -> list[tuple[OpenPiece, list[tuple[int, int]]]]:
        """Blocks of pieces that others own, for a peer that has nothing else to do: (begin, length) of each.

        `waiting` is what this peer has been asked for already: piece -> begin -> length.
        Owners of pieces that are not shared yet are asked to share them, so that a later call finds them. Blocks that others
        have been asked for are given out again only when every missing piece that somebody has is open ("end game").
        """
        found: list[tuple[OpenPiece, list[tuple[int, int]]]] = []
        with self.lock:
            if not peer.useful:
                return found
            endgame = not self._picker.within_reach(self._seeds)
            for piece in self._open.values():
                if piece.alone or piece.index not in peer.bits or self.state[piece.index] != IN_FLIGHT:
                    continue
                if piece.owner and piece.owner is not peer and (endgame or piece.size >= LARGE_PIECE):
                    piece.owner.share_asked = True
                if piece.shared and (share := self._blocks_to_share(piece, waiting.get(piece.index, {}), blocks, endgame)):
                    if peer not in piece.holders:
                        piece.holders.append(peer)
                    found.append((piece, share))
                    blocks -= len(share)
                    if blocks <= 0:
                        break
        return found

    def publish(self, peer: PeerLink, piece: OpenPiece, asked: Mapping[int, int], todo: Sequence[tuple[int, int]]) -> None:
        """The owner makes its piece shared: it waits for the blocks `asked` (begin -> length), anybody may ask for those `todo`."""
        with self.lock:
            if piece.alone or piece.shared:
                return
            self._settle(peer, piece, asked, todo)
            piece.shared = True
            piece.asked = dict.fromkeys(asked, 1)
            piece.vain = 0
            piece.holders = [peer]
            self._disown(piece)

    def give_back(self, peer: PeerLink, piece: OpenPiece, asked: Mapping[int, int], todo: Sequence[tuple[int, int]] = ()) -> None:
        """The peer will not deliver the blocks `asked` and, if it owns the piece, those `todo`.

        It choked us, was silent for too long, or is gone. What it did deliver stays, for the next owner to complete.
        """
        with self.lock:
            if self._open.get(piece.index) is not piece or self.state[piece.index] != IN_FLIGHT:
                return
            if piece.shared:
                for begin in asked:
                    piece.asked[begin] -= 1
                piece.holders.remove(peer)
                if piece.holders:
                    return
                piece.shared = False
                piece.asked = {}
            else:
                self._settle(peer, piece, asked, todo)
                self._disown(piece)
            if piece.alone or not piece.contributors:
                self._close(piece)
                self._reopen(piece.index)
            else:
                self._partial[piece.index] = piece

    # --- blocks that arrive

    def claim(self, wanted: Sequence[tuple[OpenPiece, int]]) -> list[bool]:
        """For each (shared piece, begin): whether the caller shall copy that block now. Then it must call `copied`."""
        with self.lock:
            granted = []
            for piece, begin in wanted:
                piece.asked[begin] -= 1
                ours = self._open.get(piece.index) is piece and self.state[piece.index] == IN_FLIGHT and begin in piece.needed
                if ours:
                    del piece.needed[begin]
                    piece.claims += 1
                granted.append(ours)
            return granted

    def copied(self, peer: PeerLink, pieces: Sequence[OpenPiece]) -> list[OpenPiece]:
        """One entry for each block that was claimed and is copied. The pieces that are whole now: the caller verifies them."""
        whole = []
        with self.lock:
            for piece in pieces:
                piece.claims -= 1
                piece.contributors.add(peer)
                if not piece.needed and not piece.claims:
                    self.state[piece.index] = TO_VERIFY
                    whole.append(piece)
        return whole

    def filled(self, peer: PeerLink, piece: OpenPiece) -> None:
        """The owner has received every block of its piece and will verify it."""
        with self.lock:
            piece.contributors.add(peer)
            self._disown(piece)
            self.state[piece.index] = TO_VERIFY

    def verified(self, peer: PeerLink, piece: OpenPiece) -> list[PeerLink]:
        """The piece is right and on disk. Posts `have` to those who lack it; the other peers that were asked for blocks of it."""
        have = encode_have(piece.index)
        with self.lock:
            self.state[piece.index] = HAVE
            self.have.add(piece.index)
            self.left -= piece.size
            self._suspect_pieces.discard(piece.index)
            if len(piece.contributors) == 1:
                peer.suspect = False
            for other in self.peers:
                if piece.index in other.bits:
                    other.useful -= 1
                else:
                    other.post(have)
            return self._close(piece, but=peer)

    def failed(self, piece: OpenPiece) -> set[PeerLink]:
        """The piece is wrong and goes back to the missing ones; those who delivered it. With one of them, it is the culprit.

        Of several, one lied: from now on this piece has one deliverer, and so has whatever each of them starts until one is good.
        They still complete what others started when nothing else is left: a piece fails at most once with several deliverers.
        """
        with self.lock:
            contributors = piece.contributors
            if len(contributors) > 1:
                self._suspect_pieces.add(piece.index)
                for other in contributors:
                    other.suspect = True
            for other in self._close(piece):
                other.forget(piece)
            self._reopen(piece.index)
            return contributors

    def unwritten(self, piece: OpenPiece) -> None:
        """The piece is right, but the disk refused it: missing again, and nobody is to blame."""
        with self.lock:
            for other in self._close(piece):
                other.forget(piece)
            self._reopen(piece.index)

    def check_invariants(self) -> None:
        """RuntimeError when the state contradicts itself; tests call it after every step."""
        with self.lock:
            count = len(self.state)
            in_flight = {piece for piece in range(count) if self.state[piece] in (IN_FLIGHT, TO_VERIFY)}
            rules = {
                "open pieces are exactly those in flight or to verify": set(self._open) == in_flight,
                "we have the pieces in state HAVE": set(self.have) == {p for p in range(count) if self.state[p] == HAVE},
                "the picker knows exactly the missing pieces": self._picker.count == self.state.count(MISSING),
                "bytes left": self.left == sum(self.layout.piece_size(p) for p in range(count) if self.state[p] != HAVE),
                "budget": self._spent == sum(piece.size for piece in self._open.values()),
                "partial pieces are open and have no owner": all(
                    self._open.get(i) is p and p.owner is None and not p.shared for i, p in self._partial.items()
                ),
                "an open piece is owned, shared or partial, or is being verified": all(
                    (p.owner is not None) + p.shared + (i in self._partial) == 1 or self.state[i] == TO_VERIFY
                    for i, p in self._open.items()
                ),
                "held": sum(self._held.values()) == sum(p.size for p in self._open.values() if p.owner is not None),
                "useful": all(peer.useful == self.have.missing_from(peer.bits) for peer in self.peers),
            }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise RuntimeError("piece manager: broken: " + "; ".join(broken))

    # --- with the lock held

    def _resume(self, peer: PeerLink) -> OpenPiece | None:
        for index, piece in self._partial.items():
            if index in peer.bits:
                del self._partial[index]
                return piece
        return None

    def _start(self, peer: PeerLink) -> OpenPiece | None:
        index = self._picker.pick(peer.bits)
        if index is None:
            return None
        size = self.layout.piece_size(index)
        if self._open and self._spent + size > self.budget and not self._drop_a_partial():
            return None
        self._picker.remove(index)
        buffer = self._buffers.pop() if self._buffers else bytearray(self.layout.piece_length)
        piece = self._open[index] = OpenPiece(index, size, self.layout.blocks(index), buffer)
        piece.alone = peer.suspect or index in self._suspect_pieces
        self.state[index] = IN_FLIGHT
        self._spent += size
        return piece

    def _drop_a_partial(self) -> bool:
        """Give up a started piece that nobody goes on with, so that its memory serves one that somebody has."""
        if not self._partial:
            return False
        piece = self._partial[max(self._partial, key=lambda index: len(self._partial[index].needed))]
        self._close(piece)
        self._reopen(piece.index)
        return True

    def _blocks_to_share(self, piece: OpenPiece, waiting: Mapping[int, int], blocks: int, endgame: bool) -> list[tuple[int, int]]:
        found = [(b, n) for b, n in piece.needed.items() if not piece.asked.get(b)][:blocks]
        if not found and endgame:
            most = MAX_ASKED + piece.vain
            again = [(b, n) for b, n in piece.needed.items() if b not in waiting and piece.asked[b] < most]
            piece.vain += not again
            found = again[: min(blocks, MAX_DUPLICATES)]
        for begin, _ in found:
            piece.asked[begin] = piece.asked.get(begin, 0) + 1
        return found

    @staticmethod
    def _settle(peer: PeerLink, piece: OpenPiece, asked: Mapping[int, int], todo: Sequence[tuple[int, int]]) -> None:
        """While a piece has an owner, only its thread knows which blocks came; this writes it down."""
        needed = {**asked, **dict(todo)}
        if len(needed) < len(piece.needed):
            piece.contributors.add(peer)
        piece.needed = needed

    def _disown(self, piece: OpenPiece) -> None:
        owner = piece.owner
        if owner is not None:
            piece.owner = None
            self._held[owner] -= piece.size
            if not self._held[owner]:
                del self._held[owner]

    def _close(self, piece: OpenPiece, but: PeerLink | None = None) -> list[PeerLink]:
        """Take an open piece off the books and its buffer back; the peers other than `but` that hold it."""
        self._disown(piece)
        del self._open[piece.index]
        self._partial.pop(piece.index, None)
        self._spent -= piece.size
        buffer = piece.view.obj
        if isinstance(buffer, bytearray) and (len(self._buffers) + len(self._open)) * len(buffer) < self.budget:
            self._buffers.append(buffer)
        return [peer for peer in piece.holders if peer is not but]

    def _reopen(self, index: int) -> None:
        self.state[index] = MISSING
        self._picker.add(index)

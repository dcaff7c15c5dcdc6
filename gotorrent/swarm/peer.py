"""The thread of one connection: receive, download, serve, and the four bits of the protocol (BEP 3, "peer protocol").

The owner thread alone reads the socket, and closes it. While nothing waits to be sent it sits in a plain blocking receive that
returns at least once a second: its tick for flushing, asking for more, keep-alives and deadlines. While something waits, it polls
for both directions. Other threads append to the outbox, set a flag, or shut the socket down; they never wait for this one.

Refused, with the connection: messages of a wrong length, pieces that do not exist.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gotorrent.clock import Clock
from gotorrent.config import ClientConfig
from gotorrent.errors import GoTorrentError, PeerError
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.storage.files import Content
from gotorrent.swarm.downloader import Downloader, Judge
from gotorrent.swarm.open_piece import OpenPiece
from gotorrent.swarm.outbox import Outbox
from gotorrent.swarm.piece_manager import PieceManager
from gotorrent.swarm.rate import RateMeter
from gotorrent.swarm.uploader import Uploader
from gotorrent.system import Stream
from gotorrent.wire import messages as wire
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.stream import Framing, Message

MIN_BUFFER = 64 * 1024
MAX_BUFFER = 1024 * 1024
"""A receive buffer starts small and doubles while it comes back full: bulk where there is bulk, little memory for the others."""

SMALL = 1024
"""Bytes. A buffer full of messages that are shorter on average does not grow: a flood of them would cost more than its bytes."""

_log = logging.getLogger(__name__)


class Home(Judge, Protocol):
    """The torrent, as one of its peers sees it."""

    metainfo: Metainfo
    manager: PieceManager
    content: Content
    config: ClientConfig
    clock: Clock

    def interest_changed(self, peer: Peer) -> None:
        """The peer wants something from us, or no longer does."""

    def failed(self, error: GoTorrentError) -> None:
        """Our side cannot go on."""


class Peer:
    """One connection, from the end of the handshake to the close. `run` is its thread; other methods say who may call them."""

    def __init__(self, home: Home, stream: Stream, address: tuple[str, int], peer_id: bytes, *, incoming: bool) -> None:
        now = home.clock.monotonic()
        self.home = home
        self.address = address
        self.peer_id = peer_id
        self.incoming = incoming
        self.since = now
        self.stream = stream
        self.outbox = Outbox(stream)
        self.bits = Bitfield(home.metainfo.layout.piece_count)
        self.useful = 0
        self.suspect = False
        self.share_asked = False
        self.am_choking = True
        self.am_interested = False
        self.peer_choking = True
        self.peer_interested = False
        self.choke_changed = now
        self.upload_rate = RateMeter(now)
        self.uploader = Uploader(home.content, home.manager.have)
        self.downloader = Downloader(
            self, home.metainfo, home.manager, home.content, home, self.outbox.post, now, home.config.request_window
        )
        self.closing = ""  # why, once somebody has decided it
        self._forgotten: deque[OpenPiece] = deque()
        self._framing = Framing(home.metainfo.layout.bitfield_size)
        self._buffer = bytearray(max(MIN_BUFFER, self._framing.longest))
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._may_send_bitfield = True
        self._received_at = now
        self._sent_at = now
        self._next_upkeep = now
        self._haves: list[int] = []
        self._handlers: dict[int, Callable[[int, int], None]] = {
            wire.CHOKE: self._on_choke,
            wire.UNCHOKE: self._on_unchoke,
            wire.INTERESTED: self._on_interested,
            wire.NOT_INTERESTED: self._on_not_interested,
            wire.HAVE: self._on_have,
            wire.BITFIELD: self._on_bitfield,
            wire.CANCEL: self._on_cancel,
        }

    # --- for other threads

    def post(self, message: bytes) -> None:
        """Append a message to the outbox (any thread)."""
        self.outbox.post(message)

    def forget(self, piece: OpenPiece) -> None:
        """Somebody else has completed this piece (any thread)."""
        self._forgotten.append(piece)

    def set_choke(self, choke: bool, now: float) -> None:
        """Choke or unchoke the peer, at once (the choker)."""
        if choke != self.am_choking:
            self.am_choking = choke
            self.choke_changed = now
            self.outbox.post(wire.encode_flag(wire.CHOKE if choke else wire.UNCHOKE), now=True)

    def close(self, reason: str) -> None:
        """Make the owner thread end the connection (any thread)."""
        self.closing = self.closing or reason
        self.stream.shutdown()

    # --- the owner thread

    def run(self) -> str:
        """Serve the connection until it ends; why it ended. Never raises."""
        try:
            self.home.manager.attach(self)
            while not self.closing:
                self._turn()
        except PeerError as error:
            self.closing = self.closing or str(error)
        except OSError as error:
            self.closing = self.closing or (error.strerror or str(error)).lower()
        except GoTorrentError as error:
            self.closing = self.closing or str(error)
            self.home.failed(error)
        except Exception:
            self.closing = "unexpected error"
            _log.exception("peer %s:%s", *self.address)
        finally:
            self.downloader.give_up()
            self.home.manager.detach(self)
            self.outbox.close()
            self.stream.close()
        _log.debug("%s:%s closed: %s", *self.address, self.closing)
        return self.closing

    def _turn(self) -> None:
        """One wait for the socket, and all that follows from it."""
        clear = self.outbox.flush()
        pending = self.uploader.pending
        if pending and self.am_choking:
            pending.clear()
        if clear and pending:
            self._sent_at = now = self.home.clock.monotonic()
            batch, size = self.uploader.next_batch(self.upload_rate.per_second(now))
            clear = self.outbox.send_batch(batch)
            self.upload_rate.add(size, now)
        space = self._view[self._filled :]
        if not clear:
            readable, _ = self.stream.wait()
            count = self.stream.try_receive_into(space) if readable else None
        elif pending:
            count = self.stream.try_receive_into(space)
        else:
            count = self.stream.receive_into(space)
        now = self.home.clock.monotonic()
        if count:
            self._received(count, now)
        elif count == 0:
            raise PeerError("the peer closed the connection")
        self._upkeep(now)

    def _received(self, count: int, now: float) -> None:
        self._received_at = now
        end = self._filled + count
        full = end == len(self._buffer)
        messages, rest = self._framing.split(self._buffer, end)
        self._handle(messages, now)
        self._filled = end - rest
        if rest and self._filled:
            self._buffer[: self._filled] = self._buffer[rest:end]
        if full and len(self._buffer) < MAX_BUFFER and len(messages) * SMALL < end:
            self._grow()

    def _grow(self) -> None:
        buffer = bytearray(min(MAX_BUFFER, 2 * len(self._buffer)))
        buffer[: self._filled] = self._buffer[: self._filled]
        self._buffer, self._view = buffer, memoryview(buffer)

    def _handle(self, messages: list[Message], now: float) -> None:
        if self.share_asked:
            self.share_asked = False
            self.downloader.share_pieces()
        interested = self.peer_interested
        at, count = 0, len(messages)
        while at < count:
            kind, start, end = messages[at]
            if kind == wire.PIECE:
                at = self.downloader.take_blocks(messages, at, self._buffer, self._view, now)
                continue
            if kind == wire.REQUEST:
                at = self.uploader.take_requests(messages, at, self._buffer, choked=self.am_choking)
                self._may_send_bitfield = False
                continue
            at += 1
            handler = self._handlers.get(kind)
            if handler:
                handler(start, end)
            if kind != wire.KEEP_ALIVE:
                self._may_send_bitfield = False
        if self._haves:
            self.home.manager.peer_has(self, self._haves)
            self._haves.clear()
        if self.peer_interested != interested:
            self.home.interest_changed(self)

    def _upkeep(self, now: float) -> None:
        """What may have become due since the last turn: cheap tests each time, deadlines once a second."""
        while self._forgotten:
            self.downloader.forget(self._forgotten.popleft())
        if self.share_asked:
            self.share_asked = False
            self.downloader.share_pieces()
        wants = self.useful > 0
        if wants != self.am_interested:
            self.am_interested = wants
            self.outbox.post(wire.encode_flag(wire.INTERESTED if wants else wire.NOT_INTERESTED))
        if wants and not self.peer_choking:
            self.downloader.refill(now)
        if now >= self._next_upkeep:
            self._next_upkeep = now + self.stream.tick
            self._check_deadlines(now)

    def _check_deadlines(self, now: float) -> None:
        config = self.home.config
        if now - self._received_at > config.idle_timeout:
            raise PeerError("the peer was silent for too long")
        if now - self._sent_at > config.keepalive_interval:
            self._sent_at = now
            self.outbox.post(wire.encode_keep_alive())
        if self.downloader.check_silence(now, config.block_timeout):
            _log.debug("%s:%s sends nothing: asking others", *self.address)
        if self.bits.complete and self.home.manager.complete:
            raise PeerError("both sides have everything")

    def _on_choke(self, start: int, end: int) -> None:
        self.peer_choking = True
        self.downloader.give_up()

    def _on_unchoke(self, start: int, end: int) -> None:
        self.peer_choking = False

    def _on_interested(self, start: int, end: int) -> None:
        self.peer_interested = True

    def _on_not_interested(self, start: int, end: int) -> None:
        self.peer_interested = False

    def _on_have(self, start: int, end: int) -> None:
        piece = wire.INDEX.unpack_from(self._buffer, start)[0]
        if piece >= self.bits.size:
            raise PeerError(f"the peer says it has piece {piece}, there are only {self.bits.size}")
        self._haves.append(piece)

    def _on_bitfield(self, start: int, end: int) -> None:
        bits = Bitfield.from_wire(self._view[start:end], self.bits.size)
        if self._may_send_bitfield:
            self.home.manager.peer_has_bitfield(self, bits)
        else:  # aria2 sends one in place of many haves
            self._haves += self.bits.new_in(bits)

    def _on_cancel(self, start: int, end: int) -> None:
        self.uploader.cancel(self._buffer, start)

"""One torrent at work: what it has on disk, its peers, and what it tells its trackers (BEP 3).

Its life: checking, then downloading or seeding, then stopped; or an error that ends it with a sentence. `start` begins a thread
that looks at the disk; from then on the session's timer calls `tick`, announcers bring addresses, and each connection is a thread
of its own. All of them decide under a lock and act outside it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from gotorrent.clock import Clock
from gotorrent.config import ClientConfig
from gotorrent.errors import GoTorrentError, PeerError, WriteError
from gotorrent.metainfo.metainfo import InfoHash, Metainfo
from gotorrent.storage.files import Content, FilePool
from gotorrent.storage.preparation import Preparation
from gotorrent.storage.resume import ResumeFile
from gotorrent.swarm import choker, greeting
from gotorrent.swarm.finisher import Finisher
from gotorrent.swarm.open_piece import PeerLink
from gotorrent.swarm.peer import Peer
from gotorrent.swarm.peer_pool import Address, PeerPool
from gotorrent.swarm.piece_manager import PieceManager
from gotorrent.system import Stream
from gotorrent.wire import handshake
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.handshake import Handshake

TICK = 1.0
"""Seconds after which a peer's thread wakes by itself."""

RESERVED = 4
"""One in so many connections is for peers that we dial: whoever fills the others cannot cut us off from the swarm."""

SAME_MOMENT = 10.0
"""Seconds between two connections of two peers that may still be due to both dialling at once: the time-out of a handshake."""

State = Literal["checking", "downloading", "seeding", "stopped", "error"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What all torrents of a session share."""

    config: ClientConfig
    clock: Clock
    profile: Path
    peer_id: bytes
    files: FilePool
    finisher: Finisher
    connections: threading.Semaphore  # of the whole session
    half_open: threading.Semaphore
    wake: Callable[[], None]  # have `tick` called soon
    completed: Callable[[InfoHash], None]  # the download has just ended well
    ready: Callable[[Torrent], None]  # checked: may be announced


class Torrent:
    """Public attributes are read by snapshots without a lock; see each method for who may call it."""

    def __init__(self, metainfo: Metainfo, folder: Path, around: Surroundings, *, force: bool, peers: Sequence[Address]) -> None:
        self.metainfo = metainfo
        self.config = around.config
        self.clock = around.clock
        self.content = Content(metainfo.layout, folder, around.files)
        self.manager = PieceManager(metainfo.layout, Bitfield(metainfo.layout.piece_count), around.config.unverified_mib * 2**20)
        self.pool = PeerPool()
        self.pool.add(peers)
        self.state: State = "checking"
        self.error: GoTorrentError | None = None
        self.checked = 0.0
        self._around = around
        self._prepare = Preparation(metainfo, self.content, ResumeFile(around.profile, metainfo, folder), force=force)
        self._choosing = threading.Lock()  # one choke round at a time: two would cross on the wire; taken before `_lock`
        self._lock = threading.Lock()  # connections and state; taken before the manager's
        self._peers: dict[bytes, Peer] = {}
        self._threads: set[threading.Thread] = set()
        self._dialling = 0
        self._next_round = 0.0
        self._stopping = threading.Event()
        self._gone_up = 0  # bytes of connections that have ended
        self._gone_down = 0

    # --- for the session

    def start(self) -> None:
        """Look at the disk, in a thread of its own, then begin."""
        if not self._begin_thread(self._check, "check") and not self._stopping.is_set():
            self.failed(GoTorrentError("this system allows no more threads: end other programs, or share fewer torrents"))

    def stop(self) -> None:
        """End all connections and remember the state. Does not wait: `join` does."""
        with self._lock:
            if self.state in ("downloading", "seeding", "checking"):
                self.state = "stopped"
        self._end_connections("the client stops")

    def join(self, timeout: float) -> None:
        """Wait until this torrent's threads have ended, then save its state and close its files."""
        deadline = self.clock.monotonic() + timeout
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - self.clock.monotonic()))
        written = self._around.finisher.wait_for(self, max(0.0, deadline - self.clock.monotonic()))
        self._remember(clean=written and not self._threads)
        self.content.close()

    def tick(self, now: float) -> float:
        """Dial and choke as far as it is time; when to call again (monotonic). The session's timer."""
        if self.state not in ("downloading", "seeding"):
            return float("inf")
        self._dial_some(now)
        if now >= self._next_round:
            self._next_round = now + self.config.choke_interval
            self._choke_round(now)
        return min(self._next_round, max(now + TICK, self.pool.next_due()))

    def accept(self, sock: socket.socket, address: Address, theirs: Handshake) -> None:
        """Serve a connection that somebody made to us, in the caller's thread; its handshake is read, not answered."""
        with self._lock:
            self._threads.add(threading.current_thread())
        try:
            sock.settimeout(self.config.handshake_timeout)
            sock.sendall(handshake.encode(self.metainfo.info_hash, self._around.peer_id))
            self._serve(sock, address, theirs, incoming=True)
        except OSError as error:
            _log.debug("%s:%s: %s", *address, error)
        finally:
            sock.close()
            with self._lock:
                self._threads.discard(threading.current_thread())

    # --- what a tracker is told, and tells (AnnounceTarget)

    @property
    def info_hash(self) -> InfoHash:
        """Which torrent this is."""
        return self.metainfo.info_hash

    @property
    def trackers(self) -> tuple[tuple[str, ...], ...]:
        """Tiers of announce URLs (BEP 12)."""
        return self.metainfo.trackers

    @property
    def private(self) -> bool:
        """BEP 27."""
        return self.metainfo.private

    def announce_stats(self) -> tuple[int, int, int]:
        """Bytes uploaded, downloaded, left: `left` counts verified pieces only."""
        return self.uploaded, self.downloaded, self.manager.left

    def found_peers(self, peers: list[Address], source: str) -> None:
        """A tracker has named peers."""
        self.pool.add(peers)
        self._around.wake()

    def wants_peers(self) -> bool:
        """Whether an early answer of the tracker would help."""
        return self.state == "downloading" and len(self._peers) < self.config.upload_slots

    # --- for snapshots

    def peers(self) -> list[Peer]:
        """The connections right now."""
        with self._lock:
            return list(self._peers.values())

    @property
    def dialling(self) -> int:
        """Connection attempts under way."""
        return self._dialling

    @property
    def uploaded(self) -> int:
        """Bytes of blocks sent in this run."""
        with self._lock:
            return self._gone_up + sum(peer.upload_rate.total for peer in self._peers.values())

    @property
    def downloaded(self) -> int:
        """Bytes of blocks received in this run."""
        with self._lock:
            return self._gone_down + sum(peer.downloader.rate.total for peer in self._peers.values())

    # --- for peers (Home)

    def interest_changed(self, peer: Peer) -> None:
        """Give a free slot at once; a slot that is given up goes to the next one."""
        self._choke_round(self.clock.monotonic())

    def piece_verified(self, piece: int) -> None:
        """The last one makes us a seed."""
        if not self.manager.complete:
            return
        with self._lock:
            if self.state != "downloading":
                return
            self.state = "seeding"
        self._remember(clean=False)
        self._around.completed(self.info_hash)

    def piece_failed(self, piece: int, contributors: set[PeerLink]) -> None:
        """Who alone delivered a bad piece is a liar, or its disk is broken: no more of it."""
        _log.warning("piece %d fails its check; it came from %d peer(s)", piece, len(contributors))
        if len(contributors) == 1:
            for peer in contributors:
                if isinstance(peer, Peer):  # it may be gone already, and come back
                    self.pool.ban(peer.address, peer.peer_id)
                    peer.close(f"it sent a bad piece {piece}")

    def write_failed(self, error: WriteError) -> None:
        """The disk refused a piece."""
        self.failed(error)

    def beside(self, work: Callable[[], None]) -> bool:
        """Have a spare thread of the session do `work`, if one is free; `join` waits for it."""
        return self._around.finisher.offer(self, work)

    def failed(self, error: GoTorrentError) -> None:
        """Stop with a sentence; what is verified stays."""
        with self._lock:
            if self.state in ("error", "stopped"):
                return
            self.state, self.error = "error", error
        _log.warning("%s: %s", self.metainfo.name, error)
        self._end_connections(str(error))
        self._around.wake()

    # --- inside

    def _begin_thread(self, work: Callable[[], None], name: str) -> bool:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"{name} {self.metainfo.name[:20]}")
        with self._lock:
            if self._stopping.is_set():
                return False
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                return False
            self._threads.add(thread)
            return True

    def _check(self) -> None:
        try:
            have = self._prepare.run(self._stopping, self._note_progress)
            self.manager = PieceManager(self.metainfo.layout, have, self.config.unverified_mib * 2**20)
        except GoTorrentError as error:
            self.failed(error)
            return
        except Exception as error:
            _log.exception("checking %s", self.metainfo.name)
            self.failed(GoTorrentError(f"cannot check what is on disk: there is a bug in GoTorrent ({error})"))
            return
        with self._lock:
            if self.state != "checking":
                return
            self.state = "seeding" if have.complete else "downloading"
        self._around.ready(self)
        self._around.wake()

    def _remember(self, *, clean: bool) -> None:
        try:
            self._prepare.save(self.manager.have, clean=clean, up=self.uploaded, down=self.downloaded)
        except GoTorrentError as error:
            _log.warning("%s: %s", self.metainfo.name, error)

    def _note_progress(self, fraction: float) -> None:
        self.checked = fraction

    def _end_connections(self, reason: str) -> None:
        self._stopping.set()
        for peer in self.peers():
            peer.close(reason)

    def _dial_some(self, now: float) -> None:
        room = self.config.max_peers_per_torrent - len(self._peers) - self._dialling
        permits = 0
        while permits < room and self._around.half_open.acquire(blocking=False):
            permits += 1
        addresses = self.pool.due(now, permits)
        for _ in range(permits - len(addresses)):
            self._around.half_open.release()
        with self._lock:
            self._dialling += len(addresses)
        for address in addresses:
            if not self._begin_thread(partial(self._dial, address), "peer"):
                self._dialled()
                self.pool.ended(address, now, worked=False)

    def _dialled(self) -> None:
        self._around.half_open.release()
        with self._lock:
            self._dialling -= 1

    def _dial(self, address: Address) -> None:
        moved = False
        try:
            try:
                sock = greeting.connect(address, self.config.connect_timeout, self.clock, self._stopping.is_set)
            finally:
                self._dialled()
            with sock:
                sock.settimeout(self.config.handshake_timeout)
                sock.sendall(handshake.encode(self.info_hash, self._around.peer_id))
                theirs = greeting.read_handshake(sock, self.config.handshake_timeout, self.clock, self._stopping.is_set)
                if theirs.info_hash != self.info_hash:
                    raise PeerError("the peer answered for another torrent")
                moved = self._serve(sock, address, theirs, incoming=False)
        except (OSError, PeerError) as error:
            _log.debug("%s:%s: %s", *address, error)
        finally:
            self.pool.ended(address, self.clock.monotonic(), worked=moved)

    def _serve(self, sock: socket.socket, address: Address, theirs: Handshake, *, incoming: bool) -> bool:
        """The connection from here to its end; whether any content went over it."""
        if theirs.peer_id == self._around.peer_id:
            self.pool.ended(address, self.clock.monotonic(), worked=False, useless=True)
            return False
        if self.state not in ("downloading", "seeding") or self.pool.is_banned(address, theirs.peer_id):
            return False  # a peer made during the check would work on the piece manager of before the check
        if not self._around.connections.acquire(blocking=False):
            return False
        try:
            peer = Peer(self, Stream(sock, TICK), address, theirs.peer_id, incoming=incoming)
            if not self._admit(peer):
                return False
            try:
                peer.run()
            finally:
                self._gone(peer)
            if not incoming and peer.bits.complete and self.manager.complete:
                self.pool.ended(address, self.clock.monotonic(), worked=True, useless=True)
        finally:
            self._around.connections.release()
        self._around.wake()
        return peer.downloader.rate.total + peer.upload_rate.total > 0

    def _admit(self, peer: Peer) -> bool:
        """Whether this connection stays: one for each peer id, and no more than there is room for.

        When two peers dial each other at the same moment, both must keep the same connection of the two: the one that was made
        by the peer with the larger id. A connection that is up for longer than that is kept in any case.
        """
        ours = self._around.peer_id
        with self._lock:
            if self._stopping.is_set() or self.state not in ("downloading", "seeding"):
                return False
            twin = self._peers.get(peer.peer_id)
            if twin is None:
                room = self.config.max_peers_per_torrent
                if len(self._peers) >= (room - room // RESERVED if peer.incoming else room):
                    return False
            elif twin.incoming == peer.incoming or peer.since - twin.since > SAME_MOMENT or peer.incoming != (peer.peer_id > ours):
                return False
            self._peers[peer.peer_id] = peer
        if twin is not None:
            twin.close("connected twice")
        return True

    def _gone(self, peer: Peer) -> None:
        with self._lock:
            self._gone_up += peer.upload_rate.total
            self._gone_down += peer.downloader.rate.total
            if self._peers.get(peer.peer_id) is peer:
                del self._peers[peer.peer_id]

    def _choke_round(self, now: float) -> None:
        with self._choosing:
            peers = self.peers()
            candidates = [choker.Candidate(p.peer_id, p.peer_interested, not p.am_choking, p.choke_changed) for p in peers]
            unchoked = choker.choose(candidates, self.config.upload_slots, now)
            for peer in peers:
                peer.set_choke(peer.peer_id not in unchoked, now)

"""The whole client: its torrents, the port on which it listens, the timer, and the announcer. No BEP rules it.

Everything here may be called from any thread; which threads and locks there are is in `docs/architecture.md`. `stop` ends all of
them within about five seconds: connections first, then the state is saved, then each tracker that knows us is told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from gotorrent import __version__, system
from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.config import ClientConfig
from gotorrent.discovery.announcer import Announcer
from gotorrent.errors import UsageError
from gotorrent.metainfo.metainfo import InfoHash, Metainfo
from gotorrent.session import ports
from gotorrent.session.listener import Listener
from gotorrent.session.observe import observe
from gotorrent.session.snapshot import SessionSnapshot
from gotorrent.storage.files import FilePool
from gotorrent.swarm.finisher import Finisher
from gotorrent.swarm.torrent import Surroundings, Torrent
from gotorrent.wire.handshake import new_peer_id

STOP_PEERS = 2.0
STOP_TRACKERS = 2.5
"""Seconds for connections to end, and for trackers to take `stopped`: together less than the five a person waits."""

OTHER_DESCRIPTORS = 200
"""Files and sockets that are neither content nor peers: trackers, web UI, state, standard streams."""

_log = logging.getLogger(__name__)


class Session:
    """One client."""

    def __init__(self, config: ClientConfig, profile: Path, *, peer_port: int | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """`profile` is the folder for state, locked by the caller. `peer_port` None: the configured one, or the next free one."""
        self.config = config
        self.profile = profile
        self.notices: list[str] = []
        self.peer_id = new_peer_id()
        self._clock = clock
        self._wanted_port = peer_port
        self._lock = threading.Lock()
        self._torrents: dict[bytes, Torrent] = {}
        self._listener = Listener(self._find, config.handshake_timeout, clock)
        self._announcer: Announcer | None = None
        self._files = FilePool(config.open_files)
        self._finisher = Finisher()
        self._woken = threading.Event()
        self._stopping = False
        self._timer = threading.Thread(target=self._run_timer, name="torrent timer")
        self._around = Surroundings(
            config=config,
            clock=clock,
            profile=profile,
            peer_id=self.peer_id,
            files=self._files,
            finisher=self._finisher,
            connections=threading.BoundedSemaphore(config.max_peers),
            half_open=threading.BoundedSemaphore(config.max_half_open),
            wake=self._woken.set,
            completed=self._completed,
            ready=self._ready,
        )

    @property
    def peer_port(self) -> int:
        """The TCP port on which we listen, once started."""
        return self._listener.port

    def start(self) -> None:
        """Listen, and begin to work. PortBusyError when the port that was asked for is taken."""
        self._check_descriptors()
        given = self._wanted_port
        usual = self.config.peer_port
        self._listener.start(ports.recall(self.profile, "peer", usual) if given is None else given, move=given is None)
        if given is None and usual not in (0, self.peer_port):
            self.notices.append(f"port {usual} for peers was in use, listening on {self.peer_port} instead")
            ports.remember(self.profile, "peer", usual, self.peer_port)
        self._announcer = Announcer(
            peer_id=self.peer_id,
            port=self.peer_port,
            clock=self._clock,
            timeout=self.config.announce_timeout,
            numwant=self.config.numwant,
        )
        self._announcer.start()
        self._timer.start()

    def add(self, metainfo: Metainfo, data_dir: Path, *, force: bool = False, peers: Sequence[tuple[str, int]] = ()) -> InfoHash:
        """Work on this torrent; its content is, or will be, below `data_dir`. Looks at the disk in a thread of its own.

        The same torrent in the same folder again only gives it more `peers`; in another folder, or after `stop`, it is a
        UsageError. A torrent that ended in an error is tried anew.
        """
        with self._lock:
            if self._stopping:
                raise UsageError("the client is stopping")
            known = self._torrents.get(metainfo.info_hash)
            if known and known.state != "error":
                if known.content.folder.resolve() != data_dir.resolve():
                    raise UsageError(f"{metainfo.name} is here already, in {known.content.folder}")
                known.found_peers(list(peers), "the person")
                return metainfo.info_hash
            torrent = Torrent(metainfo, data_dir, self._around, force=force, peers=peers)
            self._torrents[metainfo.info_hash] = torrent
        if known:
            if self._announcer:
                self._announcer.remove(metainfo.info_hash)
            known.join(STOP_PEERS)
        torrent.start()
        return metainfo.info_hash

    def snapshot(self) -> SessionSnapshot:
        """The client as it is now."""
        now = self._clock.monotonic()
        announcer = self._announcer
        torrents = tuple(
            observe(torrent, announcer.status(torrent.info_hash) if announcer else (), now) for torrent in self._all_torrents()
        )
        return SessionSnapshot(
            version=__version__,
            peer_port=self.peer_port,
            torrents=torrents,
            down_rate=sum(torrent.down_rate for torrent in torrents),
            up_rate=sum(torrent.up_rate for torrent in torrents),
            notices=tuple(self.notices),
        )

    def stop(self) -> None:
        """End everything and join every thread. Idempotent; once stopped, a session does not start again."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self._woken.set()
        self._listener.stop()
        torrents = self._all_torrents()
        for torrent in torrents:
            torrent.stop()
        deadline = self._clock.monotonic() + STOP_PEERS
        for torrent in torrents:
            torrent.join(max(0.0, deadline - self._clock.monotonic()))
        if self._announcer:
            self._announcer.stop(STOP_TRACKERS)
        if self._timer.ident:
            self._timer.join()
        self._listener.join(max(0.5, deadline - self._clock.monotonic()))
        self._finisher.stop()
        self._files.close()

    def _check_descriptors(self) -> None:
        needed = self.config.open_files + self.config.max_peers + OTHER_DESCRIPTORS
        allowed = system.allow_descriptors(needed)
        if allowed < needed:
            self.notices.append(
                f"this system allows {allowed} open files and connections, the settings ask for {needed}: "
                "lower open_files or max_peers, or raise the limit (ulimit -n)"
            )

    def _all_torrents(self) -> list[Torrent]:
        with self._lock:
            return list(self._torrents.values())

    def _find(self, info_hash: bytes) -> Torrent | None:
        with self._lock:
            return self._torrents.get(info_hash)

    def _ready(self, torrent: Torrent) -> None:
        if self._announcer:
            self._announcer.add(torrent)

    def _completed(self, info_hash: InfoHash) -> None:
        if self._announcer:
            self._announcer.completed(info_hash)

    def _run_timer(self) -> None:
        withdrawn: set[Torrent] = set()
        while True:
            self._woken.clear()  # before the look at `_stopping`: `stop` sets that first, then wakes us
            if self._stopping:
                return
            now = self._clock.monotonic()
            due = float("inf")
            torrents = self._all_torrents()
            withdrawn.intersection_update(torrents)
            for torrent in torrents:
                try:
                    due = min(due, torrent.tick(now))
                except Exception:
                    _log.exception("timer of %s", torrent.metainfo.name)
                if torrent.state == "error" and torrent not in withdrawn:
                    withdrawn.add(torrent)
                    if self._announcer and self._find(torrent.info_hash) is torrent:  # not one that is tried anew
                        self._announcer.remove(torrent.info_hash)
            self._woken.wait(None if due == float("inf") else max(0.0, due - self._clock.monotonic()))

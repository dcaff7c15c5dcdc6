"""`-demo`: a whole swarm on this machine, with real data over real connections. No BEP rules it.

A tracker, two seeds and two downloads run in this process on free ports and meet on 127.0.0.1. Every copy is compared with the
original by SHA-1, and what was exchanged is told. All of it happens in a temporary folder that is gone at the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from gotorrent import __version__
from gotorrent.cli.output import Output, duration, size
from gotorrent.cli.progress import reporter
from gotorrent.cli.share import TorrentError, stop_on_signals
from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import ClientConfig, TrackerConfig
from gotorrent.errors import NoProgressError, StoppedError, VerificationError
from gotorrent.metainfo.create import CreateOptions, create
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.session.session import Session
from gotorrent.session.snapshot import SessionSnapshot, TorrentSnapshot

SEEDS = ("seed 1", "seed 2")
DOWNLOADS = ("download 1", "download 2")
NAME_WIDTH = 10
FILE_SIZE = 64 * 1024 * 1024  # bytes of the large file
SMALL_FILES = {"hello.txt": b"Hello from GoTorrent.\n", "folder/empty": b"", "folder/日本語.txt": b"a name in Unicode\n"}
CHUNK = 1024 * 1024  # bytes written or hashed at a time
TICK = 0.05  # seconds between two looks
PATIENCE = 60.0  # seconds for all of it; two are enough on most machines


def run(settings: ClientConfig, output: Output) -> None:
    """Run it and print what happens. Raises VerificationError when a copy is wrong, NoProgressError when it takes too long."""
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gotorrent-demo-", ignore_cleanup_errors=True)))
        url = _start_tracker(stack)
        content = _make_content(root / "original" / "demo")
        torrent = create(content, CreateOptions(trackers=((url,),), hash_threads=settings.hash_threads)).metainfo
        layout = torrent.layout
        output.say(f"A whole swarm on this machine, in {root}")
        output.say(f"{'tracker':{NAME_WIDTH}} {url}")
        output.say(f"{'torrent':{NAME_WIDTH}} {size(layout.total)} in {layout.piece_count} pieces, {torrent.info_hash.hex()}")
        swarm = Swarm(stack, root, torrent, settings)
        took = swarm.follow(output, stop)
        for name in DOWNLOADS:
            _compare(torrent, content, root / name / torrent.name)
        output.say(f"\nBoth downloads are complete, {took:.1f} s after their start:")
        for (giver, taker), count in sorted(swarm.given.items()):
            output.say(f"  {giver:{NAME_WIDTH}} gave {taker:{NAME_WIDTH}} {size(count)}")
        output.say("Every file of both copies has the SHA-1 of the original: GoTorrent works on this machine.")
        output.emit("demo", seconds=took, total=layout.total, given=[[*pair, count] for pair, count in swarm.given.items()])


def _start_tracker(stack: ExitStack) -> str:
    """Start a tracker on a free port of 127.0.0.1; its announce URL."""
    from web_ui.tracker_server import TrackerServer

    return stack.enter_context(TrackerServer(TrackerConfig(host="127.0.0.1", port=0))).urls[0]


def _make_content(folder: Path) -> Path:
    """A large file of bytes that look random but are the same every time, and a few small ones."""
    (folder / "folder").mkdir(parents=True)
    for name, text in SMALL_FILES.items():
        (folder / name).write_bytes(text)
    generator = random.Random(2026)  # noqa: S311  # it only fills a file
    with (folder / "large.bin").open("wb") as file:
        for _ in range(FILE_SIZE // CHUNK):
            file.write(generator.randbytes(CHUNK))
    return folder


def _compare(torrent: Metainfo, original: Path, copy: Path) -> None:
    """Raise VerificationError unless each file of `copy` has the SHA-1 of the same file of `original`."""
    for file in torrent.layout.files:
        path = Path(*file.path[1:])
        if _sha1(original / path) != _sha1(copy / path):
            raise VerificationError(f"{copy / path} is not what was shared: please report this")


def _sha1(path: Path) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


class Swarm:
    """Two seeds and two downloads of one torrent, each a whole client with a profile of its own."""

    def __init__(self, stack: ExitStack, root: Path, torrent: Metainfo, settings: ClientConfig) -> None:
        """Start all four; `stack` stops them."""
        self.sessions: dict[str, Session] = {}
        self.given: dict[tuple[str, str], int] = {}  # bytes by (giver, taker)
        for name in (*SEEDS, *DOWNLOADS):
            session = Session(settings, root / f"{name} profile", peer_port=0)
            stack.callback(session.stop)
            session.start()
            session.add(torrent, root / ("original" if name in SEEDS else name))
            self.sessions[name] = session

    def follow(self, output: Output, stop: threading.Event) -> float:
        """Show progress until both downloads are complete; the seconds that took. Raises GoTorrentError when they will not be."""
        display, started = reporter(output), SYSTEM_CLOCK.monotonic()
        try:
            while True:
                torrents = self._look()
                display.update(_as_one(torrents))
                took = SYSTEM_CLOCK.monotonic() - started
                failed = next((torrent for torrent in torrents.values() if torrent.state == "error"), None)
                if failed:
                    raise TorrentError(failed)
                if all(torrents[name].state == "seeding" for name in DOWNLOADS):
                    return took
                if took > PATIENCE:
                    waiting = torrents[DOWNLOADS[0]].waiting_for
                    raise NoProgressError(f"the demo was not done after {duration(PATIENCE)}: {waiting}")
                if stop.wait(TICK):
                    raise StoppedError("the demo was stopped before it was done")
        finally:
            display.close(_as_one(self._look()))

    def _look(self) -> dict[str, TorrentSnapshot]:
        """The torrent as each client sees it now; counts what went between them, which the side that dialled can name."""
        names = {f"127.0.0.1:{session.peer_port}": name for name, session in self.sessions.items()}
        torrents = {name: session.snapshot().torrents[0] for name, session in self.sessions.items()}
        for name, torrent in torrents.items():
            for peer in torrent.peers:
                other = names.get(peer.address)
                if other:
                    self._count(other, name, peer.downloaded)
                    self._count(name, other, peer.uploaded)
        return torrents

    def _count(self, giver: str, taker: str, count: int) -> None:
        if count:
            self.given[giver, taker] = max(count, self.given.get((giver, taker), 0))


def _as_one(torrents: dict[str, TorrentSnapshot]) -> SessionSnapshot:
    """The four clients as if they were four torrents of one, for the display."""
    rows = [dataclasses.replace(torrent, name=name, info_hash=name) for name, torrent in torrents.items()]
    return SessionSnapshot(__version__, 0, tuple(rows), 0.0, 0.0, ())

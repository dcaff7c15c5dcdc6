"""The client at work: a session with its torrents and its web UI, until it is done or told to stop. No BEP rules it.

The session's threads do the work. The main thread only looks at snapshots: it shows them, and decides when to leave and with
which code.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from gotorrent import __version__
from gotorrent.cli import browser, sources
from gotorrent.cli.output import Output, percent
from gotorrent.cli.progress import reporter
from gotorrent.cli.sources import Source
from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.config import ClientConfig
from gotorrent.errors import GoTorrentError, NoProgressError, PortBusyError, StoppedError, UsageError
from gotorrent.metainfo import metainfo
from gotorrent.session import ports
from gotorrent.session.profile import open_profile
from gotorrent.session.session import Session
from gotorrent.session.snapshot import SessionSnapshot, TorrentSnapshot

BUSY_TICK = 0.1  # seconds between two looks while a torrent is incomplete
IDLE_TICK = 0.5  # seconds between two looks while all are complete
UI_PORTS = 20  # how far from the default port a free one for the web UI is looked for


class TorrentError(GoTorrentError):
    """A torrent ended in an error; the exit code is the torrent's."""

    def __init__(self, torrent: TorrentSnapshot) -> None:
        super().__init__(f"{torrent.name}: {torrent.error}")
        self.exit_code = torrent.exit_code


def run(values: dict[str, Any], made: Sequence[Source], settings: ClientConfig, config_file: str | None, output: Output) -> None:
    """Share the torrents that the flags name, and those `made`, until done or told to stop. A GoTorrentError is how it ended."""
    downloads = Path(settings.download_dir).expanduser()
    chosen = list(made)
    for text in values["torrent"]:
        chosen.append(sources.locate(text, sources.read(text), values["dir"], downloads))
    with stop_on_signals() as stop, open_profile(Path(values["profile"]) if values["profile"] else None) as profile:
        session = Session(settings, profile.path, peer_port=values["port"])
        client = Client(session, downloads, [profile.notice] if profile.notice else [])
        try:
            session.start()
            with _web_ui(client, not values["no-ui"], values["ui-port"], settings.ui_port) as url:
                _introduce(client, config_file, url, output)
                for source in chosen:
                    client.add(source, values["force"], values["peer"])
                    _announce(source, downloads, output)
                if url and settings.open_browser and output.mode == "text" and not (values["no-browser"] or values["exit"]):
                    browser.open_page(url)
                _follow(client, values["exit"], values["timeout"], output, stop, SYSTEM_CLOCK)
        finally:
            session.stop()


class Client:
    """A session as the command line and the web UI use it."""

    def __init__(self, session: Session, downloads: Path, notices: Sequence[str]) -> None:
        """`downloads` is where torrents go that are added without a folder; `notices` are sentences to show once."""
        self.session = session
        self.downloads = downloads
        self.notices = list(notices)
        self.named: list[str] = []  # info-hashes, in hex, of the torrents that the command named

    def snapshot(self) -> SessionSnapshot:
        """The client at this moment, with our own notices."""
        snapshot = self.session.snapshot()
        return dataclasses.replace(snapshot, notices=(*self.notices, *snapshot.notices))

    def add(self, source: Source, force: bool, peers: Sequence[tuple[str, int]]) -> None:
        """Add a torrent that the command named."""
        self.named.append(self.session.add(source.metainfo, source.folder, force=force, peers=peers).hex())

    def of_command(self, snapshot: SessionSnapshot) -> list[TorrentSnapshot]:
        """The torrents of a snapshot that the command named."""
        return [torrent for torrent in snapshot.torrents if torrent.info_hash in self.named]

    def add_torrent(self, data: bytes) -> str:
        """Add the bytes of a .torrent file to the download folder; its info-hash in hex. Raises GoTorrentError."""
        return self.session.add(metainfo.parse(data), self.downloads).hex()

    def add_url(self, url: str) -> str:
        """Add the torrent that an http(s) URL names; its info-hash in hex. Raises GoTorrentError, for a magnet link always."""
        if not sources.is_web(url) and not url.lower().startswith("magnet:"):
            raise UsageError(f"{url} is no address of a .torrent: it should begin with http:// or https://")
        return self.session.add(sources.read(url), self.downloads).hex()


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that is set by each signal that means "end"."""
    stop = threading.Event()

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
            before[number] = signal.signal(number, handler)
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _web_ui(client: Client, wanted: bool, given: int | None, default: int) -> Iterator[str]:
    """The running web UI; yields its address, "" when not wanted. A busy default port moves to the next free one."""
    if not wanted:
        yield ""
        return
    from web_ui.client_app import UiServer

    first = default if given is not None else ports.recall(client.session.profile, "ui", default)
    last = min(first + UI_PORTS, 65535)
    for number in range(first, last + 1) if given is None else [given]:
        server = UiServer(client, number)
        try:
            server.start()
            break
        except PortBusyError:
            if given is not None or number == last:
                raise
        except OSError as error:
            raise UsageError(f"the web UI cannot have port {number}: {error.strerror}; choose another with -ui-port") from None
    if given is None and server.port != default:
        client.notices.append(f"port {default} was in use, the web UI is on {server.port} instead")
        ports.remember(client.session.profile, "ui", default, server.port)
    try:
        yield server.url
    finally:
        server.stop()


def _introduce(client: Client, config_file: str | None, url: str, output: Output) -> None:
    """The first lines: version, settings, ports, and where the web UI is."""
    snapshot = client.snapshot()
    output.emit("start", version=__version__, config=config_file, peer_port=snapshot.peer_port, ui=url, notices=snapshot.notices)
    origin = f"settings from {config_file}" if config_file else "built-in settings (no config.yaml)"
    output.say("; ".join([f"GoTorrent {__version__}, {origin}, peers on port {snapshot.peer_port}", *snapshot.notices]))
    if url:
        output.say(f"Web UI: {url}")
    if url and browser.ssh_hint(url):
        output.say(browser.ssh_hint(url))


def _announce(source: Source, downloads: Path, output: Output) -> None:
    """Say where the content of a torrent is taken from, or goes to."""
    name = source.metainfo.name
    if source.in_place and source.folder != downloads.absolute():
        output.say(f"found {name} beside the torrent, seeding it")
    else:
        output.say(f"{name} in {source.folder}")


def _follow(client: Client, leave: bool, timeout: float | None, output: Output, stop: threading.Event, clock: Clock) -> None:
    """Show progress until all is complete (if it may `leave` then) or a signal comes. A GoTorrentError says what went wrong."""
    display, patience = reporter(output, clock), _Patience(timeout, clock)
    told = len(client.snapshot().notices)
    try:
        while not stop.is_set():
            snapshot = client.snapshot()
            for notice in snapshot.notices[told:]:
                display.say(notice)
            told = len(snapshot.notices)
            named = client.of_command(snapshot)
            if _is_over(snapshot.torrents, named, leave):
                break
            display.update(snapshot)
            patience.check(named)
            stop.wait(BUSY_TICK if any(torrent.left for torrent in snapshot.torrents) else IDLE_TICK)
    finally:
        display.close(client.snapshot())
    for torrent in client.of_command(client.snapshot()):
        if torrent.state == "error":
            raise TorrentError(torrent)
        if torrent.left:
            done = percent(torrent.progress)
            raise StoppedError(f"stopped before {torrent.name} was complete ({done}); the same command goes on from there")


def _is_over(torrents: Sequence[TorrentSnapshot], named: Sequence[TorrentSnapshot], leave: bool) -> bool:
    """Whether nothing is left to do: the named ones are complete and we may `leave`, or all there is has failed."""
    if leave and all(torrent.state in ("seeding", "error") for torrent in named):
        return True
    return bool(named) and all(torrent.state == "error" for torrent in torrents)


class _Patience:
    """Raises NoProgressError when a torrent is incomplete and nothing has moved for `limit` seconds; None: waits for ever."""

    def __init__(self, limit: float | None, clock: Clock) -> None:
        self.limit, self.clock = limit, clock
        self.seen: list[object] = []
        self.since = clock.monotonic()

    def check(self, torrents: Sequence[TorrentSnapshot]) -> None:
        now = self.clock.monotonic()
        seen: list[object] = [(torrent.state, torrent.left, torrent.downloaded, torrent.checked) for torrent in torrents]
        waiting = [torrent for torrent in torrents if torrent.left]
        if seen != self.seen or not waiting:
            self.seen, self.since = seen, now
        elif self.limit is not None and now - self.since >= self.limit:
            first = waiting[0]
            raise NoProgressError(f"{first.name}: no progress for {self.limit:g} s; {first.waiting_for or 'nobody has answered'}")

"""The command `tracker.py`: read its flags and settings, serve until told to stop. No BEP rules it.

SIGINT (Ctrl-C) and SIGTERM stop it cleanly, with exit code 0. SIGHUP makes it read its settings, lists and keys again, unless it
was the terminal that went away: then it stops, as the client does. Peers are kept in memory, or in Redis (`-store`): after a
restart the swarms are back as soon as their clients announce again. Completed downloads are counted on from a file.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from gotorrent import __version__, config
from gotorrent.cli.arguments import Flag, parse, port, usage
from gotorrent.cli.output import Output
from gotorrent.cli.passkeys import passkeys
from gotorrent.config import TrackerConfig
from gotorrent.errors import GoTorrentError, UsageError
from gotorrent.session.profile import default_profile
from gotorrent.tracker.operation import Operation

_SYNOPSIS = """tracker.py [flags]

Runs a BitTorrent tracker: it tells clients that share a torrent about each other. Its page is at / of its address."""

_MAX_INTERVAL = 86_400


def _interval(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= _MAX_INTERVAL):
        raise ValueError(f"this is not a whole number of seconds from 1 to {_MAX_INTERVAL}")
    return int(text)


_GROUPS = {
    "Where it listens": [
        Flag("host", "address to listen on; all addresses, IPv4 and IPv6, unless given", "H"),
        Flag("port", "HTTP port (8080); 0 = any free one", "N", port),
        Flag("udp-port", "UDP port (the same number as -port); 0 = no UDP", "N", port),
    ],
    "How it works": [
        Flag("interval", "seconds that clients wait between two announces (60)", "S", _interval),
        Flag("store", "memory, or redis://HOST:PORT/NUMBER to share all swarms with other trackers", "WHERE"),
        Flag("passkey", 'keys of a private tracker: "add NAME", "list" or "revoke KEY" (needs the setting passkey_file)', "ACTION"),
        Flag("config", "settings file, instead of config.yaml here or in your configuration folder", "FILE"),
    ],
    "What it says": [
        Flag("quiet", "print nothing but errors"),
        Flag("v", "print more of what happens inside"),
        Flag("version", "print the version and end"),
        Flag("h", "print this help and end"),
    ],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tracker with these arguments (the process's own by default); the exit code, see `errors`."""
    arguments = sys.argv[1:] if argv is None else argv
    output = Output()
    try:
        values, rest = parse([flag for group in _GROUPS.values() for flag in group], arguments)
        if values["h"] or values["version"]:
            output.say(usage(_SYNOPSIS, _GROUPS) if values["h"] else f"GoTorrent {__version__}")
            return 0
        output = Output("quiet" if values["quiet"] else "text")
        if values["passkey"] is not None:
            return passkeys(config.load(values["config"])[0].tracker, values["passkey"], rest, output)
        if rest:
            raise UsageError(f"the tracker takes only flags, {rest[0]} is none; -h lists them")
        return _serve(values, output)
    except GoTorrentError as error:
        output.error(f"tracker.py: {error}")
        return error.exit_code


def _serve(values: dict[str, Any], output: Output) -> int:
    """Serve until a signal comes; 1 when the server died by itself."""
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO if values["v"] else logging.WARNING)
    settings, file_name = _load(values)
    signals = _Signals()
    from web_ui.tracker_server import TrackerServer  # Flask and waitress: not for -h, nor for a wrong flag

    with TrackerServer(settings) as server:
        output.say(f"GoTorrent tracker {__version__}, settings from {file_name or 'the program itself (no config.yaml)'}")
        key = "/KEY" if settings.passkey_file else ""
        here, *elsewhere = server.urls
        output.say(f"Announce URL on this machine:    {here}{key}")
        for url in elsewhere:
            output.say(f"             from other machines: {url}{key}")
        if server.udp_port:
            output.say(f"Over UDP: the same with udp:// and port {server.udp_port}")
        if key:
            output.say("Private: each person has an own KEY, made by tracker.py -passkey add NAME")
        output.say(f"Page for people: {here.removesuffix('announce')}   Ctrl-C stops the tracker")
        while not signals.wait():
            if not server.running:
                output.error("tracker.py: the server has stopped by itself; the lines above say why")
                return 1
            if signals.take_reload():
                _reload(server.operation, values, output)
    output.say("Tracker stopped.")
    return 0


def _reload(operation: Operation, values: dict[str, Any], output: Output) -> None:
    """Read everything again; what is wrong is said, and all stays as it was."""
    try:
        said = operation.reload(_load(values)[0])
    except GoTorrentError as error:
        output.error(f"tracker.py: nothing has changed: {error}")
        return
    for sentence in said:
        output.say(sentence)
    output.say("Settings, lists and keys were read again.")


def _load(values: dict[str, Any]) -> tuple[TrackerConfig, str | None]:
    """The settings with the flags, and the file that they came from."""
    settings, file_name = config.load(values["config"])
    return _settings(settings.tracker, values), file_name


def _settings(settings: TrackerConfig, values: dict[str, Any]) -> TrackerConfig:
    """The settings, with those replaced that were given as flags."""
    names = {"host": "host", "port": "port", "udp-port": "udp_port", "store": "store"}
    changes: dict[str, Any] = {setting: values[flag] for flag, setting in names.items() if values[flag] is not None}
    interval = values["interval"]
    if interval is not None:
        changes["announce_interval"] = interval
        changes["min_interval"] = min(settings.min_interval, interval)
    settings = dataclasses.replace(settings, **changes)
    if not settings.state_file and settings.port:
        state = default_profile() / "tracker" / f"completed-{settings.port}"
        settings = dataclasses.replace(settings, state_file=str(state))
    return settings


class _Signals:
    """What the person or the system asks for by a signal."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._stop = False
        self._reload = False
        self._had_terminal = _has_terminal()
        for name, handler in {"SIGINT": self._on_stop, "SIGTERM": self._on_stop, "SIGHUP": self._on_hangup}.items():
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # nohup wants it ignored
                continue
            signal.signal(number, handler)

    def wait(self, seconds: float = 1.0) -> bool:
        """Wait for a signal, at most so long; True when the program shall stop."""
        self._woken.wait(seconds)
        self._woken.clear()
        if self._reload and self._had_terminal and not _has_terminal():
            self._stop = True
        return self._stop

    def take_reload(self) -> bool:
        """Was a reload asked for since the last call?"""
        asked, self._reload = self._reload, False
        return asked

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
        self._woken.set()

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        self._reload = True
        self._woken.set()


def _has_terminal() -> bool:
    """Is any of the three streams a terminal that is still there?"""
    return any(os.isatty(number) for number in (0, 1, 2))

"""The command `tracker.py`: read its flags and settings, serve until told to stop. No BEP rules it.

SIGINT (Ctrl-C), SIGTERM and SIGHUP stop it cleanly, with exit code 0. It keeps everything in memory: after a restart the swarms
are back as soon as their clients announce again.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from gotorrent import __version__, config
from gotorrent.cli.arguments import Flag, parse, port, usage
from gotorrent.cli.output import Output
from gotorrent.config import TrackerConfig
from gotorrent.errors import GoTorrentError, UsageError

_SYNOPSIS = """tracker.py [flags]

Runs a BitTorrent tracker: it tells clients that share a torrent about each other. Its page is at / of its address."""

_MAX_INTERVAL = 86_400
_ANNOUNCES_UNTIL_FORGOTTEN = 3  # a peer may miss two in a row


def _interval(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= _MAX_INTERVAL):
        raise ValueError(f"this is not a whole number of seconds from 1 to {_MAX_INTERVAL}")
    return int(text)


_GROUPS = {
    "Where it listens": [
        Flag("host", "address to listen on; all addresses, IPv4 and IPv6, unless given", "H"),
        Flag("port", "HTTP port (8080); 0 = any free one", "N", port),
    ],
    "How it works": [
        Flag("interval", "seconds that clients wait between two announces (60)", "S", _interval),
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
        if rest:
            raise UsageError(f"the tracker takes only flags, {rest[0]} is none; -h lists them")
        return _serve(values, Output("quiet" if values["quiet"] else "text"))
    except GoTorrentError as error:
        output.error(f"tracker.py: {error}")
        return error.exit_code


def _serve(values: dict[str, Any], output: Output) -> int:
    """Serve until a signal comes; 1 when the server died by itself."""
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO if values["v"] else logging.WARNING)
    settings, file_name = config.load(values["config"])
    stop = _stop_on_signals()
    from web_ui.tracker_server import TrackerServer  # Flask and waitress: not for -h, nor for a wrong flag

    with TrackerServer(_settings(settings.tracker, values)) as server:
        output.say(f"GoTorrent tracker {__version__}, settings from {file_name or 'the program itself (no config.yaml)'}")
        here, *elsewhere = server.urls
        output.say(f"Announce URL on this machine:    {here}")
        for url in elsewhere:
            output.say(f"             from other machines: {url}")
        output.say(f"Page for people: {here.removesuffix('announce')}   Ctrl-C stops the tracker")
        while not stop.wait(1.0):
            if not server.running:
                output.error("tracker.py: the server has stopped by itself; the lines above say why")
                return 1
    output.say("Tracker stopped.")
    return 0


def _settings(settings: TrackerConfig, values: dict[str, Any]) -> TrackerConfig:
    """The settings, with those replaced that were given as flags."""
    changes: dict[str, Any] = {name: values[name] for name in ("host", "port") if values[name] is not None}
    interval = values["interval"]
    if interval is not None:
        changes["announce_interval"] = interval
        changes["min_interval"] = min(settings.min_interval, interval)
        changes["peer_timeout"] = max(settings.peer_timeout, interval * _ANNOUNCES_UNTIL_FORGOTTEN)
    return dataclasses.replace(settings, **changes)


def _stop_on_signals() -> threading.Event:
    """An event that is set by each signal that means "end"."""
    stop = threading.Event()

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # nohup wants it ignored
            continue
        signal.signal(number, handler)
    return stop

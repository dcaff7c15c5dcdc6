"""The command `client.py`: read its flags and settings, do what they ask, end with the right code. No BEP rules it.

Downloads and seeds until it is told to stop. SIGINT (Ctrl-C), SIGTERM and SIGHUP stop it cleanly. The exit codes are those of
`gotorrent.errors`; the table is in `docs/architecture.md`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from gotorrent import __version__, config
from gotorrent.cli.arguments import Flag, parse, port, seconds, usage
from gotorrent.cli.output import Output
from gotorrent.errors import GoTorrentError, StoppedError, UsageError

_SYNOPSIS = """client.py [flags] [SRC ...]

Downloads and shares files. SRC is a .torrent file, an http(s) URL of one, or a magnet link. Without any, the web UI opens."""

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def _size(text: str) -> int:
    """Bytes from `16384`, `256K`, `1M`."""
    number = text.lower().removesuffix("ib").removesuffix("b")
    digits = number.rstrip("kmg")
    unit = number[len(digits) :]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12 and unit in _UNITS):
        raise ValueError("this is not a size such as 256K or 1M")
    return int(digits) * _UNITS[unit]


def _address(text: str) -> tuple[str, int]:
    """A host and a port from `HOST:PORT`; an IPv6 address stands in brackets."""
    host, colon, number = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host.strip("[]") or (":" in host and not bracketed):
        raise ValueError("this is not HOST:PORT, or [IPv6 address]:PORT")
    value = port(number)
    if not value:
        raise ValueError("0 is no port of a peer")
    return host.strip("[]"), value


_GROUPS = {
    "Download and share": [
        Flag("torrent", "the same as SRC", "SRC", many=True),
        Flag("dir", "folder that holds, or will hold, the content", "DIR"),
        Flag("exit", "leave when all is complete; otherwise it goes on seeding"),
        Flag("timeout", "give up, with code 8, after so many seconds without progress", "S", seconds),
        Flag("peer", "connect to this peer too", "HOST:PORT", _address, many=True),
        Flag("port", "port on which peers reach this client (6881); 0 = any", "N", port),
        Flag("force", "write into existing content that does not match; with -create, replace the .torrent"),
    ],
    "Make a torrent": [
        Flag("create", "make a .torrent of this file or folder, beside it", "PATH"),
        Flag("tracker", "announce URL, each a tier of its own; a,b is one tier; none = no tracker", "URL", many=True),
        Flag("o", "write the .torrent here", "FILE"),
        Flag("piece-size", "for example 256K or 1M; chosen by itself unless given", "SIZE", _size),
        Flag("private", "peers come only from the trackers (BEP 27)"),
        Flag("comment", "a text for those who open it", "TEXT"),
        Flag("source", "a text that makes the info-hash another one, as some trackers want", "TEXT"),
        Flag("webseed", "web server that has the content too (BEP 19)", "URL", many=True),
        Flag("no-date", "leave the date out: the same content gives the same file"),
        Flag("seed", "share it right away"),
    ],
    "Look and try": [
        Flag("show", "say what is in a torrent or magnet link", "SRC"),
        Flag("demo", "run a tracker, two seeds and two downloads on this machine, and check every copy"),
    ],
    "The web UI": [
        Flag("ui-port", "its port (3000)", "N", port),
        Flag("no-ui", "run without it"),
        Flag("no-browser", "do not open it in the browser"),
    ],
    "This program": [
        Flag("profile", "folder for what this client remembers: another one is another client", "DIR"),
        Flag("config", "settings file, instead of config.yaml here or in your configuration folder", "FILE"),
        Flag("json", "print one JSON object a line"),
        Flag("quiet", "print nothing but errors"),
        Flag("v", "print more of what happens inside"),
        Flag("version", "print the version and end"),
        Flag("h", "print this help and end"),
    ],
}

_FLAGS = [flag for flags in _GROUPS.values() for flag in flags]
_ONLY_WITH_CREATE = ("tracker", "o", "piece-size", "private", "comment", "source", "webseed", "no-date", "seed")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (the process's own by default); the exit code."""
    output = Output()
    try:
        values, rest = parse(_FLAGS, sys.argv[1:] if argv is None else argv)
        if values["h"] or values["version"]:
            output.say(usage(_SYNOPSIS, _GROUPS) if values["h"] else f"GoTorrent {__version__}")
            return 0
        values["torrent"] += rest
        _check(values)
        output = Output("json" if values["json"] else "quiet" if values["quiet"] else "text")
        logging.basicConfig(format="%(name)s: %(message)s", level=logging.DEBUG if values["v"] else logging.ERROR)
        _run(values, output)
    except GoTorrentError as error:
        output.error(f"client.py: {error}", error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        output.error("client.py: stopped", StoppedError.exit_code)
        return StoppedError.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; the interpreter would complain of it at exit
        return 1
    return 0


def _check(values: dict[str, Any]) -> None:
    """Refuse flags that contradict each other. Raises UsageError."""
    tasks = [f"-{name}" for name in ("create", "show", "demo") if values[name]] + ["a torrent"] * bool(values["torrent"])
    if len(tasks) > 1:
        raise UsageError(f"{tasks[0]} and {tasks[1]} are two tasks: one at a time")
    if values["json"] and values["quiet"]:
        raise UsageError("-json and -quiet contradict each other")
    if not values["create"]:
        stray = next((name for name in _ONLY_WITH_CREATE if values[name]), None)
        if stray:
            raise UsageError(f"-{stray} is about making a torrent: it goes with -create PATH")
    if not values["torrent"] and not values["seed"]:
        for name in ("exit", "dir", "peer", "timeout"):
            if values[name]:
                raise UsageError(f"-{name} needs a torrent: name a .torrent file")


def _run(values: dict[str, Any], output: Output) -> None:
    """Do what the flags ask. Each task is imported when it is asked for: a bare command starts fast."""
    settings, file_name = config.load(values["config"])
    if values["show"]:
        from gotorrent.cli import show

        show.run(values["show"], output)
    elif values["demo"]:
        from gotorrent.cli import demo

        demo.run(settings.client, output)
    else:
        from gotorrent.cli import create, share

        made = [create.run(values, settings.client, output)] if values["create"] else []
        if not values["create"] or values["seed"]:
            share.run(values, made, settings.client, file_name, output)

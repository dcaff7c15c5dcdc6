"""Ports that were taken because the usual one was busy: remembered, so that they stay the same. No BEP rules it.

A router's rule and a bookmark name a port; they should still be right at the next start. Only a port that stands in for the
configured one is remembered, in `ports.json` of the profile; a broken file, or one of a newer program, is as good as none.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from gotorrent.system import write_atomically

VERSION = 1
MAX_SIZE = 10_000
_log = logging.getLogger(__name__)


def recall(profile: Path, name: str, configured: int) -> int:
    """The port to try first for `name` ("peer", "ui"): the one that stood in for `configured` last time, else that one."""
    entry = _load(profile).get(name)
    if isinstance(entry, list) and len(entry) == 2 and entry[0] == configured and type(entry[1]) is int and 0 < entry[1] < 65536:
        return entry[1]
    return configured


def remember(profile: Path, name: str, configured: int, port: int) -> None:
    """`port` stands in for `configured` from now on. A profile that cannot be written forgets it."""
    known = _load(profile)
    if known.get(name) == [configured, port]:
        return
    data = {"version": VERSION, "ports": {**known, name: [configured, port]}}
    try:
        write_atomically(profile / "ports.json", json.dumps(data).encode())
    except OSError as error:
        _log.warning("cannot remember the port in %s: %s", profile, error)


def _load(profile: Path) -> dict[str, object]:
    try:
        with (profile / "ports.json").open("rb") as file:
            data = json.loads(file.read(MAX_SIZE))
    except (OSError, ValueError, RecursionError):
        return {}
    ports = data.get("ports") if isinstance(data, dict) and data.get("version") == VERSION else None
    return ports if isinstance(ports, dict) else {}

"""`tracker.py -passkey`: make, list and revoke the keys of a private tracker. No BEP rules it.

A tracker that runs sees the change within a second. A key is printed once, when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from gotorrent.cli.output import Output, counted
from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import TrackerConfig
from gotorrent.errors import UsageError
from gotorrent.tracker.access import add_key, read_keys, revoke_key


def passkeys(settings: TrackerConfig, action: str, names: Sequence[str], output: Output) -> int:
    """Do `add NAME`, `list` or `revoke KEY|NAME`; the exit code. Raises `UsageError`, `ConfigError`, `WriteError`."""
    if not settings.passkey_file:
        raise UsageError("-passkey needs the setting passkey_file in the tracker's config.yaml: the file that holds the keys")
    path = Path(settings.passkey_file).expanduser()
    if action not in ("add", "list", "revoke") or len(names) != (action != "list"):
        raise UsageError('-passkey is followed by add NAME, list, or revoke KEY; a NAME of several words stands in "quotes"')
    if action == "add":
        key = add_key(path, names[0], date.fromtimestamp(SYSTEM_CLOCK.wall()).isoformat())
        output.say(f"The passkey of {names[0]}, shown only this once: {key}")
        output.say(f"Announce URL: http://THIS-TRACKER:{settings.port}/announce/{key}")
    elif action == "revoke":
        person = revoke_key(path, names[0])
        output.say(f"The passkey of {person.name}, made {person.made}, is revoked.")
    else:
        people = read_keys(path) if path.exists() else {}
        for person in sorted(people.values(), key=lambda each: each.name.casefold()):
            output.say(f"{person.made}  {person.name}")
        output.say(f"{counted(len(people), 'passkey')} in {path}")
    return 0

"""Opening the web UI in a browser, or saying how to reach it when there is none here. No BEP rules it.

It starts graphical browsers only, never a text one in the terminal, and none over ssh: there the person sits elsewhere.
"""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

_TEXT_BROWSERS = frozenset({"www-browser", "links", "links2", "elinks", "lynx", "w3m"})


def ssh_hint(url: str) -> str:
    """Over ssh, the command that brings this page to the person's own machine; else ""."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return ""
    port, host = urlsplit(url).port, connection[2]
    return f"from your own machine: ssh -L {port}:localhost:{port} {_user()}{host}, then open {url}"


def open_page(url: str) -> bool:
    """Open `url` in this machine's graphical browser. False when there is none to open."""
    if os.environ.get("SSH_CONNECTION") or not _has_display():
        return False
    try:
        browser = webbrowser.get()
        name = Path(getattr(browser, "name", "")).name
        return name not in _TEXT_BROWSERS and browser.open(url)
    except (webbrowser.Error, OSError):
        return False


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _user() -> str:
    try:
        return f"{getpass.getuser()}@"
    except (KeyError, OSError):  # no account of that number
        return ""

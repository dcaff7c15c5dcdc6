"""How the commands print: lines for people, JSON objects for scripts, or nothing. No BEP rules it.

Sizes count K = 1 024. Names in torrents and words of trackers come from strangers: whatever could move a cursor or reverse a
line is taken out here, at the one place that all text goes through.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Literal, TextIO

Mode = Literal["text", "json", "quiet"]

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` without characters that control a terminal or change the direction of a line; line ends and tabs stay."""
    return _UNSAFE.sub("\ufffd", text)


def size(count: float) -> str:
    """Bytes for people: `17 B`, `16 KiB`, `1.5 MiB`."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1023.5 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 99.95 or abs(value - round(value)) < 0.05 else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """A time for people: `0:07`, `1:02:03`, `3 days`."""
    whole = round(seconds)
    if whole >= 2 * 86400:
        return f"{whole // 86400} days"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(fraction: float) -> str:
    """`12 %`; 100 only when it is all there."""
    return f"{min(int(fraction * 100), 99) if fraction < 1 else 100} %"


def counted(number: int, noun: str) -> str:
    """`1 peer`, `2 peers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Output:
    """Standard output in one of three modes, and errors on standard error in all of them."""

    def __init__(self, mode: Mode = "text", stream: TextIO | None = None, errors: TextIO | None = None) -> None:
        """`stream` and `errors` are sys.stdout and sys.stderr unless given. What they cannot encode is printed escaped."""
        self.mode = mode
        self.stream = stream or sys.stdout
        self.errors = errors or sys.stderr
        for each in (self.stream, self.errors):
            reconfigure = getattr(each, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")

    def say(self, text: str = "") -> None:
        """Print for people; nothing in the other modes."""
        if self.mode == "text":
            self._write(self.stream, printable(text) + "\n")

    def emit(self, event: str, **values: Any) -> None:
        """Print one JSON object on one line; nothing in the other modes."""
        if self.mode == "json":
            self._write(self.stream, json.dumps({"event": event, **values}) + "\n")

    def error(self, sentence: str, exit_code: int | None = None) -> None:
        """Print on standard error, in every mode; in JSON mode also as an object."""
        self.emit("error", message=sentence, exit_code=exit_code)
        self._write(self.errors, printable(sentence) + "\n")

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()

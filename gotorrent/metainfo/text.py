"""Text and URLs that strangers wrote, made safe to print and to use. No BEP rules it."""

from __future__ import annotations

import re

MAX_TEXT = 10_000
"""Characters of a comment or another text for people; the rest is cut off."""

MAX_URL = 4096
"""Characters of a URL: more than any server accepts; longer ones are ignored."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNUSABLE = "\\s\x00-\x1f\x7f\ud800-\udfff\ufffd"
_URL = re.compile(f"(https?|udp)://[^{_UNUSABLE}/?#]+[^{_UNUSABLE}]*", re.IGNORECASE)


def clean_text(raw: bytes) -> str:
    """Text without characters that move the cursor of a terminal or reverse a line; bad UTF-8 becomes U+FFFD."""
    return _CONTROL.sub(" ", raw[: MAX_TEXT * 4].decode(errors="replace")[:MAX_TEXT])


def clean_url(text: str) -> str:
    """The http, https or udp URL without blanks around it, or "" when it is none."""
    text = text.strip()
    return text if len(text) <= MAX_URL and _URL.fullmatch(text) else ""


def is_web_url(url: str) -> bool:
    """Whether a clean URL is http or https."""
    return url[:4].lower() == "http"

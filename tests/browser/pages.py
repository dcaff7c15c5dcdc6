"""What a person does on the client's page and what they then read, for tests with a fake or a real client behind it."""

from __future__ import annotations

import re
from typing import Any


def upload(page: Any, *files: tuple[str, bytes]) -> str:
    """Choose (name, content) files in the file picker; the page's answer."""
    chosen = [{"name": name, "mimeType": "application/x-bittorrent", "buffer": data} for name, data in files]
    page.locator("#file").set_input_files(chosen)
    return answer(page)


def add_link(page: Any, url: str) -> str:
    """Type a link and press Enter; the page's answer."""
    page.locator("#url").fill(url)
    page.locator("#url").press("Enter")
    return answer(page)


def answer(page: Any) -> str:
    """What the page says of the last attempt to add something, once the client has answered."""
    node = page.locator("#answer", has_text=re.compile(r"\w[.:]( |$)|first"))
    node.wait_for()
    return str(node.text_content())


def card(page: Any, name: str) -> Any:
    """The locator of the torrent `name` in the list, once it is there."""
    found = page.locator(".torrent", has=page.get_by_role("button", name=name, exact=True))
    found.wait_for()
    return found


def wait_for_state(page: Any, name: str, words: str, timeout: float = 60.0) -> None:
    """Wait until the torrent `name` shows the state `words` ("Seeding"), at most `timeout` seconds."""
    card(page, name).locator(".state", has_text=words).wait_for(timeout=timeout * 1000)


def percent(page: Any, name: str) -> float:
    """The progress that the torrent `name` shows."""
    return float(card(page, name).locator(".percent").inner_text().rstrip("%"))

"""What a person does on the client's page and what they then read, for tests with a fake or a real client behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def upload(page: Any, *files: tuple[str, bytes]) -> list[str]:
    """Choose (name, content) files in the file picker; what the page says of each."""
    chosen = [{"name": name, "mimeType": "application/x-bittorrent", "buffer": data} for name, data in files]
    return answers(page, lambda: page.locator("#file").set_input_files(chosen))


def add_link(page: Any, url: str) -> list[str]:
    """Type a link and press Enter; what the page says of it."""
    page.locator("#url").fill(url)
    return answers(page, lambda: page.locator("#url").press("Enter"))


def answers(page: Any, act: Callable[[], object]) -> list[str]:
    """The sentences below the form once the client has answered to `act`."""
    page.evaluate("document.getElementById('answer').replaceChildren()")
    act()
    page.locator("#answer p").first.wait_for()
    page.get_by_text("Adding…").wait_for(state="hidden")
    return [text.replace("\xa0", " ") for text in page.locator("#answer p").all_text_contents()]


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

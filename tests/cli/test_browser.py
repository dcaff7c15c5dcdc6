"""When a browser is opened, and what is said when not."""

from __future__ import annotations

import webbrowser

import pytest

from gotorrent.cli import browser

URL = "http://localhost:3000"


class FakeBrowser:
    def __init__(self, name: str) -> None:
        self.name = name
        self.opened: list[str] = []

    def open(self, url: str) -> bool:
        self.opened.append(url)
        return True


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> FakeBrowser:
    """A desktop with a graphical browser."""
    fake = FakeBrowser("/usr/bin/firefox")
    monkeypatch.setattr(webbrowser, "get", lambda: fake)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("SSH_CONNECTION", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return fake


def test_a_graphical_browser_is_opened(desktop: FakeBrowser) -> None:
    assert browser.open_page(URL)
    assert desktop.opened == [URL]
    assert browser.ssh_hint(URL) == ""


@pytest.mark.parametrize("name", ["/usr/bin/lynx", "w3m", "www-browser"])
def test_a_text_browser_never(desktop: FakeBrowser, name: str) -> None:
    desktop.name = name
    assert not browser.open_page(URL)
    assert desktop.opened == []


def test_none_without_a_display(desktop: FakeBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    assert not browser.open_page(URL)


def test_none_over_ssh_but_the_command_that_brings_the_page_home(desktop: FakeBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.9 50000 192.0.2.7 22")
    monkeypatch.setenv("LOGNAME", "ann")
    assert not browser.open_page(URL)
    assert browser.ssh_hint(URL) == f"from your own machine: ssh -L 3000:localhost:3000 ann@192.0.2.7, then open {URL}"


def test_no_browser_at_all_is_no_error(desktop: FakeBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert not browser.open_page(URL)

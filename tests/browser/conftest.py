"""A headless Chromium of the system, driven by Playwright, with the client's page open in it.

`page` shows `ui`, whose facade is `facade`. A script that fails, a file or script that the content policy stops, a dialog, or a
request to anything but `ui` fails the test. For a page with a real client behind it use `open_page` and `tests/browser/pages.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.web_ui.fakes import FakeFacade, torrent
from web_ui.client_app import UiServer

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests, with a temporary user folder that Playwright makes and removes."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("the program chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(url, **context)` opens a page in a browser profile of its own; `context` is Playwright's (viewport, ...)."""
    contexts, problems = [], []

    def open_page(url: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script failed: {error}"))
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: "Content Security" in message.text and problems.append(message.text))
        page.on("request", lambda request: request.url.startswith(url) or problems.append(f"request: {request.url}"))
        page.goto(url)
        page.wait_for_selector("#about:not(:empty)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def facade() -> FakeFacade:
    return FakeFacade(torrent())


@pytest.fixture
def ui(facade: FakeFacade) -> Iterator[UiServer]:
    server = UiServer(facade, 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(ui: UiServer, open_page: Callable[..., Any]) -> Any:
    return open_page(ui.url)

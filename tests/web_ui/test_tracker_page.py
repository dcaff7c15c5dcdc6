"""The tracker's page and its numbers, as Flask answers them; in a browser: tests/browser/test_tracker_page.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError
from gotorrent.tracker.overview import Overview
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker
from web_ui.tracker_page import add_page

WEB_UI = Path(__file__).resolve().parents[2] / "web_ui"


@pytest.fixture
def tracker() -> Tracker:
    config = TrackerConfig()
    return Tracker(config, Swarms(config))


@pytest.fixture
def urls() -> tuple[list[str], list[str]]:
    return ["http://192.0.2.5:8080/announce"], ["http://localhost:8080/announce"]


@pytest.fixture
def client(tracker: Tracker, urls: tuple[list[str], list[str]]) -> FlaskClient:
    app = Flask("web_ui", root_path=str(WEB_UI))
    add_page(app, Overview(tracker, SYSTEM_CLOCK.monotonic()), SYSTEM_CLOCK, lambda: urls)
    return app.test_client()


def test_the_page_is_whole_before_any_script_runs(client: FlaskClient, tracker: Tracker) -> None:
    tracker.store.announce(bytes(20), bytes((192, 0, 2, 7, 1, 1)), 0, True, 0, False, SYSTEM_CLOCK.monotonic())
    page = client.get("/").text
    assert '<dd id="seeds">1</dd>' in page and '<dd id="leechers">0</dd>' in page
    assert "<code>http://192.0.2.5:8080/announce</code>" in page
    assert "-tracker http://192.0.2.5:8080/announce" in page, "the example works from every machine"
    assert "<code>http://localhost:8080/announce</code> <span" in page


def test_the_numbers_are_json(client: FlaskClient) -> None:
    answer = client.get("/dashboard.json")
    assert answer.mimetype == "application/json"
    assert {"torrents", "seeds", "leechers", "downloaded", "points", "largest", "events"} <= set(answer.get_json())


def test_without_a_network_it_says_so(client: FlaskClient, urls: tuple[list[str], list[str]]) -> None:
    urls[0].clear()
    page = client.get("/").text
    assert "No network was found" in page and "-tracker http://localhost:8080/announce" in page


def test_a_store_that_is_away_is_told_on_the_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Swarms) -> None:
        raise TrackerError("the <store> does not answer")

    monkeypatch.setattr(Swarms, "totals", away)
    answer = client.get("/")
    assert answer.status_code == 200 and 'role="alert">the &lt;store&gt; does not answer</p>' in answer.text


def test_no_file_of_the_page_makes_html_of_a_text() -> None:
    for path in [*(WEB_UI / "static").glob("tracker*"), WEB_UI / "templates" / "tracker.html"]:
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "|safe", "|tojson", "style="):
            assert word not in text, (path.name, word)

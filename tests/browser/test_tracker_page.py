"""The tracker's page in a real browser, over a real tracker to which real announces are sent."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.tracker.counters import UDP6
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

HASH = bytes(range(0xA0, 0xB4))
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`{{7*7}}"


@pytest.fixture
def tracker() -> Iterator[TrackerServer]:
    with TrackerServer(TrackerConfig(threads=2), port=0) as server:
        yield server


@pytest.fixture
def page(tracker: TrackerServer, open_page: Callable[..., Any]) -> Any:
    return open_tracker(open_page, tracker)


def open_tracker(open_page: Callable[..., Any], tracker: TrackerServer, host: str = "127.0.0.1", **options: Any) -> Any:
    """The page once it has its first numbers."""
    page = open_page(f"http://{host}:{tracker.port}", **options)
    page.locator("#about", has_text="running for").wait_for()
    return page


def announce(tracker: TrackerServer, *, host: str = "127.0.0.1", left: int = 1, port: int = 6881, **fields: object) -> None:
    """One announce over HTTP; further `fields` go into the query as they are."""
    known = {"info_hash": escaped(HASH), "peer_id": "-TR3000-abcdefghijkl", "port": port, "left": left, **fields}
    connection = http.client.HTTPConnection(host, tracker.port, timeout=10)
    try:
        query = "&".join(f"{name}={value}" for name, value in known.items())
        connection.request("GET", f"/announce?{query}", headers={"User-Agent": EVIL})
        assert b"failure" not in connection.getresponse().read()
    finally:
        connection.close()


def escaped(text: str | bytes) -> str:
    return "".join(f"%{byte:02x}" for byte in (text.encode() if isinstance(text, str) else text))


def shown(page: Any, name: str) -> str:
    return str(page.locator(f"#{name}").inner_text())


def events(page: Any) -> list[str]:
    return [text.replace("\xa0", " ") for text in page.locator("#events li").all_inner_texts()]


def test_an_empty_tracker_says_what_to_do_first(page: Any, tracker: TrackerServer) -> None:
    assert [shown(page, name) for name in ("torrents", "seeds", "leechers", "downloaded")] == ["0", "0", "0", "0"]
    urls = page.locator("#urls code").all_inner_texts()
    assert f"http://localhost:{tracker.port}/announce" in urls and f"udp://localhost:{tracker.udp_port}/announce" in urls
    assert f"python client.py -create PATH -tracker {urls[0]}" in shown(page, "no-torrents")
    page.get_by_text("Nothing yet").wait_for()


def test_it_moves_by_itself(page: Any, tracker: TrackerServer) -> None:
    announce(tracker, event="started", left=0)
    announce(tracker, event="started", host="::1", port=6882)
    page.locator("#leechers", has_text="1").wait_for()
    assert (shown(page, "torrents"), shown(page, "seeds"), shown(page, "downloaded")) == ("1", "1", "0")
    rows = page.get_by_role("table", name="Largest torrents").get_by_role("row")
    assert re.split(r"\s+", rows.nth(1).inner_text().strip()) == [HASH.hex(), "1", "1", "0"]
    assert "IPv4 50%" in shown(page, "shares") and "HTTP 100%" in shown(page, "shares")
    announce(tracker, event="completed", left=0, host="::1", port=6882)
    announce(tracker, event="stopped", left=0)
    page.locator("#downloaded", has_text="1").wait_for()
    assert [re.split(r"\s{2,}|\n", event)[0] for event in events(page)] == [
        "A seed left",
        "A download completed",
        "A leecher joined",
        "A seed joined",
    ]
    assert "HTTP, IPv6" in events(page)[1] and "HTTP, IPv4" in events(page)[0]


def test_announces_per_second_are_drawn(tracker: TrackerServer, open_page: Callable[..., Any]) -> None:
    for _ in range(40):
        announce(tracker)
    with tracker.tracker.counters.lock:
        tracker.tracker.counters.announces[UDP6] += 20
    page = open_tracker(open_page, tracker)
    wait_until(lambda: shown(page, "rate") != "0", 15, "the first step of the history has passed")
    http, udp = (float(text) for text in page.locator("#chart .key b").all_inner_texts())
    assert http == pytest.approx(2 * udp, rel=0.2) and 4 < http < 9
    assert page.locator("#chart polygon.http").get_attribute("points").count(",") >= 2
    page.locator("#chart svg[aria-label*='announces per second now']").wait_for()
    page.locator("#chart svg").hover()
    page.locator("#chart line.mark").wait_for(state="attached")


def test_nothing_that_a_peer_sent_becomes_html(page: Any, tracker: TrackerServer) -> None:
    evil_id = escaped(("<img src=x onerror=alert(1)>" * 2)[:20])
    announce(tracker, peer_id=evil_id, event="started", key=escaped(EVIL), trackerid=escaped(EVIL), ip=escaped(EVIL))
    announce(tracker, info_hash=escaped("<script>alert(1)</script>"[:20]), peer_id=evil_id, event="started", port=6999)
    announce(tracker, peer_id=evil_id, event=escaped(EVIL), port=6883)
    page.locator("#torrents", has_text="2").wait_for()
    assert b"<script>alert(1)</sc".hex() in page.locator("#largest").inner_text()
    assert page.locator("main img, main script, main a").count() == 0
    everything = page.locator("html").inner_text()
    assert "alert" not in everything and "onerror" not in everything and "688" not in everything.replace(str(tracker.port), "")
    refused = page.evaluate("() => { try { document.body.innerHTML = '<b>'; return false } catch { return true } }")
    assert refused, "the content policy lets no string become HTML"


def test_addresses_are_shown_to_a_class_and_to_nobody_else(
    page: Any, tracker: TrackerServer, open_page: Callable[..., Any]
) -> None:
    announce(tracker, event="started", port=6881)
    page.locator("#events li").first.wait_for()
    assert "127.0.0.1" not in events(page)[0]
    with TrackerServer(TrackerConfig(threads=2, show_addresses=True), port=0) as classroom:
        announce(classroom, event="started", port=6881)
        announce(classroom, event="started", port=6882, host="::1")
        seen = events(open_tracker(open_page, classroom))
    assert "[::1]:6882" in seen[0] and "127.0.0.1:6881" in seen[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(open_page: Callable[..., Any], scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web_ui.tracker_app.lan_addresses", lambda: ["192.0.2.5", "2001:db8:1234:5678:9abc:def0:1234:5678"])
    with TrackerServer(TrackerConfig(threads=2, show_addresses=True), port=0) as tracker:
        tracker.tracker.counters.announces = [10**12, 10**11, 10**12, 10**10]
        for number in range(30):
            announce(tracker, info_hash=escaped(bytes([number]) * 20), event="started", port=1000 + number, host="::1")
        page = open_tracker(open_page, tracker, viewport={"width": 360, "height": 640}, color_scheme=scheme)
        page.locator("#events li").nth(9).wait_for()
        for width in (360, 720, 1280):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_announce_url_is_copied_with_one_click(page: Any, tracker: TrackerServer) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    url = f"udp://localhost:{tracker.udp_port}/announce"
    button = page.get_by_role("button", name=f"Copy {url}", exact=True)
    button.click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == url


def test_a_tracker_that_is_gone_is_said_and_its_return_noticed(open_page: Callable[..., Any]) -> None:
    with TrackerServer(TrackerConfig(threads=2), port=0) as tracker:
        page = open_tracker(open_page, tracker)
    page.get_by_text("The tracker does not answer").wait_for()
    with TrackerServer(TrackerConfig(threads=2), port=tracker.port) as again:
        announce(again, left=0)
        page.locator("#lost").wait_for(state="hidden")
        page.locator("#seeds", has_text="1").wait_for()


def test_without_javascript_the_numbers_and_addresses_are_there(tracker: TrackerServer, browser: Any) -> None:
    announce(tracker, left=0)
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{tracker.port}/announce")
        assert shown(page, "seeds") == "1"
        assert f"http://localhost:{tracker.port}/announce" in page.locator("#urls").inner_text()
        assert "Without JavaScript this page does not move" in page.locator("noscript").inner_text()
        assert page.locator("#chart").is_hidden()
    finally:
        context.close()

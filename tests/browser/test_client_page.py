"""The client's page in a real browser, over a facade that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.pages import add_link, answers, card, percent, upload, wait_for_state
from tests.waiting import wait_until
from tests.web_ui.fakes import MIB, FakeFacade, peer, torrent, tracker
from web_ui.client_app import MAX_TORRENT, UiServer

TORRENT = b"d4:infod6:lengthi1eee"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`{{7*7}}"


def test_progress_moves_by_itself_until_the_torrent_is_complete(page: Any, facade: FakeFacade) -> None:
    assert percent(page, "talk.pdf") == 25.0
    shown = card(page, "talk.pdf").inner_text()
    for words in ("Downloading", "100 MiB of 400 MiB", "3.20 MiB/s", "1 peer", "1 min 34 s left"):
        assert words in shown.replace("\xa0", " ")
    facade.torrents = (torrent(progress=0.5),)
    wait_until(lambda: percent(page, "talk.pdf") == 50.0)
    assert page.title() == "50% · GoTorrent"
    facade.torrents = (torrent(progress=0.99999),)
    wait_until(lambda: percent(page, "talk.pdf") == 99.9)
    facade.torrents = (torrent(state="seeding", progress=1.0, eta=None, peers=()),)
    wait_for_state(page, "talk.pdf", "Seeding")
    assert percent(page, "talk.pdf") == 100.0
    page.locator("#news", has_text="talk.pdf is complete.").wait_for(state="attached")
    facade.torrents = ()
    page.get_by_text("Nothing here yet").wait_for()


def test_a_torrent_says_what_it_waits_for_and_what_went_wrong(page: Any, facade: FakeFacade) -> None:
    facade.torrents = (torrent(waiting_for="waiting for the tracker at localhost:8080"),)
    page.get_by_text("waiting for the tracker at localhost:8080").wait_for()
    facade.torrents = (torrent(state="error", error="The disk is full."),)
    page.get_by_text("The disk is full.").wait_for()
    wait_for_state(page, "talk.pdf", "Error")


def test_a_row_opens_to_peers_trackers_and_the_place_on_disk(page: Any, facade: FakeFacade) -> None:
    other = peer("[2001:db8::7]:51413", client="", peer_choking=True, peer_interested=True, am_choking=False, incoming=True)
    trackers = (
        tracker(),
        tracker(url="udp://t.example/", status="refused: unknown", seeds=None, leechers=None, next_announce=None),
    )
    facade.torrents = (torrent(peers=(peer(), other), trackers=trackers),)
    page.locator(".name").click()
    shown = card(page, "talk.pdf")
    shown.get_by_text("Peers (2)").wait_for()
    rows = [row.inner_text() for row in shown.get_by_role("table", name="Peers").get_by_role("row").all()]
    for words in ("192.0.2.7:6881", "libtorrent 2.1.1", "100%", "I want pieces, they let me", "They need nothing from me", "me"):
        assert words in rows[1]
    for words in ("[2001:db8::7]:51413", "unknown", "they do not let me yet", "They want pieces, I let them", "them"):
        assert words in rows[2]
    rows = [row.inner_text() for row in shown.get_by_role("table", name="Trackers").get_by_role("row").all()]
    assert "working, 3 peers" in rows[1] and "in 42 s" in rows[1] and "refused: unknown" in rows[2]
    assert "/home/ann/Downloads/talk.pdf" in shown.inner_text()
    facade.torrents = (torrent(peers=(), trackers=()),)
    shown.get_by_text("No peer is connected.").wait_for()
    shown.get_by_text("This torrent names no tracker.").wait_for()


def test_a_file_is_added_and_shown_and_again_it_is_known(page: Any, facade: FakeFacade) -> None:
    name = "4:infod6:lengthi1ee.iso"
    assert upload(page, ("new.torrent", TORRENT)) == ["new.torrent was added."]
    assert facade.added == [TORRENT]
    card(page, name).get_by_text("waiting for the tracker").wait_for()
    assert upload(page, ("new.torrent", TORRENT)) == ["new.torrent is already in the list."]
    assert page.locator("#count").inner_text() == "2"


def test_broken_and_too_big_files_are_explained_and_good_ones_still_added(page: Any, facade: FakeFacade) -> None:
    files = [
        ("page.torrent", b"<html>"),
        ("empty.torrent", b""),
        ("huge.torrent", b"d" + bytes(MAX_TORRENT)),
        ("good.torrent", TORRENT),
    ]
    said = upload(page, *files)
    assert said[0] == (
        "page.torrent was not added. This is not a .torrent file: it does not begin as one. Was a web page saved instead?"
    )
    assert "empty" in said[1] and "too big" in said[2] and "10.0 MiB" in said[2]
    assert said[3] == "good.torrent was added." and facade.added == [TORRENT]
    assert page.locator("#answer .failed").count() == 3


def test_links_are_added_and_refusals_explained(page: Any, facade: FakeFacade) -> None:
    assert add_link(page, "  http://example.org/new.torrent ") == ["The link was added."]
    assert facade.added == ["http://example.org/new.torrent"]
    card(page, "new")
    assert page.locator("#url").input_value() == ""
    assert "Magnet links cannot be downloaded yet" in add_link(page, "magnet:?xt=urn:btih:00")[0]
    assert page.locator("#url").input_value() == "magnet:?xt=urn:btih:00", "what was refused stays to be corrected"
    assert "first" in add_link(page, "  ")[0]


def test_the_whole_page_takes_a_dropped_file_and_a_dropped_link(page: Any, facade: FakeFacade) -> None:
    def drop(fill: str) -> None:
        data = page.evaluate_handle(f"() => {{ const data = new DataTransfer(); {fill}; return data; }}")
        for event in ("dragenter", "dragover", "drop"):
            page.dispatch_event("footer", event, {"dataTransfer": data})

    said = answers(page, lambda: drop("data.items.add(new File(['d4:info'], 'dropped.torrent'))"))
    assert said == ["dropped.torrent was added."]
    said = answers(page, lambda: drop("data.setData('text/uri-list', 'http://example.org/linked.torrent')"))
    assert said == ["The link was added."]
    card(page, "linked")
    assert facade.added == [b"d4:info", "http://example.org/linked.torrent"]
    assert page.locator("#drop").is_hidden()


def test_names_from_strangers_run_no_script(page: Any, facade: FakeFacade) -> None:
    bad = torrent(
        EVIL,
        path=EVIL,
        waiting_for=EVIL,
        peers=(peer(EVIL, client=EVIL),),
        trackers=(tracker(url=f"javascript:alert(3)//{EVIL}", status=EVIL),),
    )
    facade.torrents, facade.notices = (bad, torrent("\u202efdp.exe")), (EVIL,)
    card(page, EVIL).get_by_role("button").click()
    card(page, EVIL).get_by_text(f"javascript:alert(3)//{EVIL}", exact=True).wait_for()
    upload(page, (f"{EVIL}.torrent", b"<"))
    assert page.locator("#torrents img, #torrents script, #torrents a, #notices img, #answer img").count() == 0
    assert page.locator("#torrents bdi", has_text="fdp.exe").count() == 1, "a name that turns the text around stays alone in that"
    refused = page.evaluate("() => { try { document.body.innerHTML = '<b>'; return false } catch { return true } }")
    assert refused, "the content policy lets no string become HTML"


def test_the_keyboard_is_enough(page: Any, facade: FakeFacade) -> None:
    def focused() -> str:
        return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))

    page.locator("body").click(position={"x": 1, "y": 1})
    seen = []
    for _ in range(4):
        page.keyboard.press("Tab")
        seen.append(focused())
    assert seen == ["url", "Add link", "Choose file…", "talk.pdf"]
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="talk.pdf", expanded=True).count() == 1
    page.get_by_text("Peers (1)").wait_for()
    facade.torrents = (torrent("a-first"), torrent(progress=0.5))
    card(page, "a-first")
    assert focused() == "talk.pdf", "a torrent that appears takes nobody's place"
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="talk.pdf", expanded=False).count() == 1
    with page.expect_file_chooser():
        page.locator("#choose").focus()
        page.keyboard.press("Enter")


def test_notices_are_shown_until_dismissed(page: Any, facade: FakeFacade) -> None:
    facade.notices = ("port 6881 is busy, using 6882",)
    page.get_by_role("button", name="Dismiss: port 6881 is busy, using 6882").click()
    facade.torrents = (torrent("later"),)
    card(page, "later")
    assert page.locator("#notices li").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(ui: UiServer, facade: FakeFacade, open_page: Callable[..., Any], scheme: str) -> None:
    long = "word " * 40 + "x" * 200
    peers = (peer("[2001:db8:1234:5678:9abc:def0:1234:5678]:51413", client="x" * 60, down_rate=999.9 * MIB),)
    trackers = (tracker(url="http://" + "x" * 200, status="refused: " + "x" * 200),)
    facade.torrents = (torrent(long, error="x" * 200, state="error"), torrent("b", total=2**50, peers=peers, trackers=trackers))
    facade.notices = ("x" * 200,)
    page = open_page(ui.url, viewport={"width": 360, "height": 640}, color_scheme=scheme)
    for button in page.locator(".name").all():
        button.click()
    add_link(page, "magnet:" + "x" * 300)
    card(page, "b").get_by_text("x" * 60, exact=True).wait_for()
    for width in (360, 720, 1280):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_client_that_stops_is_said_and_its_return_noticed(page: Any, facade: FakeFacade, ui: UiServer) -> None:
    ui.stop()
    page.get_by_text("The client does not answer").wait_for()
    assert upload(page, ("new.torrent", TORRENT)) == ["new.torrent was not added. The client does not answer."]
    again = UiServer(facade, ui.port)
    again.start()
    try:
        page.locator("#lost").wait_for(state="hidden")
        assert upload(page, ("late.torrent", TORRENT)) == ["late.torrent was added."], "with the token of the new run"
        facade.version = "99.0"
        with page.expect_navigation():
            pass  # the page of another version reloads itself
    finally:
        again.stop()


def test_other_sites_cannot_read_write_or_frame_the_client(ui: UiServer, facade: FakeFacade, browser: Any) -> None:
    other = UiServer(FakeFacade(), 0)  # another port is another origin
    other.start()
    try:
        page = browser.new_page(bypass_csp=True)
        page.goto(other.url)
        attack = """async (url) => {
            const tries = [
                fetch(url + "/api/v1/snapshot").then((r) => r.json()),
                fetch(url + "/api/v1/torrents", {method: "POST", body: '{"url": "http://x/"}'}).then((r) => r.json()),
                fetch(url + "/api/v1/torrents", {method: "POST", mode: "no-cors", body: '{"url": "http://x/"}'}),
            ];
            return (await Promise.allSettled(tries)).map((r) => r.status);
        }"""
        assert page.evaluate(attack, ui.url) == ["rejected", "rejected", "rejected"]
        with page.expect_event("framenavigated", lambda frame: frame.url.startswith("chrome-error:"), timeout=10_000):
            page.evaluate("url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f); }", ui.url)
        page.context.close()
    finally:
        other.stop()
    assert facade.added == []

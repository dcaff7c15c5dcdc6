"""The client's pages and API over a facade that is not there, in process and through the real server."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import web_ui.client_app
from gotorrent.errors import PortBusyError, UsageError
from tests.waiting import wait_until
from tests.web_ui.fakes import FakeFacade, torrent
from web_ui.client_app import FORM_OVERHEAD, MAX_TORRENT, MAX_URL, UiServer, create_app

WEB_UI = Path(web_ui.client_app.__file__).parent
TOKEN = "X-GoTorrent-Token"


@pytest.fixture
def facade() -> FakeFacade:
    return FakeFacade(torrent())


@pytest.fixture
def client(facade: FakeFacade) -> FlaskClient:
    return create_app(facade).test_client()


def token_of(client: FlaskClient) -> dict[str, str]:
    return {TOKEN: client.get("/api/v1/snapshot").headers[TOKEN]}


def upload(client: FlaskClient, data: bytes, name: str = "a.torrent") -> tuple[int, dict[str, str]]:
    answer = client.post("/api/v1/torrents", data={"file": (io.BytesIO(data), name)}, headers=token_of(client))
    return answer.status_code, answer.get_json()


def add_url(client: FlaskClient, body: object) -> tuple[int, dict[str, str]]:
    answer = client.post("/api/v1/torrents", json=body, headers=token_of(client))
    return answer.status_code, answer.get_json()


def test_the_snapshot_is_the_dataclasses_as_json(client: FlaskClient, facade: FakeFacade) -> None:
    answer = client.get("/api/v1/snapshot")
    assert answer.mimetype == "application/json" and answer.headers["Cache-Control"] == "no-store"
    got = answer.get_json()
    assert set(got) == set(vars(facade.snapshot()))
    assert set(got["torrents"][0]) == set(vars(facade.torrents[0]))
    assert got["torrents"][0]["peers"][0] == vars(facade.torrents[0].peers[0])
    assert got["torrents"][0]["trackers"][0] == vars(facade.torrents[0].trackers[0])


def test_names_that_are_not_text_survive(client: FlaskClient, facade: FakeFacade) -> None:
    facade.torrents = (torrent("</script>\u202e\udcff\x00\n𝄞"),)
    assert client.get("/api/v1/snapshot").get_json()["torrents"][0]["name"] == "</script>\u202e\udcff\x00\n𝄞"


def test_a_torrent_is_added_by_upload_and_again_it_is_known(client: FlaskClient, facade: FakeFacade) -> None:
    status, first = upload(client, b"d4:infode")
    assert status == 200 and facade.added == [b"d4:infode"] and first["already"] is False
    status, second = upload(client, b"d4:infode")
    assert status == 200 and second == {"info_hash": first["info_hash"], "already": True}


def test_a_torrent_is_added_by_url(client: FlaskClient, facade: FakeFacade) -> None:
    status, answer = add_url(client, {"url": "  http://example.org/new.torrent\n"})
    assert status == 200 and facade.added == ["http://example.org/new.torrent"]
    assert answer == {"info_hash": facade.torrents[-1].info_hash, "already": False}


def test_a_refused_torrent_answers_with_the_sentence(client: FlaskClient, facade: FakeFacade) -> None:
    status, answer = upload(client, b"<html>")
    assert status == 400 and answer["error"].startswith("This is not a .torrent file")
    status, answer = add_url(client, {"url": "magnet:?xt=urn:btih:00"})
    assert status == 400 and answer["error"].startswith("Magnet links")
    assert facade.added == []


@pytest.mark.parametrize("body", [{}, [], "http://x/", None, 3, {"url": 3}, {"url": ""}, {"url": " \t"}, {"URL": "http://x/"}])
def test_json_that_names_no_url_is_refused(client: FlaskClient, facade: FakeFacade, body: object) -> None:
    status, answer = add_url(client, body)
    assert status == 400 and answer["error"] and facade.added == []


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""])
def test_bodies_that_are_not_what_they_say_are_refused(client: FlaskClient, facade: FakeFacade, kind: str) -> None:
    for body in (b"", b"{", b"\xff\xfe", b'--x\r\nContent-Disposition: form-data; name="file"', b"[" * 100_000):
        answer = client.post("/api/v1/torrents", data=body, content_type=kind, headers=token_of(client))
        assert answer.status_code == 400 and answer.get_json()["error"], (kind, body[:20])
    assert facade.added == []


def test_an_empty_file_is_refused(client: FlaskClient) -> None:
    status, answer = upload(client, b"")
    assert status == 400 and "empty" in answer["error"]


def test_a_file_may_be_as_big_as_the_limit_and_no_bigger(client: FlaskClient, facade: FakeFacade) -> None:
    biggest = b"d" + bytes(MAX_TORRENT - 1)
    assert upload(client, biggest, "long-name" * 100)[0] == 200 and facade.added == [biggest]
    for size in (MAX_TORRENT + 1, MAX_TORRENT + FORM_OVERHEAD + 1):
        status, answer = upload(client, b"d" + bytes(size - 1))
        assert status == 413 and "10 MiB" in answer["error"]


def test_a_url_may_be_as_long_as_the_limit_and_no_longer(client: FlaskClient) -> None:
    longest = "http://example.org/".ljust(MAX_URL, "a")
    assert add_url(client, {"url": longest})[0] == 200
    assert add_url(client, {"url": longest + "a"})[0] == 413


def test_writes_need_the_token_of_this_run(client: FlaskClient, facade: FakeFacade) -> None:
    stale = token_of(create_app(facade).test_client())
    for headers in ({}, stale):
        answer = client.post("/api/v1/torrents", json={"url": "http://example.org/a"}, headers=headers)
        assert answer.status_code == 403 and "reload" in answer.get_json()["error"]
    assert facade.added == []


def test_reads_change_nothing(client: FlaskClient, facade: FakeFacade) -> None:
    before = facade.snapshot()
    for path in ("/", "/api/v1/snapshot", "/api/v1/torrents?url=http://example.org/a.torrent"):
        for method in ("GET", "HEAD", "OPTIONS"):
            client.open(path, method=method)
    assert facade.snapshot() == before and facade.added == []


def test_unknown_addresses_and_methods_answer_in_words(client: FlaskClient) -> None:
    for path in ("/nothing", "/static/nothing.js", "/static/../client_app.py", "/static/%2e%2e/client_app.py"):
        answer = client.get(path)
        assert answer.status_code == 404 and "no such page" in answer.text and answer.mimetype == "text/html", path
    assert client.get("/api/v1/nothing").get_json() == {"error": "There is no such page here."}
    answer = client.get("/api/v1/torrents")
    assert answer.status_code == 405 and answer.get_json()["error"]


def test_a_fault_of_ours_is_logged_and_shows_no_inside(
    client: FlaskClient, facade: FakeFacade, caplog: pytest.LogCaptureFixture
) -> None:
    facade.failure = ZeroDivisionError("the secret inside")
    answer = client.get("/api/v1/snapshot")
    assert answer.status_code == 500 and "its log" in answer.get_json()["error"]
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert "the secret inside" in caplog.text


def test_a_foreign_host_gets_a_page_that_explains_and_is_escaped(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Host": "evil.example:3000"})
    assert answer.status_code == 403 and "evil.example:3000" in answer.text and "ssh -L" in answer.text
    api = client.get("/api/v1/snapshot", headers={"Host": "evil.example"})
    assert api.status_code == 403 and "evil.example" in api.get_json()["error"] and TOKEN not in api.headers
    assert "<b>" not in client.get("/", headers={"Host": "<b>"}).text


def test_the_page_has_no_inline_code_and_its_files_carry_the_version(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<style" not in page and " style=" not in page and " onclick=" not in page
    assert page.count("<script") == page.count("<script defer src=") == 4
    for name in ("base.css", "client.css", "client.js", "elements.js", "torrent.js", "words.js", "icon.svg"):
        assert f"/static/{name}?v=0.1.0" in page
        assert client.get(f"/static/{name}?v=0.1.0").status_code == 200


def test_the_page_stays_small_and_never_makes_html_of_a_text() -> None:
    files = [*(WEB_UI / "static").glob("*"), *(WEB_UI / "templates").glob("*.html")]
    ours = [path for path in files if path.suffix in (".js", ".css", ".html", ".svg")]
    assert sum(path.stat().st_size for path in ours if not path.name.startswith("tracker")) < 40_000
    for path in ours:
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "|safe", "|tojson"):
            assert word not in text, (path.name, word)


@pytest.fixture
def server(facade: FakeFacade) -> Iterator[UiServer]:
    server = UiServer(facade, 0)
    server.start()
    yield server
    server.stop()


def get(server: UiServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_server_listens_on_this_machine_only_and_says_where(server: UiServer) -> None:
    assert server.port > 0 and server.url == f"http://localhost:{server.port}"
    status, headers, body = get(server, "/api/v1/snapshot")
    assert status == 200 and json.loads(body)["torrents"][0]["name"] == "talk.pdf"
    assert "server" not in headers
    assert get(server, "/", Host="evil.example")[0] == 403
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_the_server_refuses_a_body_over_its_limit_before_reading_it(server: UiServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"POST /api/v1/torrents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_busy_port_is_a_sentence(server: UiServer, facade: FakeFacade) -> None:
    with pytest.raises(PortBusyError, match=f"Port {server.port} is in use by python.*-ui-port"):
        UiServer(facade, server.port).start()


def test_an_address_that_is_not_ours_is_a_sentence(facade: FakeFacade) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        UiServer(facade, 0, "192.0.2.1").start()


def test_stop_ends_idle_connections_and_frees_the_port(facade: FakeFacade) -> None:
    server = UiServer(facade, 0)
    server.stop()  # before the start: nothing to do
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
        idle.sendall(b"GET /api/v1/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        server.stop()
        server.stop()
        while idle.recv(65536):
            pass
    again = UiServer(facade, server.port)
    again.start()
    again.stop()


class SlowFacade(FakeFacade):
    """Adds a URL only when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release, self.left = threading.Event(), threading.Event(), threading.Event()

    def add_url(self, url: str) -> str:
        self.entered.set()
        self.release.wait(30)
        self.left.set()
        return super().add_url(url)


def test_a_request_that_outlives_the_stop_writes_into_no_reused_descriptor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(web_ui.client_app, "STOP_TIMEOUT", 0)
    facade = SlowFacade()
    server = UiServer(facade, 0)
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        token = get(server, "/api/v1/snapshot")[1][TOKEN.lower()]
        body = json.dumps({"url": "http://example.org/slow"})
        connection.request("POST", "/api/v1/torrents", body, {"Content-Type": "application/json", TOKEN: token})
        assert facade.entered.wait(10)
    finally:
        server.stop()
    files = [(tmp_path / str(i)).open("wb") for i in range(20)]  # these take every descriptor that the stop freed
    facade.release.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("waitress")])
    for file in files:
        file.close()
    connection.close()
    assert facade.left.is_set() and [path.stat().st_size for path in tmp_path.iterdir()] == [0] * 20

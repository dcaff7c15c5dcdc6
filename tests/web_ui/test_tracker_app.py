"""The tracker over real HTTP: what a browser, a broken client and an attacker get."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time

import bencodepy
import pytest
import requests
from waitress.channel import ClientDisconnected

from gotorrent import __version__
from gotorrent.config import TrackerConfig
from gotorrent.errors import PortBusyError, UsageError
from gotorrent.tracker.tracker import packed
from tests.waiting import wait_until
from web_ui import announce_lane, tracker_server
from web_ui.tracker_app import announce_urls
from web_ui.tracker_server import TrackerServer

HASH = "%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A"
ANNOUNCE = f"/announce?info_hash={HASH}&peer_id=-GT0100-123456789012&port=6881&left=0"


@pytest.fixture
def server():
    with TrackerServer(TrackerConfig(threads=2), port=0) as running:
        yield running


def get(server, path, method="GET", host="127.0.0.1", body=None, **headers):
    connection = http.client.HTTPConnection(host, server.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def raw(server, data, timeout=10.0):
    """Send bytes, then read until the server closes; nothing when it answers with a reset."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as sock:
        try:
            sock.sendall(data)
        except OSError:
            return b""
        received = b""
        try:
            while chunk := sock.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


class TestClients:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_announce_and_scrape_on_both_families(self, server, host):
        answer, body = get(server, ANNOUNCE, host=host)
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/plain"
        assert bencodepy.decode(body)[b"complete"] == 1
        _, body = get(server, f"/scrape?info_hash={HASH}", host=host)
        (counts,) = bencodepy.decode(body)[b"files"].values()
        assert counts == {b"complete": 1, b"downloaded": 0, b"incomplete": 0}

    def test_bytes_that_are_no_text_arrive_whole(self, server):
        every_byte = bytes(range(236, 256))
        escaped = "".join(f"%{byte:02x}" for byte in every_byte)
        get(server, f"/announce?info_hash={escaped}&peer_id={escaped}&port=1&left=0")
        assert server.tracker.store.scrape([every_byte]) == [(1, 0, 0)]

    def test_as_requests_sends_it(self, server):
        answer = requests.get(f"http://localhost:{server.port}{ANNOUNCE}", timeout=10)
        assert bencodepy.decode(answer.content)[b"interval"] == 60

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/announce", b"info_hash is missing"),
            ("/announce?", b"info_hash is missing"),
            ("/announce?info_hash=abc", b"info_hash has 3 bytes"),
            (f"/announce?info_hash={HASH}", b"peer_id is missing"),
            (ANNOUNCE + "&port=6882", b"port was given twice"),
            (ANNOUNCE.replace("6881", "0"), b"cannot be reached"),
            (ANNOUNCE.replace("6881", "-5"), b"cannot be reached"),
            (ANNOUNCE.replace("6881", "9" * 5000), b"port is not a number"),
            (ANNOUNCE + "#&left=1", b"interval"),
            ("/scrape", b"does not list all"),
        ],
    )
    def test_a_broken_announce_gets_words_in_bencode(self, server, path, words):
        answer, body = get(server, path)
        assert answer.status == 200
        assert isinstance(bencodepy.decode(body), dict)
        assert words in body

    def test_forwarded_addresses_are_not_believed(self, server):
        get(server, ANNOUNCE, **{"X-Forwarded-For": "203.0.113.66", "Forwarded": "for=203.0.113.66", "X-Real-IP": "203.0.113.66"})
        _, body = get(server, ANNOUNCE.replace("6881", "6882").replace("left=0", "left=1"))
        assert bencodepy.decode(body)[b"peers"] == b"\x7f\0\0\1\x1a\xe1"

    @pytest.mark.parametrize(
        ("door", "host"),
        [
            ("web_ui.tracker_app", "127.0.0.1"),
            ("web_ui.tracker_app", "127.0.0.5"),
            ("web_ui.tracker_app", "::1"),
            ("web_ui.announce_lane", "127.0.0.1"),
            ("web_ui.announce_lane", "::1"),
        ],
    )
    def test_the_tracker_knows_at_which_of_its_addresses_it_was_asked(self, server, monkeypatch, host, door):
        asked = []
        monkeypatch.setattr(f"{door}.announce", lambda *arguments: asked.append(arguments[2:4]) or b"de")
        slow = {"Content-Length": "0"} if door == "web_ui.tracker_app" else {}
        get(server, ANNOUNCE, host=host, **{"Host": "203.0.113.66", **slow})
        assert asked == [(packed("127.0.0.1" if host != "::1" else host), packed(host))]

    def test_head_announces_nobody(self, server):
        answer, body = get(server, ANNOUNCE, method="HEAD")
        assert (answer.status, body) == (200, b"")
        assert sum(server.tracker.counters.announces) == 0

    def test_every_connection_is_closed_after_its_answer(self, server):
        request = f"GET {ANNOUNCE} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode()
        assert raw(server, request + request).count(b"HTTP/1.1 200") == 1
        received = raw(server, request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b"Connection: close" in received and b"eep-" not in received


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/announce", "/scrape"])
    def test_a_person_sees_a_page(self, server, path):
        get(server, ANNOUNCE)
        answer, body = get(server, path, Accept="text/html,*/*;q=0.8")
        text = body.decode()
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
        assert "GoTorrent tracker" in text
        assert f"http://localhost:{server.port}/announce" in text
        assert f"udp://localhost:{server.udp_port}/announce" in text
        assert '<dd id="seeds">1</dd>' in text

    def test_the_page_names_only_addresses_that_are_listened_on(self, monkeypatch):
        monkeypatch.setattr("web_ui.tracker_app.lan_addresses", lambda: ["192.0.2.5"])
        for host, shown in [("", True), ("127.0.0.1", False)]:
            with TrackerServer(TrackerConfig(), host=host, port=0) as server:
                _, body = get(server, "/")
                assert (f"http://192.0.2.5:{server.port}/announce" in body.decode()) is shown
                assert (b"Put one of these into your torrents" in body) is shown
                assert b"only on this machine" in body

    def test_nothing_of_a_peer_is_on_the_page(self, server):
        evil = "%3Cscript%3Ealert(1)%3C/script%3E"[:60]
        get(
            server,
            f"/announce?info_hash={HASH}&peer_id=%3Cscript%3E{'x' * 12}&port=6881&left=0&event={evil}",
            **{"User-Agent": "<script>"},
        )
        for path in ("/", "/dashboard.json"):
            _, body = get(
                server, f"{path}?{evil}", **{"User-Agent": "<script>", "Host": "<script>", "X-Forwarded-Host": "<script>"}
            )
            assert body.count(b"<script") == body.count(b"<script defer src=")
            assert b"6881" not in body and b"alert(" not in body

    def test_the_numbers_of_the_page(self, server):
        get(server, ANNOUNCE + "&event=started", host="::1")
        answer, body = get(server, "/dashboard.json")
        assert answer.getheader("Content-Type") == "application/json"
        seen = json.loads(body)
        assert (seen["seeds"], seen["announces"]["http6"]) == (1, 1)
        assert seen["events"][0]["event"] == "started" and "address" not in seen["events"][0]

    def test_the_page_has_no_inline_code_and_its_files_carry_the_version(self, server):
        _, body = get(server, "/")
        page = body.decode()
        assert "<style" not in page and " style=" not in page and " on" + "click=" not in page
        assert page.count("<script") == page.count("<script defer src=") == 4
        for name in ("base.css", "tracker.css", "elements.js", "tracker.js", "tracker_chart.js", "words.js", "icon.svg"):
            assert f"/static/{name}?v={__version__}" in page
            assert get(server, f"/static/{name}?v={__version__}")[0].status == 200

    def test_no_udp_address_is_named_when_there_is_none(self):
        with TrackerServer(TrackerConfig(udp_port=0), host="127.0.0.1", port=0) as server:
            assert b"udp:" not in get(server, "/")[1]

    def test_a_private_tracker_says_that_a_key_belongs_into_the_url(self, tmp_path):
        keys = tmp_path / "keys"
        keys.touch()
        with TrackerServer(TrackerConfig(passkey_file=str(keys)), host="127.0.0.1", port=0) as server:
            _, body = get(server, "/")
            assert f"http://127.0.0.1:{server.port}/announce/YOUR-PASSKEY" in body.decode()

    @pytest.mark.parametrize("path", ["/", "/dashboard.json", "/static/tracker.css"])
    def test_strict_headers_on_what_a_browser_shows(self, server, path):
        answer, _ = get(server, path)
        policy = answer.getheader("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("X-Frame-Options") == "DENY"
        assert answer.getheader("Referrer-Policy") == "same-origin"

    @pytest.mark.parametrize("path", ["/announce", "/scrape", "/nothing", ANNOUNCE])
    def test_what_is_for_programs_is_never_taken_for_a_page(self, server, path):
        answer, _ = get(server, path)
        assert answer.getheader("Content-Type").startswith("text/plain")
        assert answer.getheader("X-Content-Type-Options") == "nosniff"

    def test_the_files_of_the_page_and_no_other_file(self, server):
        answer, body = get(server, "/static/base.css")
        assert answer.getheader("Content-Type").startswith("text/css")
        assert b"font" in body
        for path in [
            "/static/",
            "/static/../tracker_app.py",
            "/static/..%2ftracker_app.py",
            "/tracker_app.py",
            "/../tracker_app.py",
            "/..%2ftracker_app.py",
            "//etc/passwd",
        ]:
            assert get(server, path)[0].status == 404

    def test_unknown_urls_and_methods_are_explained(self, server):
        answer, body = get(server, "/nothing")
        assert (answer.status, body) == (404, b"There is nothing at this address. The tracker's page is at /\n")
        for method in ["POST", "PUT", "DELETE", "PATCH"]:
            answer, body = get(server, ANNOUNCE, method=method, body=b"x=1")
            assert answer.status == 405
            assert answer.getheader("Allow") == "GET, HEAD"
        assert sum(server.tracker.counters.announces) == 0

    def test_announce_urls(self, monkeypatch):
        monkeypatch.setattr("web_ui.tracker_app.lan_addresses", lambda: ["192.0.2.5", "2001:db8::5"])
        assert announce_urls("", 80) == [
            "http://localhost:80/announce",
            "http://192.0.2.5:80/announce",
            "http://[2001:db8::5]:80/announce",
        ]
        assert announce_urls("0.0.0.0", 80) == ["http://localhost:80/announce", "http://192.0.2.5:80/announce"]
        assert announce_urls("::", 80) == ["http://localhost:80/announce", "http://[2001:db8::5]:80/announce"]
        assert announce_urls("[::1]", 80) == ["http://[::1]:80/announce"]
        assert announce_urls("127.0.0.1", 80) == ["http://127.0.0.1:80/announce"]
        assert announce_urls("::1", 80) == ["http://[::1]:80/announce"]


class TestAttacks:
    @pytest.mark.parametrize(
        "request_head",
        [
            b"GET /announce?info_hash=" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"a" * 1024 + b"\r\n" * 1,
            b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            b"GET http://[ HTTP/1.1\r\n\r\n",
            b"GET /announce?info_hash=\xff\xfe HTTP/1.1\r\n\r\n",
            b"\x13BitTorrent protocol" + bytes(48) + b"\r\n\r\n",
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ],
        ids=[
            "1 MB query",
            "1 MB head",
            "1 GB body",
            "chunked body",
            "huge length",
            "bad URL",
            "raw bytes",
            "peer",
            "empty",
            "word",
            "TLS",
        ],
    )
    def test_garbage_is_refused_and_the_next_is_served(self, server, request_head, monkeypatch, caplog):
        monkeypatch.setattr(tracker_server, "IDLE_SECONDS", 1)
        with TrackerServer(TrackerConfig(threads=2), port=0) as impatient:
            received = raw(impatient, request_head)
            assert received == b"" or received.split(b" ")[1][:1] in (b"4", b"5")
            assert get(impatient, ANNOUNCE)[0].status == 200
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_a_client_that_is_gone_before_its_garbage_is_answered_is_no_error(self, server, monkeypatch, caplog):
        answered = threading.Event()

        def gone(channel, data):
            answered.set()
            raise ClientDisconnected

        monkeypatch.setattr(tracker_server._Channel, "write_soon", gone)
        assert raw(server, b"\x13BitTorrent protocol" + bytes(48) + b"\r\n\r\n") == b""
        assert answered.is_set()
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_a_head_that_drips_is_cut_off(self, monkeypatch):
        monkeypatch.setattr(tracker_server, "HEAD_SECONDS", 0.5)
        monkeypatch.setattr(tracker_server, "TICK", 0.05)
        with (
            TrackerServer(TrackerConfig(), port=0) as impatient,
            socket.create_connection(("127.0.0.1", impatient.port), 10) as sock,
        ):
            sock.settimeout(0.05)
            started = time.monotonic()
            head = iter(f"GET {ANNOUNCE}&x={'y' * 8000}".encode())
            closed = False
            while not closed and time.monotonic() < started + 8:
                try:
                    sock.send(bytes([next(head)]))
                    closed = sock.recv(1) == b""
                except TimeoutError:
                    continue
                except OSError:
                    closed = True
            assert closed
            assert 0.5 < time.monotonic() - started < 4

    def test_idle_connections_are_closed(self, monkeypatch):
        monkeypatch.setattr(announce_lane, "DEFER_SECONDS", 0)
        monkeypatch.setattr(tracker_server, "IDLE_SECONDS", 1)
        with TrackerServer(TrackerConfig(), port=0) as impatient:
            assert raw(impatient, b"") == b""

    def test_idle_connections_do_not_keep_others_out(self, server):
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        try:
            for sock in idle:
                sock.sendall(b"GET /announce?")
            assert get(server, ANNOUNCE)[0].status == 200
        finally:
            for sock in idle:
                sock.close()

    def test_the_connection_limit_holds_and_is_left_again(self, monkeypatch):
        monkeypatch.setattr(announce_lane, "DEFER_SECONDS", 0)
        with TrackerServer(TrackerConfig(connections=12), port=0) as small:
            idle = [socket.create_connection(("127.0.0.1", small.port)) for _ in range(30)]
            try:
                wait_until(lambda: len(small._table) >= 12, what="connections are accepted")
                assert len(small._table) <= 13
            finally:
                for sock in idle:
                    sock.close()
            assert get(small, ANNOUNCE)[0].status == 200


class TestServer:
    def test_both_families_on_one_free_port(self, server):
        assert server.port > 0 and server.running
        assert server.urls[0] == f"http://localhost:{server.port}/announce"

    def test_a_busy_port_is_named_with_its_holder(self, server):
        with pytest.raises(PortBusyError, match=rf"port {server.port} is in use by .+ \(process \d+\)"):
            TrackerServer(TrackerConfig(), port=server.port).start()

    def test_a_port_busy_in_one_family_only_is_busy(self):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as six:
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::1", 0))
            six.listen()
            with pytest.raises(PortBusyError):
                TrackerServer(TrackerConfig(), port=six.getsockname()[1]).start()

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
    def test_one_address_only(self, host):
        with TrackerServer(TrackerConfig(), host=host, port=0) as local:
            assert get(local, ANNOUNCE, host=host.strip("[]"))[0].status == 200
            if host == "127.0.0.1":
                with pytest.raises(ConnectionRefusedError):
                    get(local, ANNOUNCE, host="::1")

    @pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid", "1.2.3.4.5"])
    def test_an_address_that_is_not_ours(self, host):
        with pytest.raises(UsageError, match="cannot listen on"):
            TrackerServer(TrackerConfig(), host=host, port=0).start()

    def test_stop_may_be_repeated_and_called_unstarted(self):
        server = TrackerServer(TrackerConfig(), port=0)
        server.stop()
        server = TrackerServer(TrackerConfig(), port=0)
        server.start()
        server.stop()
        server.stop()
        assert not server.running

    def test_stop_is_quick_with_open_connections(self, server):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /")
            wait_until(lambda: len(server._table) > 4)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 2

    def test_old_peers_are_forgotten_without_any_announce(self, monkeypatch):
        class Jumped:
            now = 0.0

            def monotonic(self):
                return self.now

        clock = Jumped()
        monkeypatch.setattr(tracker_server, "TICK", 0.05)
        with TrackerServer(TrackerConfig(), port=0, clock=clock) as server:
            get(server, ANNOUNCE)
            assert server.tracker.store.totals().seeds == 1
            clock.now = 5000.0
            wait_until(lambda: server.tracker.store.totals().torrents == 0)

    @pytest.mark.parametrize(
        ("soft", "hard", "wanted", "allowed", "raised_to"),
        [
            (1064, 1064, 1000, 1000, None),
            (1063, 1063, 1000, 999, None),
            (256, 4096, 1000, 1000, (1064, 4096)),
            (-1, -1, 1000, 1000, None),
        ],
    )
    def test_connections_and_the_limit_of_open_files(self, monkeypatch, soft, hard, wanted, allowed, raised_to):
        resource = pytest.importorskip("resource")
        calls = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: calls.append(limits))
        assert tracker_server._connection_limit(wanted) == allowed
        assert calls == ([raised_to] if raised_to else [])

    def test_many_clients_at_once(self, server):
        def announce(number):
            for port in range(1, 21):
                get(server, ANNOUNCE.replace("6881", str(number * 100 + port)))

        threads = [threading.Thread(target=announce, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.tracker.store.totals().seeds == 160

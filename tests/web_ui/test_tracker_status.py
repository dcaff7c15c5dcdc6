"""`/healthz`, `/stats.json` and `/metrics`, and the rules of operation, over real HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import time

import bencodepy
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gotorrent.config import TrackerConfig
from gotorrent.tracker.access import add_key
from gotorrent.wire.udp_tracker import announce_request, connect_request, read_announced, read_connected
from tests.waiting import wait_until
from web_ui import tracker_server
from web_ui.tracker_server import TrackerServer

HASH = "%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A"
QUERY = f"info_hash={HASH}&peer_id=-GT0100-123456789012&port=6881&left=0"


def get(server, path, host="127.0.0.1", **headers):
    connection = http.client.HTTPConnection(host, server.port, timeout=10)
    try:
        connection.request("GET", path, None, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.fixture
def serve():
    running = []

    def begin(**settings):
        running.append(TrackerServer(TrackerConfig(threads=2, **settings), port=0))
        running[-1].start()
        return running[-1]

    yield begin
    for server in running:
        server.stop()


def metrics(server):
    answer, body = get(server, "/metrics")
    assert answer.status == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


class TestStatus:
    def test_health(self, serve):
        answer, body = get(serve(), "/healthz")
        assert (answer.status, body) == (200, b"ok\n")
        assert answer.getheader("Content-Type").startswith("text/plain")

    def test_health_of_one_whose_redis_is_away(self, serve):
        pytest.importorskip("redis")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        server = serve(store=f"redis://127.0.0.1:{port}/0")
        answer, body = get(server, "/healthz")
        assert answer.status == 503 and b"cannot reach its memory" in body
        _, body = get(server, f"/announce?{QUERY}")
        assert bencodepy.decode(body) == {
            b"failure reason": b"this tracker cannot reach its memory for the moment: try again in a minute",
            b"retry in": b"1",
        }
        stats = json.loads(get(server, "/stats.json")[1])
        assert stats["store_up"] is False and "seeds" not in stats
        assert metrics(server)["gotorrent_tracker_store_up",] == 0
        assert get(server, "/")[0].status == 200

    def test_stats(self, serve):
        server = serve()
        get(server, f"/announce?{QUERY}")
        get(server, f"/announce?{QUERY}&event=completed", host="::1")
        get(server, f"/scrape?info_hash={HASH}")
        get(server, "/announce?port=1")
        answer, body = get(server, "/stats.json")
        assert answer.getheader("Content-Type") == "application/json"
        stats = json.loads(body)
        assert stats["announces"] == {"http4": 1, "http6": 1, "udp4": 0, "udp6": 0}
        assert (stats["torrents"], stats["seeds"], stats["leechers"], stats["downloaded"]) == (1, 2, 0, 1)
        assert (stats["scrapes"]["http4"], stats["refused"]["http4"], stats["unreachable"]) == (1, 1, 0)
        assert stats["uptime"] >= 0

    def test_metrics(self, serve):
        server = serve()
        get(server, f"/announce?{QUERY}")
        get(server, f"/announce?{QUERY.replace('left=0', 'left=1')}&port=x")
        seen = metrics(server)
        assert seen["gotorrent_tracker_announces_total", "http", "ipv4"] == 1
        assert seen["gotorrent_tracker_announces_total", "ipv6", "udp"] == 0
        assert seen["gotorrent_tracker_refused_total", "http", "ipv4"] == 1
        assert seen["gotorrent_tracker_peers", "seed"] == 1
        assert seen["gotorrent_tracker_torrents",] == 1
        assert seen["gotorrent_tracker_store_up",] == 1
        assert seen["process_cpu_seconds_total",] > 0

    def test_the_format_that_prometheus_asks_for(self, serve):
        server = serve()
        assert get(server, "/metrics")[0].getheader("Content-Type").startswith("text/plain")
        answer, body = get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert answer.getheader("Content-Type").startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")

    def test_nothing_of_a_peer_is_told(self, serve, tmp_path):
        key = add_key(tmp_path / "keys", "Ada", "2026-11-23")
        server = serve(passkey_file=str(tmp_path / "keys"))
        get(server, f"/announce/{key}?{QUERY}", **{"User-Agent": "Spy"})
        everything = b"".join(get(server, path)[1] for path in ("/metrics", "/stats.json", "/healthz", "/", "/dashboard.json"))
        assert [text for text in (b"127.0.0", b"6881", b"Spy", b"Ada", key.encode()) if text in everything] == []


class TestPasskeys:
    @pytest.fixture
    def key(self, tmp_path):
        return add_key(tmp_path / "keys", "Ada", "2026-11-23")

    def test_announce_and_scrape_with_and_without(self, serve, tmp_path, key):
        server = serve(passkey_file=str(tmp_path / "keys"))
        assert bencodepy.decode(get(server, f"/announce/{key}?{QUERY}")[1])[b"complete"] == 1
        assert b"files" in get(server, f"/scrape/{key}?info_hash={HASH}")[1]
        for path in (f"/announce?{QUERY}", f"/scrape?info_hash={HASH}", f"/announce/?{QUERY}"):
            answer, body = get(server, path)
            assert b"private" in body or answer.status == 404
        for wrong in ("x", key[:-1], key + "0", key.upper() + "/", "%00", "%ff%fe", "../" + key, key + "%0a"):
            _, body = get(server, f"/announce/{wrong}?{QUERY}")
            assert b"does not know your key" in body or b"nothing at this address" in body, wrong
        assert server.tracker.store.totals().seeds == 1

    def test_over_udp_the_key_comes_in_the_url_option(self, serve, tmp_path, key):
        server = serve(passkey_file=str(tmp_path / "keys"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(("127.0.0.1", server.udp_port))

            def ask(packet):
                sock.send(packet)
                return sock.recv(2048)

            connection = read_connected(ask(connect_request(b"abcd")), b"abcd")

            def announce(url):
                return ask(announce_request(connection, b"abcd", b"a" * 20, b"b" * 20, 6881, left=1, url=url))

            assert read_announced(announce(f"/announce/{key}?x=1".encode()), b"abcd")
            for url in (b"", b"/announce", b"/announce/" + b"0" * 32, b"/" + key.encode(), key.encode()):
                assert b"key" in announce(url)[8:]
        assert server.tracker.store.totals().leechers == 1

    def test_a_key_that_was_revoked_stops_working(self, serve, tmp_path, key, monkeypatch):
        monkeypatch.setattr("gotorrent.tracker.operation.TICK", 0.02)
        server = serve(passkey_file=str(tmp_path / "keys"))
        assert b"interval" in get(server, f"/announce/{key}?{QUERY}")[1]
        (tmp_path / "keys").write_text("# nobody\n")
        wait_until(lambda: b"does not know your key" in get(server, f"/announce/{key}?{QUERY}")[1])

    def test_a_key_is_never_logged_not_even_by_a_failure_of_ours(self, serve, tmp_path, key, caplog, monkeypatch):
        caplog.set_level("DEBUG")
        server = serve(passkey_file=str(tmp_path / "keys"))
        get(server, f"/announce/{key}?{QUERY}")

        def fail(*_):
            raise RuntimeError("broken on purpose")

        monkeypatch.setattr("web_ui.tracker_app.announce", fail)
        answer, body = get(server, f"/announce/{key}?x=1&{QUERY}", Accept="text/plain")
        assert key.encode() not in body
        assert answer.status in (200, 500)
        get(server, f"/announce/{key}")
        assert key not in caplog.text


class TestAddresses:
    def peers(self, server, **headers):
        query = QUERY.replace("left=0", "left=1").replace("6881", "7000")
        return bencodepy.decode(get(server, f"/announce?{query}", **headers)[1])[b"peers"]

    def test_a_proxy_of_ours_is_believed_and_nobody_else(self, serve):
        server = serve(trusted_proxies="127.0.0.1")
        get(server, f"/announce?{QUERY}", **{"X-Forwarded-For": "203.0.113.66, 198.51.100.7"})
        get(server, f"/announce?{QUERY}", host="::1", **{"X-Forwarded-For": "203.0.113.99"})
        answer = self.peers(server, **{"X-Forwarded-For": "198.51.100.8"})
        assert bytes([198, 51, 100, 7]) in answer
        assert bytes([203, 0, 113]) not in answer

    def test_a_proxy_that_says_nothing_is_no_peer(self, serve):
        server = serve(trusted_proxies="127.0.0.1")
        assert b"reverse proxy does not say" in get(server, f"/announce?{QUERY}")[1]
        assert server.tracker.store.totals().seeds == 0
        assert get(server, "/")[0].status == get(server, "/healthz")[0].status == 200

    def test_limits_are_those_of_who_asks_not_of_the_proxy(self, serve):
        server = serve(trusted_proxies="127.0.0.1", rate_limit=0.1, rate_burst=2)
        for host, refused in [("198.51.100.7", [False, False, True]), ("198.51.100.8", [False, False, True])]:
            bodies = [get(server, f"/announce?{QUERY}", **{"X-Forwarded-For": host})[1] for _ in range(3)]
            assert [b"too many requests" in body for body in bodies] == refused
        refusal = bencodepy.decode(bodies[-1])
        assert set(refusal) == {b"failure reason", b"retry in"} and refusal[b"retry in"] == b"1"

    def test_ip_is_ignored_unless_believed(self, serve):
        for believe in (False, True):
            server = serve(believe_ip=believe)
            get(server, f"/announce?{QUERY}&ip=203.0.113.66")
            assert (bytes([203, 0, 113, 66]) in self.peers(server)) is believe
            server.stop()

    def test_ip_is_believed_from_private_networks_alone(self, serve):
        server = serve(believe_ip=True, trusted_proxies="127.0.0.1")
        for source, believed in [("198.51.100.7", False), ("192.168.1.7", True)]:
            get(server, f"/announce?{QUERY}&ip=203.0.113.66", **{"X-Forwarded-For": source})
            assert (bytes([203, 0, 113, 66]) in self.peers(server, **{"X-Forwarded-For": "198.51.100.9"})) is believed

    @pytest.mark.parametrize(
        "named", ["example.org", "", "1.2.3", "%3Cscript%3E", "999.1.1.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "ff02::1"]
    )
    def test_ip_must_be_an_address_of_a_host_even_when_believed(self, serve, named):
        server = serve(believe_ip=True)
        assert b"failure reason" in get(server, f"/announce?{QUERY}&ip={named}")[1]
        assert server.tracker.store.totals().seeds == 0


class TestConnections:
    def test_one_address_holds_its_share_and_others_go_on(self, serve, monkeypatch):
        monkeypatch.setattr("gotorrent.tracker.limits.is_loopback", lambda packed: packed[-1] == 5)
        server = serve(connections_per_address=3)
        held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(3)]
        try:
            for sock in held:
                sock.sendall(b"GET /announce?")
            wait_until(lambda: len(server._servers[0].active_channels) == 3)
            with socket.create_connection(("127.0.0.1", server.port), 5) as fourth:
                fourth.sendall(b"GET /announce?")
                try:
                    assert fourth.recv(100) == b""
                except ConnectionResetError:
                    pass
            with socket.create_connection(("127.0.0.1", server.port), 5, ("127.0.0.5", 0)) as other:
                other.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert other.recv(100).startswith(b"HTTP/1.0 200")
        finally:
            for sock in held:
                sock.close()
        wait_until(lambda: len(server._servers[0].count) == 0)
        assert get(server, "/healthz")[0].status == 200

    def test_a_proxy_of_ours_has_no_share(self, serve, monkeypatch):
        monkeypatch.setattr("gotorrent.tracker.limits.is_loopback", lambda packed: False)
        server = serve(connections_per_address=1, trusted_proxies="127.0.0.1")
        held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(5)]
        try:
            for sock in held:
                sock.sendall(b"GET /announce?")
            wait_until(lambda: len(server._servers[0].active_channels) == 5)
            assert get(server, "/healthz")[0].status == 200
        finally:
            for sock in held:
                sock.close()


def test_no_line_per_request_is_logged(serve, caplog):
    caplog.set_level("INFO")
    server = serve()
    for path in (f"/announce?{QUERY}", "/scrape", "/nothing", "/", "/metrics", "/announce?x"):
        get(server, path)
    assert [record.getMessage() for record in caplog.records if record.name != "web_ui.tracker_server"] == []


def test_stop_is_clean_and_quick(serve, tmp_path):
    server = serve(state_file=str(tmp_path / "state"))
    get(server, f"/announce?{QUERY.replace('left=0', 'left=1')}")
    get(server, f"/announce?{QUERY}&event=completed")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 2
    assert (tmp_path / "state").read_text().count("\n") == 2
    assert tracker_server.STOP_SECONDS <= 2

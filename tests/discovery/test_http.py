"""One bounded GET against servers that do everything wrong."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import ExitStack

import pytest

from gotorrent.discovery import http
from gotorrent.discovery.http import fetch_torrent, get, is_public, redirect_allowed
from gotorrent.errors import HttpError, ReadError
from tests.discovery.bad_server import BadServer, answer, fails, pour, raw, redirect

HEAD = b"HTTP/1.1 200 OK\r\n"


def test_the_body_comes_back_and_the_query_arrives_untouched() -> None:
    with BadServer(answer(b"d8:intervali60ee")) as server:
        url = server.url + "/100%?info_hash=%124Vx%9A%20%2B&x=%"
        assert get(url) == b"d8:intervali60ee"
    line, *headers = server.requests[0].decode().split("\r\n")
    assert line == "GET /announce/100%25?info_hash=%124Vx%9A%20%2B&x=%25 HTTP/1.1"
    assert "Accept-Encoding: gzip" in headers
    assert any(header.startswith("User-Agent: GoTorrent/") for header in headers)


def test_body_without_length_chunked_and_compressed() -> None:
    packed = gzip.compress(b"hello" * 100)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in b"hello") + b"0\r\n\r\n"
    for data, body in (
        (b"\r\nhello", b"hello"),
        (chunked, b"hello"),
        (b"Content-Encoding: gzip\r\n\r\n" + packed, b"hello" * 100),
        (b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"), b"hello"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ):
        with BadServer(raw(HEAD + data)) as server:
            assert get(server.url) == body


def test_size_is_bounded_with_and_without_a_stated_length() -> None:
    words = "answered with more than 97 KiB"
    fails(pour(b"x" * 10_000, HEAD + b"\r\n"), words)
    fails(pour(b"x" * 10_000, HEAD + b"Content-Length: 99999999999\r\n\r\n"), words)
    fails(answer(b"x" * 100_001), words)
    with BadServer(answer(b"x" * 100_000)) as server:
        assert len(get(server.url, max_bytes=100_000)) == 100_000


def test_gzip_bomb_is_cut_at_the_limit() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 200_000
    with BadServer(answer(b"x")) as server:
        get(server.url)  # so that loading requests does not count
    tracemalloc.start()
    try:
        fails(answer(bomb, headers="Content-Encoding: gzip\r\n"), "more than 97 KiB")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


def test_bomb_in_the_body_of_a_redirect_is_not_even_read() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with BadServer(answer(b"x")) as last:
        headers = f"Content-Encoding: gzip\r\nLocation: {last.url}\r\n"
        with BadServer(answer(bomb, "302 Found", headers)) as first:
            tracemalloc.start()
            try:
                assert get(first.url) == b"x"
                assert tracemalloc.get_traced_memory()[1] < 10_000_000
            finally:
                tracemalloc.stop()


def test_broken_and_cut_compressed_data() -> None:
    packed = gzip.compress(bytes(range(256)) * 10)
    headers = "Content-Encoding: gzip\r\n"
    fails(answer(packed[:-20], headers=headers), "broke off in the middle")
    fails(answer(b"not gzip at all", headers=headers), "broken compressed data")
    fails(answer(b"x", headers="Content-Encoding: br\r\n"), "encoding 'br'")


def test_body_of_an_error_is_kept() -> None:
    error = fails(answer(b"d14:failure reason2:noe", "400 Bad Request"), "answered 400")
    assert (error.status, error.body) == (400, b"d14:failure reason2:noe")


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "file:///etc/hostname", "/etc/hostname", "", "http://", "http://[::1", "http://h:99999/", "http://h:0/"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(HttpError, match="cannot be asked"):
        get(url)


def test_redirects_are_followed_five_times() -> None:
    with ExitStack() as servers:
        url = servers.enter_context(BadServer(answer(b"x"))).url
        for _ in range(5):
            url = servers.enter_context(BadServer(redirect(url))).url
        assert get(url) == b"x"
        url = servers.enter_context(BadServer(redirect(url))).url
        with pytest.raises(HttpError, match="redirects more than 5 times"):
            get(url)


def test_relative_redirect_and_loop() -> None:
    def behave(server: BadServer, connection: socket.socket, request: bytes) -> None:
        (answer(b"x") if b"GET /moved?a=1 " in request else redirect("moved?a=1"))(server, connection, request)

    with BadServer(behave) as server:
        assert get(server.url) == b"x"
    with BadServer(redirect("/announce")) as server:
        with pytest.raises(HttpError, match="redirects more than 5 times"):
            get(server.url)
        assert len(server.requests) == 6


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://[bad/", "magnet:?xt=x"])
def test_redirect_elsewhere_is_refused(location: str) -> None:
    fails(redirect(location), "cannot be asked|makes no sense")


def test_redirects_share_the_deadline() -> None:
    def behave(server: BadServer, connection: socket.socket, request: bytes) -> None:
        if not server.closing.wait(0.15):
            redirect("/announce")(server, connection, request)

    fails(behave, "did not answer within 0.4 s", timeout=0.4)


def test_redirect_from_public_to_private_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "is_public", lambda address: address == "127.0.0.2")
    with BadServer(answer(b"secret")) as router:
        with BadServer(redirect(router.url), host="127.0.0.2") as tracker:
            with pytest.raises(HttpError, match="from a public host to a private one"):
                get(tracker.url)
            assert len(tracker.requests) == 1
        assert router.requests == []
        with BadServer(redirect(router.url)) as local:
            assert get(local.url) == b"secret", "a LAN tracker may stay on the LAN"


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        (["93.184.216.34"], ["8.8.8.8"], True),
        (["192.168.1.2"], ["127.0.0.1"], True),
        (["192.168.1.2"], ["8.8.8.8"], True),
        (["93.184.216.34"], ["127.0.0.1"], False),
        (["93.184.216.34"], ["8.8.8.8", "10.0.0.1"], False),
        (["192.168.1.2", "93.184.216.34"], ["10.0.0.1"], False),
        (["2606:4700::1"], ["fe80::1%eth0"], False),
        (["2606:4700::1"], ["::ffff:127.0.0.1"], False),
    ],
)
def test_redirect_policy(before: list[str], after: list[str], allowed: bool) -> None:
    assert redirect_allowed(before, after) is allowed


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("::1", "::", "fc00::1", "fe80::1%2", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_fetch_torrent() -> None:
    with BadServer(answer(b"d4:infode" * 100)) as server:
        assert fetch_torrent(server.url) == b"d4:infode" * 100
    with BadServer(answer(b"", "404 Not Found")) as server, pytest.raises(ReadError) as caught:
        fetch_torrent(server.url + "?passkey=secret")
    assert str(caught.value) == f"cannot fetch {server.url}?passkey=...: answered 404"


def test_torrents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http.MAX_TORRENT == 10 << 20
    monkeypatch.setattr(http, "MAX_TORRENT", 100_000)
    with BadServer(answer(b"x" * 100_001)) as server, pytest.raises(ReadError, match="more than 97 KiB"):
        fetch_torrent(server.url)


def test_requests_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, gotorrent.discovery.announcer as a; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

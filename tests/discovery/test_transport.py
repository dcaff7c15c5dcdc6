"""The sockets under one GET: deadlines in every phase, TLS, addresses, and errors in words."""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest

from gotorrent.discovery.http import Exchange, get
from gotorrent.errors import HttpError
from tests.discovery.bad_server import CERTIFICATE, BadServer, Behaviour, answer, drip, fails, hang, pour, raw
from tests.waiting import wait_until

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(CERTIFICATE))


def test_proxies_and_netrc_of_the_environment_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with BadServer(answer(b"x")) as server:
        assert get(server.url) == b"x"


@pytest.mark.parametrize(
    "behave",
    [
        hang,
        drip(b"H"),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.002),
        drip(b"X-Header: x\r\n", at_once=HEAD, every=0.02),
        drip(b"d", at_once=HEAD + b"\r\n"),
        drip(b"d", at_once=HEAD + b"Content-Length: 1000\r\n\r\n"),
        drip(b"1\r\nd\r\n", at_once=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        drip(b"X: x\r\n", at_once=HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
    ],
    ids=["hang", "status", "continue", "headers", "body", "sized", "chunks", "trailers"],
)
def test_deadline_holds_in_every_part_of_an_answer(behave: Behaviour) -> None:
    began = time.monotonic()
    fails(behave, r"did not answer within 0\.4 s", timeout=0.4)
    assert 0.35 < time.monotonic() - began < 1.5


@pytest.mark.parametrize("behave", [hang, drip(b"H"), drip(b"d", at_once=HEAD + b"\r\n")], ids=["hang", "status", "body"])
def test_deadline_holds_over_tls(behave: Behaviour, trusted: None) -> None:
    began = time.monotonic()
    fails(behave, r"did not answer within 0\.6 s", timeout=0.6, tls=True)
    assert time.monotonic() - began < 2


def test_tls_works_and_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(answer(b"x"), "TLS certificate that is not trusted", tls=True)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(CERTIFICATE))
    with BadServer(answer(b"x"), tls=True) as server:
        assert get(server.url) == b"x"
    with BadServer(pour(b"HTTP/1.1 400 Bad Request\r\n\r\n"), eager=True) as server, pytest.raises(HttpError, match="proper TLS"):
        get(server.url.replace("http:", "https:"))


def test_deadline_holds_while_tls_is_agreed_on() -> None:
    began = time.monotonic()
    behave = drip(b"\x02", at_once=b"\x16\x03\x03\x20\x00")
    with BadServer(behave, eager=True) as server, pytest.raises(HttpError, match=r"did not answer within 0\.6 s"):
        get(server.url.replace("http:", "https:"), timeout_total=0.6)
    assert time.monotonic() - began < 2


def test_server_that_never_accepts_or_speaks_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        for scheme in ("http", "https"):
            with pytest.raises(HttpError, match=r"did not answer"):
                get(f"{scheme}://{address}/", timeout_total=0.3)


def test_endless_header_lines_are_refused() -> None:
    fails(pour(b"x" * 10_000, HEAD + b"X: "), "proper HTTP")
    fails(pour(b"X: x\r\n" * 100, HEAD), "proper HTTP")


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (raw(b""), "closed the connection without an answer"),
        (raw(b"\x00\xff garbage\r\n\r\n"), "proper HTTP"),
        (raw(b"d8:intervali60ee"), "proper HTTP"),
        (raw(HEAD + b"Content-Length: 10\r\n\r\nabc"), "broke off in the middle"),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "broke off in the middle|proper HTTP"),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc"), "broke off in the middle|proper HTTP"),
        (answer(b"oops", "500 Internal Server Error"), "^answered 500$"),
        (answer(b"oops", "404 Not Found"), "^answered 404$"),
        (answer(b"", "204 No Content"), "^answered 204$"),
        (answer(b"", "302 Found"), "^answered 302$"),
    ],
)
def test_wrong_answers_in_words(behave: Behaviour, words: str) -> None:
    fails(behave, words)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(HttpError, match=r"^refused the connection$"):
        get(f"http://{address}/")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "the name tracker.example does not exist"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "no name server answers"),
        (UnicodeError("label too long"), "cannot be looked up"),
    ],
)
def test_names_that_lead_nowhere(error: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(HttpError, match=words):
        get("http://tracker.example/announce")


def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with BadServer(answer(b"x")) as server:
        port = int(server.address.partition(":")[2])
        stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        found = [
            (socket.AF_INET, *stream, ("127.0.0.99", port)),
            (socket.AF_INET, *stream, ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert get(f"http://tracker.example:{port}/") == b"x"
    assert b"Host: tracker.example:" in server.requests[0]


def test_cancel_ends_a_waiting_exchange_at_once() -> None:
    exchange = Exchange(30)
    caught: list[Exception] = []

    def ask() -> None:
        try:
            get(server.url, exchange=exchange)
        except HttpError as error:
            caught.append(error)

    with BadServer(hang) as server:
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: server.requests)
        exchange.cancel()
        thread.join(5)
        assert not thread.is_alive()
        assert caught
        with pytest.raises(HttpError, match="not waited for"):
            get(server.url, exchange=exchange)


def test_passkeys_stay_out_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with BadServer(raw(HEAD + b"bad header\r\nContent-Length: 1\r\n\r\nx")) as server:
        get(server.url + "?passkey=secret")
    assert "secret" not in caplog.text

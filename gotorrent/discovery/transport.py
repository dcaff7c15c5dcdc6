"""The sockets under `requests`: each ends at the deadline of its exchange, and connects only where the caller admits it.

A server that sends a byte a second never runs into a time-out per read; so each single receive here gets the time that is left
of the whole. Addresses are looked up once and the checked ones are connected to, so no second look-up can give others. This
module imports `requests`, which is slow to load: import it where it is needed. No BEP rules it.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from gotorrent import __version__
from gotorrent.discovery.http import Exchange
from gotorrent.errors import HttpError

MAX_ADDRESSES = 8
"""Addresses of one name that are tried: the time is shared between them."""

Admit = Callable[[list[str]], None]
"""Is told the numeric addresses of a host before one of them is connected to; raises `HttpError` to forbid it."""

logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it would log URLs, and with them passkeys


class _PlainSocket(socket.socket):
    """A TCP socket whose receives share one deadline."""

    exchange: Exchange

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.exchange.remaining())
        try:
            return super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise self.exchange.too_late() from None


class _SecureSocket(ssl.SSLSocket):
    """The same with TLS."""

    exchange: Exchange

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.exchange.remaining())
        try:
            return super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise self.exchange.too_late() from None


class _PlainConnection(HTTPConnection):
    def __init__(self, exchange: Exchange, admit: Admit, **options: Any) -> None:
        super().__init__(**options)
        self._exchange, self._admit = exchange, admit

    def _new_conn(self) -> socket.socket:
        return _dial(self.host, self.port, self._exchange, self._admit)


class _SecureConnection(HTTPSConnection):
    def __init__(self, exchange: Exchange, admit: Admit, **options: Any) -> None:
        super().__init__(**options)
        self._exchange, self._admit = exchange, admit

    def _new_conn(self) -> socket.socket:
        return _dial(self.host, self.port, self._exchange, self._admit)

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, _SecureSocket):
            self.sock.exchange = self._exchange
            self._exchange.use(self.sock)


class _Adapter(HTTPAdapter):
    """`requests` over the connections above."""

    def __init__(self, exchange: Exchange, admit: Admit) -> None:
        self._connection_arguments = (exchange, admit)
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _SecureSocket
        self.poolmanager = PoolManager(connections, maxsize=maxsize, ssl_context=context, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(self._pool, HTTPConnectionPool, _PlainConnection),
            "https": partial(self._pool, HTTPSConnectionPool, _SecureConnection),
        }

    def _pool(self, kind: type[HTTPConnectionPool], connection: type, host: str, port: int, **options: Any) -> HTTPConnectionPool:
        pool = kind(host, port, **options)
        pool.ConnectionCls = partial(connection, *self._connection_arguments)  # type: ignore[assignment]
        return pool


@contextmanager
def open_url(url: str, exchange: Exchange, admit: Admit) -> Iterator[requests.Response]:
    """Send one GET; gives the response with its head read and its body not. Raises `HttpError`, also for what the reader meets."""
    adapter = _Adapter(exchange, admit)
    try:
        # The adapter is used without a session: that would add proxies, .netrc and cookies, and would read the whole body of a
        # redirect, inflated, even when told not to follow it.
        with adapter.send(_prepare(url), stream=True, timeout=exchange.remaining()) as response:
            response.raw.enforce_content_length = True  # urllib3 1.26 would take a cut body for a whole one
            yield response
    except (requests.Timeout, TimeoutError) as error:
        raise exchange.too_late() from error
    except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise HttpError(_explain(error)) from error
    finally:
        exchange.use(None)
        adapter.close()


def _prepare(url: str) -> requests.PreparedRequest:
    headers = {"User-Agent": f"GoTorrent/{__version__}", "Accept-Encoding": "gzip", "Connection": "close"}
    try:
        return requests.Request("GET", url, headers=headers).prepare()
    except (requests.RequestException, ValueError) as error:
        raise HttpError("cannot be asked: its URL makes no sense") from error


def read_raw(response: requests.Response, size: int) -> bytes:
    """Up to `size` bytes of the body as it was sent (still compressed); b"" at its end."""
    data: bytes = response.raw.read(size, decode_content=False)
    return data


def _dial(host: str, port: int, exchange: Exchange, admit: Admit) -> socket.socket:
    """Connect to one of the host's addresses. Raises `HttpError`."""
    name = host.strip("[]")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[:MAX_ADDRESSES]
    except socket.gaierror as error:
        unknown = error.errno != socket.EAI_AGAIN
        words = "does not exist" if unknown else "cannot be looked up: no name server answers"
        raise HttpError(f"the name {name} {words}") from None
    except (OSError, UnicodeError):
        raise HttpError(f"the name {name} cannot be looked up") from None
    admit([str(address[0]) for *_, address in found])
    failure: Exception = HttpError("has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        sock = _PlainSocket(family, kind, protocol)
        sock.exchange = exchange
        try:
            exchange.use(sock)
            sock.settimeout(exchange.remaining() / (len(found) - tried))
            sock.connect(address)
            sock.settimeout(exchange.remaining())
            return sock
        except TimeoutError:
            failure = exchange.too_late()
        except OSError as error:
            failure = HttpError(_explain(error))
        except HttpError:
            sock.close()
            raise
        sock.close()
    raise failure


_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "has a TLS certificate that is not trusted here"),
    (ssl.SSLError, "does not speak proper TLS"),
    (http.client.RemoteDisconnected, "closed the connection without an answer"),
    (ConnectionRefusedError, "refused the connection"),
    (ConnectionError, "broke the connection"),
    (http.client.IncompleteRead, "broke off in the middle of its answer"),
    (http.client.HTTPException, "did not answer in proper HTTP"),
)


def _explain(error: BaseException) -> str:
    """What the server did, as the predicate of a sentence, from the error at the root of all that wraps it."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for kind, words in _WORDS:
        if any(isinstance(link, kind) for link in chain):
            return words
    for link in chain:
        if isinstance(link, OSError) and link.strerror:
            return f"cannot be reached: {link.strerror}"
    return "did not answer in proper HTTP"

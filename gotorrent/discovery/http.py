"""One bounded HTTP GET, for announces and for .torrent files: bounded in time, in bytes, in redirects and in where it may go.

`requests` speaks HTTP, but its time-outs are per read, its inflating has no bound, and it follows any redirect. So the deadline
is in the socket (`transport`), inflating and redirects are here, and proxies, `.netrc` and cookies stay out of it. Refuses
everything but http and https, and a redirect from a public host to a private one. No BEP rules it.
"""

from __future__ import annotations

import socket
import threading
import zlib
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.errors import HttpError, ReadError
from gotorrent.wire.http_tracker import escape_url, hide_passkey

if TYPE_CHECKING:
    from requests import Response

MAX_TRACKER_REPLY = 2 << 20
"""Bytes of a tracker's answer, after inflating: some 300 000 peers."""

MAX_TORRENT = 10 << 20
"""Bytes of a .torrent file."""

MAX_REDIRECTS = 5
CHUNK = 64 << 10
_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = IPv6Network("64:ff9b::/96")


class Exchange:
    """One GET with all its redirects: when it must be over, and how another thread ends it sooner."""

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ends = clock.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cancelled = False

    def remaining(self) -> float:
        """Seconds left, always more than 0. Raises `HttpError` when the time is up or `cancel` was called."""
        if self._cancelled:
            raise HttpError("was not waited for")
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise self.too_late()
        return left

    def too_late(self) -> HttpError:
        """The error for a server that took longer than it may."""
        return HttpError(f"did not answer within {self._seconds:.3g} s")

    def use(self, sock: socket.socket | None) -> None:
        """This socket is what the exchange now waits on."""
        with self._lock:
            self._socket = sock
            cancelled = self._cancelled
        if cancelled:
            self.cancel()

    def cancel(self) -> None:
        """End the exchange from another thread: a wait for the server's bytes ends at once, one for a connection in time."""
        with self._lock:
            self._cancelled = True
            if self._socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def get(
    url: str,
    *,
    timeout_total: float = 10.0,
    max_bytes: int = MAX_TRACKER_REPLY,
    clock: Clock = SYSTEM_CLOCK,
    exchange: Exchange | None = None,
) -> bytes:
    """The body that a GET of `url` gives, inflated, after at most five redirects.

    `timeout_total` is seconds for all of it, names and redirects included (only the system's name look-up can overstay).
    Whoever wants to cancel gives its own `exchange`, whose time then counts. Raises `HttpError` with what the server did in
    words: "refused the connection", "answered 500" (then with `status` and `body`).
    """
    from gotorrent.discovery import transport  # imports requests, which costs a tenth of a second

    exchange = exchange or Exchange(timeout_total, clock)
    came_from: list[str] = []
    for _ in range(MAX_REDIRECTS + 1):
        _check_url(url)
        addresses: list[str] = []

        def admit(found: list[str], before: list[str] = came_from, now: list[str] = addresses) -> None:
            if before and not redirect_allowed(before, found):
                raise HttpError("redirects from a public host to a private one, which is not followed")
            now.extend(found)

        with transport.open_url(escape_url(url), exchange, admit) as response:
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                body = _read_body(response, max_bytes)
                if response.status_code != 200:
                    raise HttpError(f"answered {response.status_code}", response.status_code, body)
                return body
        url = _next_url(url, location)
        came_from = addresses
    raise HttpError(f"redirects more than {MAX_REDIRECTS} times")


def fetch_torrent(url: str, *, timeout_total: float = 30.0, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """The bytes of the .torrent file at an http(s) URL, at most 10 MiB; unchecked. Raises `ReadError`."""
    try:
        return get(url, timeout_total=timeout_total, max_bytes=MAX_TORRENT, clock=clock)
    except HttpError as error:
        raise ReadError(f"cannot fetch {hide_passkey(url)}: {error}") from error


def is_public(address: str) -> bool:
    """Is this numeric address one of the whole Internet, and not of this machine, its LAN, or a VPN?

    IPv4 inside IPv6 (mapped, 6to4, NAT64) counts as the IPv4 address that it leads to.
    """
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ip_address(found.packed[-4:])  # type: ignore[assignment]  # 4 bytes always give an IPv4Address
        return (inner or found).is_global
    return found.is_global


def redirect_allowed(from_ips: list[str], to_ips: list[str]) -> bool:
    """May a host with addresses `from_ips` send us on to one with `to_ips`? Not from a public host to a private one.

    Otherwise anyone who runs a tracker could make our machine send requests to printers and routers on our LAN.
    """
    return not any(map(is_public, from_ips)) or all(map(is_public, to_ips))


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise HttpError("cannot be asked: its URL makes no sense")
    if parts.scheme.lower() not in ("http", "https"):
        raise HttpError(f"cannot be asked: {parts.scheme[:20]}:// is neither http:// nor https://")


def _next_url(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise HttpError("redirects to a URL that makes no sense") from error


def _read_body(response: Response, max_bytes: int) -> bytes:
    """The body, inflated if need be, refused as soon as it is longer than `max_bytes`."""
    from gotorrent.discovery.transport import read_raw

    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise HttpError(f"answered in the encoding {encoding[:20]!r}, which nobody asked for")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encoding not in ("", "identity") else None
    body = bytearray()
    while chunk := read_raw(response, CHUNK):
        if inflater is not None:
            try:
                chunk = inflater.decompress(chunk, max_bytes + 1 - len(body))
            except zlib.error as error:
                raise HttpError("answered with broken compressed data") from error
        body += chunk
        if len(body) > max_bytes:
            raise HttpError(f"answered with more than {max_bytes // 1024} KiB")
    if inflater is not None and body and not inflater.eof:
        raise HttpError("broke off in the middle of its answer")
    return bytes(body)

"""Every URL of the tracker: `/announce` and `/scrape` for torrent clients (BEP 3, 48), pages for people.

The decisions are those of `gotorrent.tracker.announce`; here the raw query string goes in and its bytes come out. Flask's own
reading of the query is never used: it decodes to text, which destroys an info-hash. The page at `/` is that of `tracker_page`;
nothing can be changed through it, so there is no login.
"""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from gotorrent.clock import Clock
from gotorrent.errors import TrackerError
from gotorrent.lan import lan_addresses
from gotorrent.tracker.announce import announce, failure, scrape
from gotorrent.tracker.counters import HTTP4, HTTP6
from gotorrent.tracker.overview import Overview
from gotorrent.tracker.tracker import Tracker, packed
from web_ui import security
from web_ui.tracker_page import add_page
from web_ui.tracker_status import add_status

_log = logging.getLogger(__name__)

LOCAL_ADDRESS = "gotorrent.local_address"  # key in the WSGI environment: our side of the connection, set by tracker_server


def create_app(tracker: Tracker, clock: Clock, host: str = "", udp_port: int = 0, overview: Overview | None = None) -> Flask:
    """The WSGI application of one tracker that listens on `host` ("" = everywhere), for UDP on `udp_port` (0 = not).

    The server that runs it puts its own address on each connection into `environ[LOCAL_ADDRESS]`. It may give the `overview` that
    it records; without one, the page draws only what happened while somebody looked at it.
    """
    app = Flask(__name__)
    page = add_page(app, overview or Overview(tracker, clock.monotonic()), clock, lambda: _urls(tracker, host, udp_port))

    @app.get("/announce")
    @app.get("/announce/<path:key>")
    def announce_route(key: str = "") -> Response | str:
        if request.method == "HEAD":
            return _plain(b"")
        if _person():
            return page()
        try:
            source, door = _source(tracker)
        except TrackerError as error:
            return _plain(failure(str(error)))
        local = packed(request.environ.get(LOCAL_ADDRESS, ""))
        return _plain(announce(tracker, request.query_string, source, local, clock.monotonic(), door, key.encode()))

    @app.get("/scrape")
    @app.get("/scrape/<path:key>")
    def scrape_route(key: str = "") -> Response | str:
        if _person():
            return page()
        try:
            source, door = _source(tracker)
        except TrackerError as error:
            return _plain(failure(str(error)))
        return _plain(scrape(tracker, request.query_string, source, clock.monotonic(), door, key.encode()))

    add_status(app, tracker, clock)
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(Exception, _broken)
    app.after_request(_secure)
    return app


def announce_urls(host: str, port: int) -> list[str]:
    """The announce URLs of a tracker that listens on `host` ("" = everywhere) and `port`, the one for this machine first."""
    if host not in ("", "0.0.0.0", "::"):  # noqa: S104
        return [_url(host.strip("[]"), port)]
    reached = [address for address in lan_addresses() if not host or (":" in address) == (":" in host)]
    return [_url(address, port) for address in ["localhost", *reached]]


def _url(host: str, port: int, scheme: str = "http") -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/announce"


def _source(tracker: Tracker) -> tuple[bytes, int]:
    """Packed address of who asks and the door it came through. Raises `TrackerError` when a proxy of ours does not tell."""
    source = packed(request.remote_addr or "")
    if tracker.proxies is not None and source in tracker.proxies:
        source = tracker.proxies.client(source, request.headers.get("X-Forwarded-For", ""))
    return source, HTTP6 if len(source) > 4 else HTTP4


def _person() -> bool:
    """Did somebody open a torrent client's address in a browser?"""
    return not request.query_string and "text/html" in request.headers.get("Accept", "")


def _urls(tracker: Tracker, host: str, udp_port: int) -> tuple[list[str], list[str]]:
    """Announce URLs for other machines, also the one by which this visitor reached us, and those for this machine alone."""
    here = request.environ.get(LOCAL_ADDRESS, "")
    port = int(request.environ["SERVER_PORT"])
    urls = announce_urls(host, port)
    if here and _useful(here) and _url(here, port) not in urls:
        urls.append(_url(here, port))
    key = "/YOUR-PASSKEY" if tracker.config.passkey_file else ""
    others: list[str] = []
    local: list[str] = []
    for url in urls:
        there = urlsplit(url).hostname or ""
        shown = [url, _url(there, udp_port, "udp")] if udp_port else [url]
        (others if _useful(there) else local).extend(each + key for each in shown)
    return others, local


def _useful(host: str) -> bool:
    """Does this address of ours mean the same on other machines?"""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host != "localhost"
    return not (address.is_loopback or address.is_link_local)


def _plain(body: bytes) -> Response:
    return Response(body, content_type="text/plain")


def _explain(error: HTTPException) -> Response:
    """One sentence for a URL or method that does not exist here."""
    sentences = {404: "There is nothing at this address.", 405: "This address is only for reading, by GET."}
    text = sentences.get(error.code or 0, f"{error.name}.")
    response = Response(f"{text} The tracker's page is at /\n", status=error.code, content_type="text/plain; charset=utf-8")
    if error.code == 405:
        response.headers["Allow"] = "GET, HEAD"
    return response


def _broken(error: Exception) -> Response:
    """A mistake of ours: logged without the URL, which may hold somebody's passkey."""
    _log.error("a request to %s failed", request.endpoint, exc_info=error)
    return Response("The tracker has failed here; its log says how.\n", 500, content_type="text/plain; charset=utf-8")


def _secure(response: Response) -> Response:
    """What is for programs must not be taken for a page by a browser; what is a page gets all of `security.HEADERS`."""
    if response.mimetype == "text/plain":
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
    response.headers.update(security.HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response

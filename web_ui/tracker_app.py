"""Every URL of the tracker: `/announce` and `/scrape` for torrent clients (BEP 3, 48), pages for people.

The decisions are those of `gotorrent.tracker.announce`; here the raw query string goes in and its bytes come out. Flask's own
reading of the query is never used: it decodes to text, which destroys an info-hash. A page shows counts and addresses of the
tracker itself, nothing that a peer sent and no peer's address. Nothing can be changed through a page, so there is no login.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request, send_from_directory
from werkzeug.exceptions import HTTPException

from gotorrent import __version__
from gotorrent.clock import Clock
from gotorrent.errors import TrackerError
from gotorrent.lan import lan_addresses
from gotorrent.tracker.announce import announce, failure, scrape
from gotorrent.tracker.counters import HTTP4, HTTP6
from gotorrent.tracker.tracker import Tracker, packed

LOCAL_ADDRESS = "gotorrent.local_address"  # key in the WSGI environment: our side of the connection, set by tracker_server

_PLAIN_HEADERS = {"X-Content-Type-Options": "nosniff"}  # bytes for programs: no browser may take them for a page
_PAGE_HEADERS = {
    **_PLAIN_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(tracker: Tracker, clock: Clock, host: str = "") -> Flask:
    """The WSGI application of one tracker that listens on `host` ("" = everywhere).

    The server that runs it puts its own address on each connection into `environ[LOCAL_ADDRESS]`.
    """
    app = Flask(__name__, static_folder=None)

    @app.get("/announce")
    @app.get("/announce/<path:key>")
    def announce_route(key: str = "") -> Response | str:
        if request.method == "HEAD":
            return _plain(b"")
        if _person():
            return _page(tracker, host)
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
            return _page(tracker, host)
        try:
            source, door = _source(tracker)
        except TrackerError as error:
            return _plain(failure(str(error)))
        return _plain(scrape(tracker, request.query_string, source, clock.monotonic(), door, key.encode()))

    @app.get("/")
    def index() -> str:
        return _page(tracker, host)

    @app.get("/tracker.css")
    def style() -> Response:
        return send_from_directory(f"{app.root_path}/static", "tracker.css")

    app.register_error_handler(HTTPException, _explain)
    app.after_request(_secure)
    return app


def announce_urls(host: str, port: int) -> list[str]:
    """The announce URLs of a tracker that listens on `host` ("" = everywhere) and `port`, the one for this machine first."""
    if host not in ("", "0.0.0.0", "::"):  # noqa: S104
        return [_url(host.strip("[]"), port)]
    reached = [address for address in lan_addresses() if not host or (":" in address) == (":" in host)]
    return [_url(address, port) for address in ["localhost", *reached]]


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/announce"


def _source(tracker: Tracker) -> tuple[bytes, int]:
    """Packed address of who asks and the door it came through. Raises `TrackerError` when a proxy of ours does not tell."""
    source = packed(request.remote_addr or "")
    if tracker.proxies is not None and source in tracker.proxies:
        source = tracker.proxies.client(source, request.headers.get("X-Forwarded-For", ""))
    return source, HTTP6 if len(source) > 4 else HTTP4


def _person() -> bool:
    """Did somebody open a torrent client's address in a browser?"""
    return not request.query_string and "text/html" in request.headers.get("Accept", "")


def _page(tracker: Tracker, host: str) -> str:
    """The page for people: what this is, and the URL by which this visitor's machine reached us."""
    here = request.environ.get(LOCAL_ADDRESS, "")
    port = int(request.environ["SERVER_PORT"])
    urls = announce_urls(host, port)
    if here and _useful(here) and _url(here, port) not in urls:
        urls.append(_url(here, port))
    local = [url for url in urls if not _useful(urlsplit(url).hostname or "")]
    others = [url for url in urls if url not in local]
    return render_template(
        "tracker.html",
        local=local,
        others=others,
        totals=tracker.store.totals(),
        announces=sum(tracker.counters.announces),
        version=__version__,
    )


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


def _secure(response: Response) -> Response:
    response.headers.update(_PLAIN_HEADERS if response.mimetype == "text/plain" else _PAGE_HEADERS)
    return response

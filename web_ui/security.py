"""Who may talk to a page of ours: the Host check, the origin and token check, and the headers of every answer.

No BEP rules it. The web UI needs no password because it listens on this machine only; what is left are other web pages in the
same browser. A page that renames its own address to 127.0.0.1 (DNS rebinding) is refused by its Host name; a page that posts
across origins is refused by `Origin`, `Sec-Fetch-Site` and a token that only our own page can read; a page that frames or
embeds ours is refused by the headers. Names from torrents and peers can run no script: the content security policy allows none
but our own files, and no string may become HTML.
"""

from __future__ import annotations

import hmac
import re

from flask import Flask, Response, abort, request
from werkzeug.datastructures import Headers

TOKEN_HEADER = "X-GoTorrent-Token"  # noqa: S105  the header's name

_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_local_host(host: str) -> bool:
    """Whether a Host header names this machine; any port, so that `ssh -L 8000:localhost:3000` works."""
    return _LOCAL_HOST.fullmatch(host) is not None


def write_refusal(headers: Headers, token: str) -> str:
    """Why a request that changes something is refused, in one sentence; "" when it comes from our own page.

    The token is compared in constant time. Browsers send `Origin` and `Sec-Fetch-Site` by themselves and let no page forge
    them; programs that send neither still need the token.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site not in (None, "same-origin") or origin not in (None, f"http://{headers.get('Host', '')}"):
        return "Another web site tried to change something in GoTorrent, and was refused."
    if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        return f"The {TOKEN_HEADER} header is missing or from an earlier run of the client: reload the page and try again."
    return ""


def add_headers(app: Flask) -> None:
    """Put `HEADERS` on every answer of `app`; all but static files are never stored by the browser."""

    @app.after_request
    def _headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response


def only_this_machine(app: Flask, token: str) -> None:
    """Refuse (403) requests to `app` under a foreign Host name, and changes that do not come from its own page."""

    @app.before_request
    def _check() -> None:
        host = request.headers.get("Host", "")
        if not is_local_host(host):
            abort(
                403,
                f"GoTorrent shows this page only on the machine it runs on, as http://localhost, and was asked for “{host}”. "
                "From another machine, connect with ssh -L 3000:localhost:3000 (with the port that the client printed) "
                "and open http://localhost:3000 there.",
            )
        if request.method not in _READS and (refusal := write_refusal(request.headers, token)):
            abort(403, refusal)

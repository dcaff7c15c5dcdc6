"""The client's web UI: one page that lists the torrents, and the API that feeds it. No BEP rules it.

    GET  /                  the page
    GET  /api/v1/snapshot   the whole client as JSON: the fields of `gotorrent.session.snapshot`
    POST /api/v1/torrents   add one: a form with `file`, or JSON {"url": "..."}; answers {"info_hash", "already"}

The page polls; nothing is pushed and no state is kept for a browser. Reads come from frozen snapshots, so no lock of the client
is ever held while a browser waits. It refuses foreign Host names, writes from other origins (`security`) and uploads over
10 MiB. Errors are one sentence: JSON {"error": "..."} below /api/, a small page elsewhere, never a traceback.
"""

from __future__ import annotations

import errno
import json
import logging
import secrets
import socket
import threading
from typing import Any, Protocol

from flask import Flask, Response, abort, render_template, request, url_for
from waitress.channel import HTTPChannel
from waitress.server import create_server
from werkzeug.exceptions import HTTPException

import gotorrent
from gotorrent.errors import GoTorrentError, PortBusyError, UsageError
from gotorrent.lan import port_holder
from gotorrent.session.snapshot import SessionSnapshot
from web_ui import security

MAX_TORRENT = 10 * 2**20  # bytes of a .torrent file
FORM_OVERHEAD = 64 * 2**10  # bytes that a form puts around the file
MAX_URL = 16 * 2**10  # characters: a magnet link with a hundred trackers fits

STOP_TIMEOUT = 3  # seconds that requests under way get when the client stops
SERVER_LIMITS: dict[str, Any] = {
    "threads": 6,  # a few slow downloads of a .torrent by URL leave threads for the polls of thirty browsers
    "connection_limit": 200,  # thirty browsers, six connections each
    "backlog": 64,
    "channel_timeout": 30,  # seconds of silence
    "max_request_header_size": 16 * 2**10,
    "max_request_body_size": MAX_TORRENT + 2**20,  # a little over what the application takes, so that it can say why
    "ident": None,
    "clear_untrusted_proxy_headers": True,
}

_log = logging.getLogger(__name__)

_SENTENCES = {
    400: "The request was not understood.",
    404: "There is no such page here.",
    405: "This address does not take that kind of request.",
    413: "That is too big: a .torrent file may have at most 10 MiB.",
    500: "GoTorrent failed on this request; the details are in its log.",
}


class ClientFacade(Protocol):
    """What the pages may ask of a running client. Methods are called from several threads."""

    def snapshot(self) -> SessionSnapshot:
        """The client at this moment."""

    def add_torrent(self, data: bytes) -> str:
        """Add the torrent of a .torrent file; its info-hash in hex. A GoTorrentError says what is wrong with it."""

    def add_url(self, url: str) -> str:
        """Add the torrent that an http(s) URL or a magnet link names; its info-hash in hex, or a GoTorrentError."""


def create_app(facade: ClientFacade) -> Flask:
    """The Flask application over `facade`, with a new token for writes."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_TORRENT + FORM_OVERHEAD, MAX_FORM_PARTS=10)
    app.url_map.merge_slashes = False
    token = secrets.token_urlsafe(32)
    security.only_this_machine(app, token)
    security.add_headers(app)

    @app.get("/")
    def page() -> str:
        return render_template("client.html", max_torrent=MAX_TORRENT)

    @app.get("/api/v1/snapshot")
    def snapshot() -> Response:
        response = _answer(facade.snapshot())
        response.headers[security.TOKEN_HEADER] = token
        return response

    @app.post("/api/v1/torrents")
    def add() -> Response:
        known = {torrent.info_hash for torrent in facade.snapshot().torrents}
        info_hash = facade.add_url(_posted_url()) if request.is_json else facade.add_torrent(_posted_file())
        return _answer({"info_hash": info_hash, "already": info_hash in known})

    @app.template_global()
    def asset(name: str) -> str:
        return url_for("static", filename=name, v=gotorrent.__version__)

    app.register_error_handler(Exception, _refuse)
    return app


def _answer(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, default=vars), status, mimetype="application/json")


def _posted_file() -> bytes:
    upload = request.files.get("file")
    if upload is None:
        abort(400, 'Nothing was sent: the form needs a "file" that holds a .torrent, or JSON with a "url".')
    data = upload.stream.read(MAX_TORRENT + 1)
    if not data:
        abort(400, "That file is empty, so it is not a .torrent file.")
    if len(data) > MAX_TORRENT:
        abort(413)
    return data


def _posted_url() -> str:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        abort(400, "The request says that it is JSON, and is not.")
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str) or not url.strip():
        abort(400, 'Nothing to add: the JSON needs a "url" with the address of a .torrent file or a magnet link.')
    if len(url) > MAX_URL:
        abort(413, f"That address is too long: at most {MAX_URL} characters.")
    return url.strip()


def _refuse(error: Exception) -> Response:
    """Any exception as one sentence: what the person did is theirs to read, what we did goes to the log."""
    title = error.name if isinstance(error, HTTPException) else "That did not work"
    if isinstance(error, GoTorrentError):
        status, sentence = 400, str(error)
    elif isinstance(error, HTTPException):
        status = error.code or 500
        written_by_us = "description" in vars(error) and error.description
        sentence = written_by_us or _SENTENCES.get(status) or f"The request failed: {error.name}."
    else:
        status, sentence = 500, _SENTENCES[500]
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
    if request.path.startswith("/api/"):
        return _answer({"error": sentence}, status)
    return Response(render_template("client_error.html", title=title, sentence=sentence), status)


class UiServer:
    """The web UI on a port of this machine: `start()` binds and returns, `stop()` ends its threads."""

    def __init__(self, facade: ClientFacade, port: int, host: str = "127.0.0.1") -> None:
        """`port` 0 means any free one; `host` is an address of this machine, not a name."""
        self.host, self.port = host, port
        self._app = create_app(facade)
        self._sockets: dict[int, Any] = {}
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        name = {"127.0.0.1": "localhost", "::1": "[::1]"}.get(self.host, self.host)
        return f"http://{name}:{self.port}"

    def start(self) -> None:
        """Listen, and serve in a thread of our own. PortBusyError when another program has the port, else UsageError."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"The web UI cannot listen on {self.host} port {self.port}: {error.strerror}.") from error
            holder = port_holder(self.port)
            by = f" by {holder}" if holder else ""
            raise PortBusyError(f"Port {self.port} is in use{by}: choose another one with -ui-port.") from error
        self.port = listener.getsockname()[1]
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns whenever a request waits for a thread
        self._server = create_server(self._app, map=self._sockets, sockets=[listener], **SERVER_LIMITS)
        self._thread = threading.Thread(target=self._server.run, name="web")
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way, close every connection, join the thread. Twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.task_dispatcher.shutdown(timeout=STOP_TIMEOUT)
            self._server.trigger.pull_trigger(self._close)
            thread.join()

    def _close(self) -> None:
        """In the server's thread: close its sockets, which ends it.

        Channels go first: a request that outlived STOP_TIMEOUT sees that its channel is closed and does not write to the
        trigger's pipe, whose descriptor may be another file's by then.
        """
        for channel in [each for each in self._sockets.values() if isinstance(each, HTTPChannel)]:
            channel.close()
        self._server.close()

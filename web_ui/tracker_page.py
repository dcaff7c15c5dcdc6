"""The tracker's page for people at `/`, and the numbers that keep it moving at `/dashboard.json`. No BEP rules it.

The page is drawn once by the server, so that it tells something without JavaScript too, and then polls. Nothing can be changed
here, so there is no login; what may be told is decided in `gotorrent.tracker.overview`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask, Response, render_template, url_for

from gotorrent import __version__
from gotorrent.clock import Clock
from gotorrent.tracker.overview import Overview

Urls = Callable[[], tuple[list[str], list[str]]]
"""Announce URLs that work from other machines, and those that only mean something on this one."""


def add_page(app: Flask, overview: Overview, clock: Clock, urls: Urls) -> Callable[[], str]:
    """Give `app` the two URLs; returns the view of the page, for other URLs that a person may open."""

    @app.get("/")
    def page() -> str:
        others, local = urls()
        seen = overview.view(clock.monotonic())
        return render_template("tracker.html", others=others, local=local, seen=seen, version=__version__)

    @app.get("/dashboard.json")
    def dashboard() -> Response:
        return Response(json.dumps(overview.view(clock.monotonic())), mimetype="application/json")

    @app.template_global()
    def asset(name: str) -> str:
        return url_for("static", filename=name, v=__version__)

    return page

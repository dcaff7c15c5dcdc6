"""The tracker for any WSGI server: `gunicorn 'web_ui.tracker_wsgi:create()'`. No BEP rules it.

Settings are those of `tracker.py`: the file that the environment variable `GOTORRENT_CONFIG` names, else the usual places. Several
processes must share their peers (`store: redis://...`): in memory, each would have swarms of its own. There is no UDP this way,
and no answer at accept: `tracker.py` is faster. Where a proxy stands before it, `trusted_proxies` must name it.
"""

from __future__ import annotations

import atexit
import os

from flask import Flask

from gotorrent import config
from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.tracker.operation import Operation
from web_ui.tracker_app import create_app


def create() -> Flask:
    """The application, operated until the process ends. Raises what the settings deserve."""
    settings, _ = config.load(os.environ.get("GOTORRENT_CONFIG"))
    operation = Operation(settings.tracker)
    operation.start(daemon=True)
    atexit.register(operation.stop)
    return create_app(operation.tracker, SYSTEM_CLOCK, settings.tracker.host)

"""A tracker of ours as a process to be measured: `python -m tests.bench.our_tracker tracker|flask`. It ends with its input.

`tracker` is the whole `tracker.py` without its printing; `flask` the same application on plain waitress, as any WSGI program is
usually served, for comparison. It prints the HTTP port, the UDP port (0 for none) and a newline when it listens.
"""

from __future__ import annotations

import sys
import threading

from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import TrackerConfig
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker

HOST = "127.0.0.1"


def main() -> None:
    """Serve until the input ends."""
    config = TrackerConfig(state_file="none")
    if sys.argv[1] == "tracker":
        from web_ui.tracker_server import TrackerServer

        with TrackerServer(config, host=HOST, port=0) as server:
            print(server.port, server.udp_port, flush=True)
            sys.stdin.read()
        return
    import logging

    import waitress

    from web_ui.tracker_app import create_app

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    app = create_app(Tracker(config, Swarms(config)), SYSTEM_CLOCK, HOST)
    server = waitress.create_server(app, host=HOST, port=0, threads=config.threads, connection_limit=config.connections)
    threading.Thread(target=server.run, daemon=True).start()
    print(server.effective_port, 0, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""The tracker in somebody else's WSGI server: here waitress's own command, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.interop.programs import ROOT, free_port
from tests.waiting import wait_until

QUERY = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port=1&left="


def test_it_serves_every_url_with_the_usual_settings_and_ends_when_asked(tmp_path: Path) -> None:
    port = free_port()
    state = tmp_path / "state"
    (tmp_path / "settings").write_text(f"tracker:\n  min_interval: 33\n  trusted_proxies: 127.0.0.1\n  state_file: {state}\n")
    command = [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", "--call", "web_ui.tracker_wsgi:create"]
    process = subprocess.Popen(
        [*command], cwd=ROOT, env={**os.environ, "GOTORRENT_CONFIG": str(tmp_path / "settings")}, stderr=subprocess.DEVNULL
    )
    try:

        def get(path: str) -> bytes:
            try:
                with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                    return answer.read()  # type: ignore[no-any-return]
            except OSError:
                assert process.poll() is None
                return b""

        wait_until(lambda: get("/healthz") == b"ok\n")
        assert b"does not say for whom it asks" in get(f"/announce?{QUERY}1"), "waitress passes no X-Forwarded-For on here"
        assert b"GoTorrent tracker" in get("/") and b"gotorrent_tracker_torrents" in get("/metrics")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_its_peers_and_counts(tmp_path: Path, monkeypatch) -> None:
    from web_ui import tracker_wsgi

    stopped = []
    monkeypatch.setattr(tracker_wsgi.atexit, "register", stopped.append)
    (tmp_path / "settings").write_text(f"tracker:\n  min_interval: 33\n  state_file: {tmp_path / 'state'}\n")
    monkeypatch.setenv("GOTORRENT_CONFIG", str(tmp_path / "settings"))
    client = tracker_wsgi.create().test_client()
    try:
        client.get(f"/announce?{QUERY}1")
        answer = client.get(f"/announce?{QUERY}0&event=completed").data
        assert b"8:completei1e10:downloadedi1e" in answer and b"min intervali33e" in answer
    finally:
        for stop in stopped:
            stop()
    assert (tmp_path / "state").read_text().endswith(f"{b'a'.hex() * 20} 1\n")

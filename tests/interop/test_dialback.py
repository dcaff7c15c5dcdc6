"""A peer on another machine, that of a network namespace, behind a firewall or not: what the tracker finds out and tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from gotorrent.config import TrackerConfig
from tests.interop.namespaces import Cable, cable
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

# Listens on a port, announces that one and a port where nobody listens, and says what the tracker answered in the end.
PEER = """
import socket, sys, time
from urllib.request import urlopen
host, url = sys.argv[1:]
with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
    for port in (server.getsockname()[1], 9):
        deadline = time.monotonic() + 10
        answer, dialled = b"", False
        while time.monotonic() < deadline and b"warning" not in answer and not (port != 9 and dialled):
            query = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port={port}&left=1"
            answer = urlopen(f"{url}?{query}", timeout=5).read()
            server.settimeout(0.2)
            try:
                dialled = port != 9 and server.accept()[0].recv(1) == b""
            except TimeoutError:
                dialled = False
        print("warned" if b"warning message" in answer else "not warned", answer.partition(b"message")[2].decode())
"""


@pytest.fixture
def nothing_leaves_this_machine() -> None:
    """Instead of the guard of all other tests: these talk to the other end of a cable that they made themselves."""


@pytest.fixture
def ends() -> Iterator[Cable]:
    with cable() as made:
        yield made


@pytest.mark.parametrize("six", [False, True])
def test_who_cannot_be_reached_is_warned_and_who_can_is_not(ends: Cable, six: bool) -> None:
    here, there = (f"[{ends.here6}]", ends.there6) if six else (ends.here, ends.there)
    with TrackerServer(TrackerConfig(show_addresses=True), port=0) as server:
        command = [*ends.prefix, sys.executable, "-c", PEER, there, f"http://{here}:{server.port}/announce"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
        reached, unreached = done.stdout.splitlines()
        assert reached.strip() == "not warned"
        assert unreached.startswith("warned") and f"nobody could connect to {there} on port 9" in unreached

        def seen(path: str) -> dict:
            with urlopen(f"http://127.0.0.1:{server.port}/{path}", timeout=5) as answer:
                return json.loads(answer.read())

        wait_until(lambda: seen("stats.json")["unreachable"] == 1)
        assert f"{there}]:9)" in seen("dashboard.json")["advice"] if six else f"({there}:9)" in seen("dashboard.json")["advice"]

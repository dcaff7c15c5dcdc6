"""The command `tracker.py` as a process: what it prints, how it ends."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gotorrent.cli import tracker
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Start `tracker.py` in an empty folder; it is killed at the end if it still runs."""
    running = []

    def begin(*arguments, **options):
        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "PYTHONUNBUFFERED": ""}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tracker.py"), *arguments],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def first_lines(process, count=3):
    return [process.stdout.readline() for _ in range(count)]


def port_of(lines):
    return int(re.search(r"http://localhost:(\d+)/announce", "".join(lines))[1])


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_serves_until_a_signal_and_ends_with_0(start, name):
    process = start("-port", "0")
    lines = first_lines(process, 2)
    assert lines[0] == "GoTorrent tracker 0.1.0, settings from the program itself (no config.yaml)\n"
    connection = http.client.HTTPConnection("127.0.0.1", port_of(lines), timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
    started = time.monotonic()
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - started < 2
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Tracker stopped.\n")


def test_nohup_is_respected(start):
    process = start("-port", "0", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    first_lines(process, 1)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_settings_come_from_config_yaml_and_flags_go_first(start, tmp_path):
    (tmp_path / "config.yaml").write_text("tracker:\n  announce_interval: 77\n  host: 127.0.0.1\n  port: 0\n")
    process = start("--interval=99")
    lines = first_lines(process, 2)
    assert lines[0].endswith("settings from config.yaml\n")
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/announce", lines[1])[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/announce?info_hash={'a' * 20}&peer_id={'b' * 20}&port=1&left=0")
    assert b"8:intervali99e12:min intervali15e" in connection.getresponse().read()
    connection.close()


def test_quiet_prints_nothing(start):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = start("-quiet", "-port", str(port))

    def answers():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    wait_until(answers)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", "")


def test_a_busy_port_ends_with_2_and_names_its_holder(start):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        process = start("-port", str(port))
        out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert out == ""
    assert re.fullmatch(rf"tracker\.py: port {port} is in use by .+ \(process {os.getpid()}\): stop that program, or .+\n", err)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-por", "1"], "there is no flag -por; did you mean -port?"),
        (["-port", "65536"], "-port 65536: this is not a whole number from 0 to 65535"),
        (["-port"], "-port needs a value"),
        (["-interval", "0"], "-interval 0: this is not a whole number of seconds from 1 to 86400"),
        (["-interval", "86401"], "-interval 86401"),
        (["file.torrent"], "the tracker takes only flags, file.torrent is none"),
        (["-config", "missing.yaml"], "missing.yaml"),
        (["-host", "192.0.2.77", "-port", "0"], "cannot listen on 192.0.2.77"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_code_2(capsys, arguments, words, monkeypatch):
    monkeypatch.setattr(tracker.signal, "signal", lambda *_: None)
    assert tracker.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tracker.py: ") and words in err and err.count("\n") == 1


def test_help_and_version(capsys):
    assert tracker.main(["--h"]) == 0
    text = capsys.readouterr().out
    for flag in ["-host H", "-port N", "-interval S", "-config FILE", "-quiet", "-v", "-version", "-h"]:
        assert f"  {flag} " in text
    assert tracker.main(["-version"]) == 0
    assert capsys.readouterr().out == "GoTorrent 0.1.0\n"


def test_a_long_interval_does_not_forget_peers_in_between():
    settings = tracker._settings(tracker.TrackerConfig(), {"host": None, "port": None, "interval": 600})
    assert (settings.announce_interval, settings.min_interval, settings.peer_timeout) == (600, 15, 1800)
    settings = tracker._settings(tracker.TrackerConfig(), {"host": "::1", "port": 0, "interval": 5})
    assert (settings.announce_interval, settings.min_interval, settings.peer_timeout) == (5, 5, 180)
    assert (settings.host, settings.port) == ("::1", 0)

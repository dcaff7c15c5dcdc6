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
        environment["XDG_STATE_HOME"] = str(tmp_path / "state")
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


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
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


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


ANNOUNCE = f"announce?info_hash={'a' * 20}&peer_id={'b' * 20}&port=1&left=0"


def test_sighup_reads_everything_again_and_keeps_the_peers(start, tmp_path):
    settings = tmp_path / "config.yaml"
    settings.write_text("tracker:\n  min_interval: 20\n")
    process = start("-port", "0")
    port = port_of(first_lines(process, 2))
    assert b"min intervali20e" in ask(port, f"/{ANNOUNCE}")
    settings.write_text("tracker:\n  min_interval: 30\n  numwant_max: 0\n")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: process.stderr.readline())
    assert b"min intervali20e" in ask(port, f"/{ANNOUNCE}"), "a mistake changes nothing"
    settings.write_text("tracker:\n  min_interval: 30\n  threads: 3\n")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: b"min intervali30e" in ask(port, f"/{ANNOUNCE}".replace("port=1", "port=2")))
    assert b"8:completei2e" in ask(port, f"/{ANNOUNCE}".replace("port=1", "port=2"))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "threads has changed: that needs a restart\nSettings, lists and keys were read again.\n" in out


def test_when_its_terminal_goes_away_it_stops(tmp_path):
    pty = pytest.importorskip("pty")
    child, terminal = pty.fork()
    if child == 0:
        os.environ["XDG_STATE_HOME"] = str(tmp_path)
        os.execv(sys.executable, [sys.executable, str(ROOT / "tracker.py"), "-port", "0", "-host", "127.0.0.1"])
    printed, ended = b"", []
    try:
        while b"Ctrl-C" not in printed:
            printed += os.read(terminal, 4096)
    finally:
        os.close(terminal)

    def has_ended():
        if not ended and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG):
            ended.append(child)
        return ended

    try:
        wait_until(has_ended)
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_completed_downloads_are_counted_on_after_a_restart(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for count in (1, 2):
        process = start("-port", str(port), "-host", "127.0.0.1")
        first_lines(process, 2)
        ask(port, f"/{ANNOUNCE}".replace("left=0", "left=1"))
        assert f"10:downloadedi{count}e".encode() in ask(port, f"/{ANNOUNCE}&event=completed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / "state" / "gotorrent" / "tracker" / f"completed-{port}").exists()


def test_a_private_tracker_from_the_first_key_to_the_last(start, tmp_path):
    (tmp_path / "config.yaml").write_text("tracker:\n  passkey_file: keys\n")

    def run(*arguments):
        process = start("-passkey", *arguments)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    code, _, err = run("list")[0], *run("revoke", "x")[1:]
    assert (code, "there is no file keys of passkeys yet" in err) == (0, True)
    code, out, _ = run("add", "Ada Lovelace")
    key = re.search(r"The passkey of Ada Lovelace, shown only this once: ([0-9a-f]{32})\n", out)[1]
    assert out.endswith(f"/announce/{key}\n")
    assert run("add", "Ada Lovelace")[0] == 2
    code, out, _ = run("list")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d  Ada Lovelace\n1 passkey in keys\n", out) and key not in out

    process = start("-port", "0")
    lines = first_lines(process, 2)
    assert lines[1].endswith("/announce/KEY\n")
    port = port_of(lines)
    assert b"complete" in ask(port, f"/announce/{key}?{ANNOUNCE.partition('?')[2]}")
    assert b"private" in ask(port, f"/{ANNOUNCE}")
    assert run("revoke", key)[1].startswith("The passkey of Ada Lovelace, made 2")
    wait_until(lambda: b"does not know your key" in ask(port, f"/announce/{key}?{ANNOUNCE.partition('?')[2]}"))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert key not in out + err


def test_without_its_keys_a_private_tracker_does_not_start(start, tmp_path):
    (tmp_path / "config.yaml").write_text("tracker:\n  passkey_file: keys\n  port: 0\n")
    process = start()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == "tracker.py: there is no file keys of passkeys yet: tracker.py -passkey add NAME makes it\n"


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
        (["-udp-port", "x"], "-udp-port x: this is not a whole number from 0 to 65535"),
        (["-store", "mysql://host"], "-store must be memory or redis://"),
        (["-passkey", "list"], "-passkey needs the setting passkey_file"),
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
    for flag in [
        "-host H",
        "-port N",
        "-udp-port N",
        "-interval S",
        "-store WHERE",
        "-passkey ACTION",
        "-config FILE",
        "-quiet",
        "-v",
        "-version",
        "-h",
    ]:
        assert f"  {flag} " in text
    assert tracker.main(["-version"]) == 0
    assert capsys.readouterr().out == "GoTorrent 0.1.0\n"


def settings_of(settings=None, **flags):
    given = dict.fromkeys(["host", "port", "udp-port", "store", "interval"]) | flags
    return tracker._settings(settings or tracker.TrackerConfig(), given)


def test_flags_go_before_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = settings_of(interval=600)
    assert (settings.announce_interval, settings.min_interval) == (600, 15)
    settings = settings_of(interval=5, host="::1", port=0, store="redis://localhost", **{"udp-port": 7})
    assert (settings.announce_interval, settings.min_interval) == (5, 5)
    assert (settings.host, settings.port, settings.udp_port, settings.store) == ("::1", 0, 7, "redis://localhost")


def test_where_counts_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert settings_of(port=99).state_file == str(tmp_path / "gotorrent" / "tracker" / "completed-99")
    assert settings_of(port=0).state_file == ""
    for named in ("none", "/var/lib/counts"):
        assert settings_of(tracker.TrackerConfig(state_file=named), port=99).state_file == named

"""The client at work: when it leaves, with which code, and the whole way from a file here to a file there."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gotorrent.cli import share
from gotorrent.cli.output import Output
from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import TrackerConfig
from gotorrent.errors import NoProgressError, PortBusyError, StoppedError, UsageError
from gotorrent.metainfo.create import CreateOptions, create
from gotorrent.session.snapshot import SessionSnapshot, TorrentSnapshot
from tests.cli.snapshots import HandClock, seeding, session, torrent
from tests.waiting import wait_until
from web_ui.client_app import UiServer
from web_ui.tracker_server import TrackerServer

ROOT = Path(__file__).parents[2]
OTHER = "bb" * 20


class FakeClient:
    """A client that shows these snapshots, one after the other; the last one stays. Its command named the torrent aa..."""

    named = ("aa" * 20,)

    def __init__(self, *snapshots: SessionSnapshot) -> None:
        self.snapshots = list(snapshots)

    def snapshot(self) -> SessionSnapshot:
        return self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]

    def of_command(self, snapshot: SessionSnapshot) -> list[TorrentSnapshot]:
        return [each for each in snapshot.torrents if each.info_hash in self.named]


def follow(*snapshots: SessionSnapshot, leave: bool = False, stopped: bool = False, timeout: float | None = None) -> str:
    """Follow these snapshots to the end; what was printed."""
    stop, stream = threading.Event(), io.StringIO()
    if stopped:
        stop.set()
    client: Any = FakeClient(*snapshots)
    share._follow(client, leave, timeout, Output(stream=stream), stop, SYSTEM_CLOCK)
    return stream.getvalue()


def test_with_exit_it_leaves_when_what_was_named_is_complete() -> None:
    other = torrent(info_hash=OTHER)
    text = follow(session(torrent(), other), session(torrent(), other), session(seeding(downloaded=500), other), leave=True)
    assert "complete and verified" in text


def test_an_error_ends_it_with_the_code_of_the_torrent() -> None:
    broken = torrent(state="error", error="disk full", exit_code=5)
    for leave in (False, True):
        with pytest.raises(share.TorrentError, match=r"talk\.pdf: disk full") as caught:
            follow(session(broken), leave=leave)
        assert caught.value.exit_code == 5


def test_an_error_of_one_does_not_stop_the_seeding_of_another() -> None:
    broken = session(torrent(state="error", error="disk full", exit_code=5), seeding(info_hash=OTHER))
    assert not share._is_over(broken.torrents, broken.torrents[:1], leave=False)


def test_a_signal_before_the_end_is_code_7_and_while_seeding_no_error() -> None:
    with pytest.raises(StoppedError, match=r"stopped before talk\.pdf was complete \(50 %\)") as caught:
        follow(session(torrent()), stopped=True)
    assert caught.value.exit_code == 7
    follow(session(seeding()), stopped=True)
    follow(session(torrent(info_hash=OTHER)), stopped=True)  # not what the command named


def test_new_notices_are_printed_once() -> None:
    text = follow(session(torrent()), *[session(torrent(), notices=("a port was lost",))] * 3, session(seeding()), leave=True)
    assert text.count("a port was lost") == 1


class TestPatience:
    def test_it_ends_when_nothing_moves_for_so_long(self) -> None:
        clock = HandClock()
        patience = share._Patience(30, clock)
        for downloaded in range(5):
            clock.now += 29
            patience.check([torrent(downloaded=downloaded)])
        clock.now += 29
        patience.check([torrent(downloaded=4, waiting_for="no seed")])
        clock.now += 1
        with pytest.raises(NoProgressError, match=r"talk\.pdf: no progress for 30 s; no seed") as caught:
            patience.check([torrent(downloaded=4, waiting_for="no seed")])
        assert caught.value.exit_code == 8

    def test_seeding_and_a_missing_limit_wait_for_ever(self) -> None:
        clock = HandClock()
        for limit, snapshot in ((30, seeding()), (None, torrent())):
            patience = share._Patience(limit, clock)
            for _ in range(3):
                clock.now += 1000
                patience.check([snapshot])


class TestWebUi:
    client: Any = FakeClient(session())

    @pytest.fixture(autouse=True)
    def fresh(self, tmp_path: Path) -> None:
        self.client.notices = []
        self.client.session = SimpleNamespace(profile=tmp_path)

    def test_a_busy_default_moves_and_a_busy_flag_is_an_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            with share._web_ui(self.client, True, None, port) as url:
                assert url.startswith("http://localhost:")
                assert not url.endswith(f":{port}")
                moved = url.rpartition(":")[2]
                assert self.client.notices == [f"port {port} was in use, the web UI is on {moved} instead"]
            with share._web_ui(self.client, True, None, port) as url:
                assert url.endswith(f":{moved}")
            with pytest.raises(PortBusyError), share._web_ui(self.client, True, port, 3000):
                pass

    def test_a_port_that_the_system_refuses_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(server: UiServer) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(UiServer, "start", refuse)
        with pytest.raises(UsageError, match="cannot have port 80: Permission denied"), share._web_ui(self.client, True, 80, 3000):
            pass

    def test_without_it_there_is_no_address(self) -> None:
        with share._web_ui(self.client, False, None, 3000) as url:
            assert url == ""


def test_the_web_ui_adds_only_what_is_on_the_web() -> None:
    nowhere: Any = None
    with pytest.raises(UsageError, match="should begin with http"):
        share.Client(nowhere, Path(), []).add_url("/etc/passwd")


def test_signals_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    with share.stop_on_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        wait_until(stop.is_set, 2)
    assert signal.getsignal(signal.SIGINT) is before


# --- as processes ---


@pytest.fixture
def tracker() -> Iterator[str]:
    with TrackerServer(TrackerConfig(host="127.0.0.1", port=0, announce_interval=2, min_interval=1)) as server:
        yield server.urls[0]


class Start:
    """Starts `client.py` in a folder of its own, with the configuration and state of nobody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "xdg"), "XDG_STATE_HOME": str(self.folder / "xdg")}
        command = [sys.executable, str(ROOT / "client.py"), *arguments]
        process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code and what was printed on standard output and error."""
        process = self(*arguments)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begin = Start(tmp_path)
    yield begin
    for process in begin.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints up to the line that has these words."""
    assert process.stdout
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"ended without {words!r}: {text}\n{process.stderr and process.stderr.read()}")


def make_file(folder: Path) -> Path:
    path = folder / "talk.pdf"
    path.write_bytes(os.urandom(300_000))
    return path


def make_folder(folder: Path) -> Path:
    path = folder / "a folder"
    (path / "sub" / "日本語").mkdir(parents=True)
    (path / "empty").touch()
    (path / "one").write_bytes(os.urandom(70_000))
    (path / "sub" / "日本語" / "ü.bin").write_bytes(os.urandom(50_000))
    return path


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in files}


@pytest.mark.parametrize("make", [make_file, make_folder])
def test_from_a_file_here_to_a_file_there(start: Start, tracker: str, tmp_path: Path, make: Any) -> None:
    source = make(tmp_path)
    code, out, err = start.run("-create", source.name, "-tracker", tracker)
    assert (code, err) == (0, "")
    torrent_file = f"{source.name}.torrent"
    seed = start("-torrent", torrent_file, "-no-ui", "-port", "0")
    assert f"found {source.name} beside the torrent, seeding it" in read_until(seed, "seeding, ")
    code, out, err = start.run("-torrent", torrent_file, "-dir", "B", "-exit", "-ui-port", "0", "-port", "0")
    assert (code, err) == (0, "")
    assert out.startswith("GoTorrent ")
    assert "another client uses" in out.splitlines()[0]  # two clients on one account
    assert "complete and verified" in out
    assert content(tmp_path / "B" / source.name) == content(source)
    seed.send_signal(signal.SIGTERM)
    assert seed.wait(5) == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_a_download_with_code_7(start: Start, tracker: str, tmp_path: Path, name: str) -> None:
    data = create(make_file(tmp_path), CreateOptions(trackers=((tracker,),))).data
    (tmp_path / "t.torrent").write_bytes(data)
    process = start("t.torrent", "-no-ui", "-port", "0", "-dir", "B", "-json")
    read_until(process, '"downloading"')
    process.send_signal(getattr(signal, name))
    assert process.wait(5) == 7
    last = json.loads(process.stdout.read().splitlines()[-1])  # type: ignore[union-attr]
    assert last["event"] == "error"
    assert last["exit_code"] == 7
    assert "stopped before talk.pdf was complete (0 %)" in last["message"]


def test_nobody_answers_in_time(start: Start, tmp_path: Path) -> None:
    (tmp_path / "t.torrent").write_bytes(create(make_file(tmp_path), CreateOptions()).data)
    code, out, err = start.run("t.torrent", "-no-ui", "-port", "0", "-dir", "B", "-quiet", "-timeout", "0.5")
    assert (code, out) == (8, "")
    assert err.startswith("client.py: talk.pdf: no progress for 0.5 s; ")


def test_a_file_that_is_something_else_is_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "t.torrent").write_bytes(create(make_file(tmp_path), CreateOptions()).data)
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "talk.pdf").write_bytes(b"y" * 300_000)
    code, _, err = start.run("t.torrent", "-no-ui", "-port", "0", "-dir", "B", "-exit")
    assert code == 5
    assert err.startswith("client.py: talk.pdf: ")
    assert err.count("\n") == 1
    assert (tmp_path / "B" / "talk.pdf").read_bytes() == b"y" * 300_000


def test_a_busy_port_given_by_flag_is_code_2(start: Start, tmp_path: Path) -> None:
    (tmp_path / "t.torrent").write_bytes(create(make_file(tmp_path), CreateOptions()).data)
    with socket.create_server(("0.0.0.0", 0)) as holder:
        port = str(holder.getsockname()[1])
        code, _, err = start.run("t.torrent", "-no-ui", "-port", port)
        assert (code, port in err, err.count("\n")) == (2, True, 1)


def test_create_and_seed_at_once(start: Start, tracker: str, tmp_path: Path) -> None:
    make_file(tmp_path)
    process = start("-create", "talk.pdf", "-tracker", tracker, "-seed", "-no-ui", "-port", "0")
    text = read_until(process, "seeding, ")
    assert "Created talk.pdf.torrent" in text
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0

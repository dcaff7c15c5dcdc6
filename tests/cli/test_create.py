"""`-create`: what it writes, what it says, and that what it says can be typed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from gotorrent.cli import client, create, invocation
from gotorrent.cli.output import Output
from gotorrent.config import ClientConfig
from gotorrent.errors import GoTorrentError, ReadError, UsageError, WriteError
from gotorrent.metainfo import metainfo


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with `talk.pdf` in it, on a machine with one address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(create, "lan_addresses", lambda: ["192.0.2.7"])
    monkeypatch.setattr(invocation, "this_program", lambda: ["python", "client.py"])
    Path("talk.pdf").write_bytes(b"x" * 100_000)
    return tmp_path


def run(*arguments: str, mode: Any = "text") -> str:
    values, _ = client.parse(client._FLAGS, ["-create", *arguments])
    stream = io.StringIO()
    create.run(values, ClientConfig(), Output(mode, stream))
    return stream.getvalue()


def commands(*arguments: str) -> list[str]:
    return list(json.loads(run(*arguments, mode="json"))["commands"])


def test_it_is_written_beside_the_content_with_the_configured_tracker() -> None:
    text = run("talk.pdf")
    torrent = metainfo.load("talk.pdf.torrent")
    assert torrent.trackers == (("http://localhost:8080/announce",),)
    assert f"Created talk.pdf.torrent: 1 file, 97.7 KiB in 7 pieces of 16 KiB\n  info-hash  {torrent.info_hash.hex()}\n" in text
    assert f"magnet:?xt=urn:btih:{torrent.info_hash.hex()}&dn=talk.pdf" in text


def test_all_flags_reach_the_torrent() -> None:
    flags = ["-piece-size", "64K", "-private", "-comment", "c", "-source", "s", "-webseed", "http://w.example/", "-no-date"]
    run("talk.pdf", "-o", "x.torrent", "-tracker", "http://a.example/,http://b.example/", "-tracker", "udp://c.example:1", *flags)
    torrent = metainfo.load("x.torrent")
    assert torrent.trackers == (("http://a.example/", "http://b.example/"), ("udp://c.example:1",))
    assert (torrent.private, torrent.comment, torrent.source, torrent.creation_date) == (True, "c", "s", None)
    assert (torrent.layout.piece_length, torrent.web_seeds) == (65536, ("http://w.example/",))


def test_without_a_date_the_same_content_gives_the_same_file() -> None:
    run("talk.pdf", "-no-date", "-o", "a")
    run("talk.pdf", "-no-date", "-o", "b")
    assert Path("a").read_bytes() == Path("b").read_bytes()


def test_it_ends_with_the_commands_to_type() -> None:
    here = ["python tracker.py", "python client.py -torrent talk.pdf.torrent"]
    assert commands("talk.pdf") == [*here, "python client.py -torrent talk.pdf.torrent"]


def test_a_torrent_elsewhere_needs_the_folder_of_the_content(place: Path) -> None:
    Path("other").mkdir()
    here, there = commands("talk.pdf", "-o", "other/t.torrent", "-tracker", "http://tracker.example/announce")
    assert here == invocation.shown(["python", "client.py", "-torrent", "other/t.torrent", "-dir", str(place)])
    assert there == "python client.py -torrent t.torrent"


def test_without_a_tracker_the_other_side_must_be_told_where_we_are() -> None:
    _, there = commands("talk.pdf", "-tracker", "none")
    assert there == "python client.py -torrent talk.pdf.torrent -peer 192.0.2.7:6881"
    assert metainfo.load("talk.pdf.torrent").trackers == ()


def test_with_seed_the_command_to_share_is_left_out() -> None:
    assert "To share it" not in run("talk.pdf", "-seed")


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://localhost:8080/announce", True),
        ("http://127.0.0.9:8080/announce", True),
        ("http://[::1]:8080/announce", True),
        ("http://0.0.0.0:8080/announce", True),
        ("http://192.0.2.7:8080/announce", False),
        ("http://tracker.example/announce", False),
        ("http://localhost:8080/announce,http://tracker.example/announce", False),
        ("none", False),
    ],
)
def test_a_tracker_that_others_cannot_reach_is_warned_of(url: str, warned: bool) -> None:
    text = run("talk.pdf", "-tracker", url)
    assert ("create it again with -force -tracker http://192.0.2.7:8080/announce" in text) is warned
    assert ("Other machines cannot reach" in text) is warned


def test_a_machine_without_a_network_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "lan_addresses", lambda: [])
    assert "This machine has no network address" in run("talk.pdf")


def test_what_is_left_out_is_said() -> None:
    Path("d").mkdir()
    Path("d/a").write_bytes(b"x")
    Path("d/link").symlink_to("a")
    assert "d/link (a symbolic link)" in run("d/")
    assert Path("d.torrent").exists()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["nowhere"], ReadError, "no such file or folder"),
        (["talk.pdf", "-o", "nowhere/x"], WriteError, "there is no folder nowhere"),
        (["talk.pdf", "-piece-size", "20K"], UsageError, "power of two"),
        (["talk.pdf", "-tracker", "ftp://x"], UsageError, "no tracker URL"),
        (["talk.pdf", "-tracker", "none", "-tracker", "http://a.example/"], UsageError, "contradict"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(
    place: Path, arguments: list[str], kind: type[GoTorrentError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        run(*arguments)
    assert [path.name for path in place.iterdir()] == ["talk.pdf"]


def test_an_existing_file_is_replaced_only_by_force() -> None:
    Path("talk.pdf.torrent").write_text("mine")
    with pytest.raises(WriteError, match="already exists"):
        run("talk.pdf")
    assert Path("talk.pdf.torrent").read_text() == "mine"
    run("talk.pdf", "-force")
    assert metainfo.load("talk.pdf.torrent").name == "talk.pdf"

"""`-show`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gotorrent.cli import show
from gotorrent.cli.output import Output
from gotorrent.metainfo.create import CreateOptions, create

TRACKERS = (("http://a.example/announce", "http://b.example/announce"), ("http://c.example/announce",))


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "b.txt").write_bytes(b"x" * 20_000)
    (tmp_path / "talk" / "a.txt").write_bytes(b"x")
    options = CreateOptions(TRACKERS, private=True, comment="two\nlines", source="club", date=1_700_000_000)
    (tmp_path / "talk.torrent").write_bytes(create(tmp_path / "talk", options).data)
    return str(tmp_path / "talk.torrent")


def shown(text: str, mode: str = "text") -> str:
    stream = io.StringIO()
    show.run(text, Output(mode, stream))  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_torrent_for_people(path: str) -> None:
    lines = [line.split(maxsplit=1) for line in shown(path).splitlines()]
    assert ["name", "talk"] in lines
    assert ["size", "19.5 KiB (20001 bytes)"] in lines
    assert ["private", "yes: peers come only from its trackers (BEP 27)"] in lines
    assert ["trackers", "http://a.example/announce or http://b.example/announce"] in lines
    assert ["http://c.example/announce"] in lines
    assert ["source", "club"] in lines
    assert ["comment", "two"] in lines
    assert ["lines"] in lines
    assert lines[-2:] == [["1", "1 B  talk/a.txt"], ["2", "19.5 KiB  talk/b.txt"]]
    assert "web seeds" not in shown(path)


def test_a_torrent_for_scripts(path: str) -> None:
    values = json.loads(shown(path, "json"))
    assert values["trackers"] == [list(tier) for tier in TRACKERS]
    assert values["creation_date"] == "2023-11-14T22:13:20+00:00"
    assert values["files"] == [{"path": "talk/a.txt", "length": 1}, {"path": "talk/b.txt", "length": 20_000}]
    assert (values["private"], values["size"], len(values["info_hash"])) == (True, 20_001, 40)


def test_a_magnet_link() -> None:
    link = f"magnet:?xt=urn:btih:{'ab' * 20}&dn=talk&tr=http%3A%2F%2Fa.example%2Fannounce&x.pe=[::1]:7"
    values = json.loads(shown(link, "json"))
    assert (values["name"], values["info_hash"], values["peers"]) == ("talk", "ab" * 20, ["[::1]:7"])
    assert "trackers   http://a.example/announce" in shown(link)

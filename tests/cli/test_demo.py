"""`-demo`: the newcomer's first command."""

from __future__ import annotations

import io
import json
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from gotorrent.cli import demo
from gotorrent.cli.output import Output
from gotorrent.config import ClientConfig
from gotorrent.errors import StoppedError, VerificationError
from gotorrent.metainfo.create import CreateOptions, create


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "FILE_SIZE", 4 * 2**20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_both_copies_are_verified_and_nothing_is_left(small: Path) -> None:
    stream = io.StringIO()
    demo.run(ClientConfig(), Output(stream=stream))
    text = stream.getvalue()
    assert "Both downloads are complete" in text
    assert "seed 1     gave download " in text or "seed 2     gave download " in text
    assert text.endswith("Every file of both copies has the SHA-1 of the original: GoTorrent works on this machine.\n")
    assert list(small.iterdir()) == []


def test_for_scripts() -> None:
    stream = io.StringIO()
    demo.run(ClientConfig(), Output("json", stream))
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last["event"] == "demo"
    assert sum(count for _, taker, count in last["given"] if taker == "download 1") <= last["total"] * 2


def test_a_copy_that_differs_is_found(tmp_path: Path) -> None:
    original = demo._make_content(tmp_path / "demo")
    torrent = create(original, CreateOptions()).metainfo
    copy = demo._make_content(tmp_path / "copy")
    demo._compare(torrent, original, copy)
    (copy / "hello.txt").write_bytes(b"Hello from GoTorrent,\n")
    with pytest.raises(VerificationError, match=r"hello\.txt"):
        demo._compare(torrent, original, copy)


def test_stopped_early_it_cleans_up(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    told.set()
    monkeypatch.setattr(demo, "stop_on_signals", lambda: nullcontext(told))
    with pytest.raises(StoppedError):
        demo.run(ClientConfig(), Output("quiet"))
    assert list(small.iterdir()) == []

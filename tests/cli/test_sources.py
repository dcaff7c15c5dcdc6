"""What a person may name, and where its content lies."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gotorrent.cli import sources
from gotorrent.errors import GoTorrentError, MagnetError, MetainfoError, ReadError
from gotorrent.metainfo.create import CreateOptions, create
from gotorrent.metainfo.metainfo import Metainfo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `talk` with a file in a sub-folder and an empty one, and `talk.torrent` beside it."""
    (tmp_path / "talk" / "sub").mkdir(parents=True)
    (tmp_path / "talk" / "sub" / "ü.txt").write_bytes(b"x" * 20_000)
    (tmp_path / "talk" / "empty").touch()
    (tmp_path / "talk.torrent").write_bytes(create(tmp_path / "talk", CreateOptions()).data)
    return tmp_path


@pytest.fixture
def torrent(folder: Path) -> Metainfo:
    return sources.read(str(folder / "talk.torrent"))


def test_content_beside_the_torrent_is_found(folder: Path, torrent: Metainfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for text in ("talk.torrent", str(folder / "talk.torrent")):
        assert sources.locate(text, torrent, None, Path("/down")) == sources.Source(torrent, folder, in_place=True)


def test_a_chosen_folder_comes_first(folder: Path, torrent: Metainfo) -> None:
    assert sources.locate(str(folder / "talk.torrent"), torrent, "b", Path("/down")) == sources.Source(torrent, Path("b"))


@pytest.mark.parametrize("change", ["shorter", "longer", "missing", "a folder"])
def test_content_that_is_not_all_there_in_its_size_is_not_taken(folder: Path, torrent: Metainfo, change: str) -> None:
    path = folder / "talk" / "sub" / "ü.txt"
    if change in ("shorter", "longer"):
        path.write_bytes(b"x" * (19_999 if change == "shorter" else 20_001))
    else:
        path.unlink()
        if change == "a folder":
            path.mkdir()
    source = sources.locate(str(folder / "talk.torrent"), torrent, None, Path("/down"))
    assert source == sources.Source(torrent, Path("/down"))


def test_a_torrent_from_the_web_has_nothing_beside_it(torrent: Metainfo) -> None:
    assert sources.locate("http://localhost/talk.torrent", torrent, None, Path("/down")) == sources.Source(torrent, Path("/down"))


@pytest.mark.parametrize(
    ("text", "kind", "code", "words"),
    [
        ("nowhere.torrent", ReadError, 4, "no such file: nowhere.torrent"),
        ("talk", ReadError, 4, "did you mean talk.torrent?"),
        ("talk/empty", MetainfoError, 3, "the file is empty"),
        ("talk/sub/ü.txt", MetainfoError, 3, "not a torrent"),
        ("magnet:?xt=urn:btih:" + "ab" * 20 + "&dn=x", MagnetError, 3, "comes in a later version: get the .torrent file of x"),
        ("magnet:?dn=x", MagnetError, 3, "no info-hash"),
        ("http://localhost:1/x.torrent", ReadError, 4, "cannot fetch http://localhost:1/x.torrent"),
    ],
)
def test_what_is_no_torrent_is_refused_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[GoTorrentError], code: int, words: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(kind) as caught:
        sources.read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == code


def test_a_torrent_is_read_from_the_web(folder: Path, torrent: Metainfo) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = (folder / "talk.torrent").read_bytes() if self.path == "/talk.torrent" else b"<html>log in</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_port}"
            assert (
                sources.read(f"{base}/talk.torrent") == torrent
                or sources.read(f"{base}/talk.torrent").info_hash == torrent.info_hash
            )
            with pytest.raises(MetainfoError, match=f"{base}/page: this is a web page"):
                sources.read(f"{base}/page")
        finally:
            server.shutdown()
            thread.join()

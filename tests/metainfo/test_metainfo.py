"""The .torrent file: what is read, what is refused, and each limit at the limit and one past it."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import MetainfoError, ReadError
from gotorrent.metainfo import bencode, metainfo
from gotorrent.metainfo.layout import FileEntry
from tests.make_testdata import TESTDATA, TRACKER, torrent


def files_of(**lengths: int) -> list[dict[str, Any]]:
    return [{"length": length, "path": [name]} for name, length in lengths.items()]


def test_single_file() -> None:
    data = torrent({"private": 1, "source": "S"}, comment="hello", **{"created by": "x/1", "creation date": 1_000})
    read = metainfo.parse(data)
    assert (
        dataclasses.replace(read, layout=None)
        == metainfo.Metainfo(  # type: ignore[arg-type]
            info_hash=metainfo.InfoHash(hashlib.sha1(read.info_bytes).digest()),
            name="sample",
            layout=None,  # type: ignore[arg-type]
            pieces=b"p" * 40,
            private=True,
            trackers=((TRACKER,),),
            web_seeds=(),
            source="S",
            comment="hello",
            created_by="x/1",
            creation_date=1_000,
            info_bytes=data[data.index(b"4:infod") + 6 : -1],
            multi_file=False,
        )
    )
    assert read.layout.files == (FileEntry(("sample",), 20_000, 0),)
    assert (read.layout.piece_length, read.layout.piece_count) == (16384, 2)
    assert read.piece_hash(1) == b"p" * 20


def test_a_minimal_torrent_has_defaults() -> None:
    read = metainfo.parse(bencode.encode({"info": {"length": 1, "name": "n", "piece length": 1, "pieces": b"p" * 20}}))
    assert (read.private, read.trackers, read.web_seeds, read.source, read.comment, read.created_by) == (False, (), (), "", "", "")
    assert read.creation_date is None


def test_multi_file_with_pad_empty_and_symbolic_link() -> None:
    entries = [
        *files_of(a=10_000, empty=0),
        {"length": 6384, "path": [".pad", "6384"], "attr": "p"},
        {"path": ["link"], "attr": "l", "symlink path": ["a"]},
        {"length": 1, "path": ["sub", "b"], "attr": "xh"},
        {"length": 6384, "path": [".pad", "6384"], "attr": "p"},
    ]
    read = metainfo.parse(torrent({"files": entries}))
    assert read.multi_file
    assert read.layout.files == (
        FileEntry(("sample", "a"), 10_000, 0),
        FileEntry(("sample", "empty"), 0, 10_000),
        FileEntry(("sample", ".pad", "6384"), 6384, 10_000, pad=True),
        FileEntry(("sample", "sub", "b"), 1, 16384),
        FileEntry(("sample", ".pad", "6384"), 6384, 16385, pad=True),
    )


def test_the_info_hash_is_of_the_bytes_as_they_lie_in_the_file() -> None:
    info = b"d4:name1:n12:piece lengthi1e6:lengthi1e6:pieces20:" + b"p" * 20 + b"e"
    for data in (b"d4:info" + info + b"e", b"d4:info" + info + b"8:announce8:http://ae\n", b"d8:announce0:4:info" + info + b"e"):
        read = metainfo.parse(data)
        assert read.info_bytes == info
        assert read.info_hash == hashlib.sha1(info).digest()


@pytest.mark.parametrize(
    ("top", "tiers"),
    [
        ({"announce": "http://a/x"}, (("http://a/x",),)),
        ({"announce": " udp://a:1 "}, (("udp://a:1",),)),
        ({"announce": ""}, ()),
        ({"announce": 5}, ()),
        ({"announce": "dht://x"}, ()),
        ({"announce-list": [["http://a", "http://b"], ["http://c"]]}, (("http://a", "http://b"), ("http://c",))),
        ({"announce": "http://z", "announce-list": [["http://a"]]}, (("http://a",),)),
        ({"announce": "http://z", "announce-list": []}, (("http://z",),)),
        ({"announce": "http://z", "announce-list": [[], ["nonsense"], 5]}, (("http://z",),)),
        ({"announce": "http://z", "announce-list": 5}, (("http://z",),)),
        ({"announce-list": ["http://a", "http://b"]}, (("http://a",), ("http://b",))),
        ({"announce-list": [["http://a", "http://a"], ["http://a", "http://b"]]}, (("http://a",), ("http://b",))),
    ],
)
def test_trackers(top: dict[str, Any], tiers: tuple[tuple[str, ...], ...]) -> None:
    data = torrent({}, **({"announce": ""} | top))
    assert metainfo.parse(data).trackers == tiers


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("http://a/", ("http://a/",)),
        (["http://a/", "https://b/", "udp://c", "ftp://d", 5, "http://a/"], ("http://a/", "https://b/")),
        ("", ()),
        (5, ()),
        ([], ()),
    ],
)
def test_web_seeds(value: Any, urls: tuple[str, ...]) -> None:
    assert metainfo.parse(torrent({}, **{"url-list": value})).web_seeds == urls


@pytest.mark.parametrize(("value", "private"), [(1, True), (0, False), (2, True), ("1", False), (None, False)])
def test_private(value: Any, private: bool) -> None:
    assert metainfo.parse(torrent({"private": value})).private is private


@pytest.mark.parametrize(
    ("value", "date"), [(0, 0), (metainfo.MAX_DATE, metainfo.MAX_DATE), (metainfo.MAX_DATE + 1, None), (-1, None), ("1", None)]
)
def test_creation_date(value: Any, date: int | None) -> None:
    assert metainfo.parse(torrent({}, **{"creation date": value})).creation_date == date


def test_names_in_other_encodings() -> None:
    info = {"name": b"\xff", "name.utf-8": "名", "files": [{"length": 20_000, "path": [b"\xff"], "path.utf-8": ["文", "件"]}]}
    assert metainfo.parse(torrent(info)).layout.files[0].path == ("名", "文", "件")
    info = {"name": "名".encode("gbk"), "files": [{"length": 20_000, "path": ["文件".encode("gbk")]}]}
    assert metainfo.parse(torrent(info, encoding="GBK")).layout.files[0].path == ("名", "文件")
    assert metainfo.parse(torrent(info)).name == "__"


def test_text_is_made_printable() -> None:
    read = metainfo.parse(
        torrent({"source": b"a\x1b[2J"}, **{"comment": b"a\x07", "comment.utf-8": "é\u202e", "created by": b"\xff"})
    )
    assert (read.source, read.comment, read.created_by) == ("a [2J", "é ", "\ufffd")


def test_values_of_wrong_types_in_optional_keys_are_ignored() -> None:
    junk: Any = {
        "comment": 1,
        "created by": [],
        "creation date": [],
        "encoding": 1,
        "announce": {},
        "announce-list": {},
        "url-list": {},
    }
    read = metainfo.parse(torrent({"source": 1, "private": []}, **junk))
    assert (read.comment, read.created_by, read.source, read.private) == ("", "", "", False)


def test_piece_length_limit() -> None:
    most = metainfo.MAX_PIECE_LENGTH
    assert metainfo.parse(torrent({"piece length": most, "pieces": b"p" * 20})).layout.piece_count == 1
    assert metainfo.parse(torrent({"piece length": 1, "length": 2})).layout.piece_count == 2
    for wrong in (most + 1, 0):
        with pytest.raises(MetainfoError, match=f"this torrent says {wrong}"):
            metainfo.parse(torrent({"piece length": wrong, "pieces": b"p" * 20}))


def test_piece_count_limit() -> None:
    most = metainfo.MAX_PIECES
    assert metainfo.parse(torrent({"piece length": 1, "length": most, "pieces": bytes(20 * most)})).layout.piece_count == most
    with pytest.raises(MetainfoError, match="500001 pieces; we accept 500000"):
        metainfo.parse(torrent({"piece length": 1, "length": most + 1, "pieces": bytes(20 * (most + 1))}))


def test_file_count_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metainfo.MAX_FILES == 200_000
    monkeypatch.setattr(metainfo, "MAX_FILES", 3)
    data = torrent({"files": files_of(a=20_000, b=0, c=0)})
    assert len(metainfo.parse(data).layout.files) == 3
    with pytest.raises(MetainfoError, match="4 files; we accept 3"):
        metainfo.parse(torrent({"files": files_of(a=20_000, b=0, c=0, d=0)}))


def test_torrent_size_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert metainfo.MAX_TORRENT_SIZE == 10 * 1024 * 1024
    data = torrent({})
    path = tmp_path / "a.torrent"
    path.write_bytes(data)
    monkeypatch.setattr(metainfo, "MAX_TORRENT_SIZE", len(data))
    metainfo.load(path)
    monkeypatch.setattr(metainfo, "MAX_TORRENT_SIZE", len(data) - 1)
    for read in (lambda: metainfo.load(path), lambda: metainfo.parse(data)):
        with pytest.raises(MetainfoError, match="too big"):
            read()


def test_tracker_and_web_seed_limits() -> None:
    urls = [f"http://t{number}/" for number in range(metainfo.MAX_TRACKERS + 1)]
    for tiers in ([urls], [[url] for url in urls]):
        read = metainfo.parse(torrent({}, **{"announce-list": tiers, "url-list": urls}))
        assert [url for tier in read.trackers for url in tier] == urls[:-1]
        assert list(read.web_seeds) == urls[: metainfo.MAX_WEB_SEEDS]


def test_200_000_files_are_read_within_seconds() -> None:
    files = [{"length": 1, "path": [b"d%d" % (number // 100), b"f%d" % number]} for number in range(20_000)]
    data = torrent({"files": files})
    before = time.monotonic()
    metainfo.parse(data)
    assert (time.monotonic() - before) * 10 < 20


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b" \r\n", "the file is empty"),
        (b"<html>", "a web page"),
        (b"\xef\xbb\xbf \n<!doctype html>", "a web page"),
        (b"Magnet:?xt=urn:btih:", "a magnet link"),
        (gzip.compress(torrent({})), "compressed with gzip"),
        (b"PK\x03\x04", "begins with 'd'"),
        (b"i1e", "begins with 'd'"),
        (b"de", "no 'info'"),
        (b"d4:infoi1ee", "no 'info'"),
    ],
)
def test_what_people_mistake_for_a_torrent(data: bytes, sentence: str) -> None:
    with pytest.raises(MetainfoError, match=sentence):
        metainfo.parse(data)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReadError, match=r"no such file: .*missing\.torrent"):
        metainfo.load(str(tmp_path / "missing.torrent"))
    with pytest.raises(ReadError, match="is a folder"):
        metainfo.load(tmp_path)
    with pytest.raises(ReadError, match="cannot read"):
        metainfo.load("a\0b")
    with pytest.raises(ReadError, match="cannot read"):
        metainfo.load("x" * 5_000)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReadError, match="no permission to read"):
        metainfo.load(tmp_path / "a")


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, torrent({}))
    os.close(writing)
    try:
        assert metainfo.load(f"/dev/fd/{reading}").name == "sample"
    finally:
        os.close(reading)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.torrent")), ids=lambda path: path.stem)
def test_damaged_samples_are_read_or_refused_but_nothing_else_happens(path: Path) -> None:
    chance = random.Random(path.stem)
    whole = path.read_bytes()
    start = whole.index(b"6:pieces")
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(start + 20) if chance.random() < 0.8 else chance.randrange(len(data))
            data[at] = chance.choice(b"0129deil:-/.\x00\xff")
        with contextlib.suppress(MetainfoError):
            read = metainfo.parse(bytes(data))
            assert sum(file.length for file in read.layout.files) == read.layout.total
            assert len(read.pieces) == 20 * read.layout.piece_count


leaves = st.integers(-2, 2**70) | st.sampled_from([b"", b"a", b"..", b"/", b"p" * 20, b"p" * 40])
shapes = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([b"length", b"path", b"attr"]), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [b"name", b"name.utf-8", b"piece length", b"pieces", b"length", b"files", b"private", b"meta version", b"file tree"]
        ),
        shapes,
    )
)
def test_any_shape_of_info_is_read_or_refused(info: dict[bytes, Any]) -> None:
    with contextlib.suppress(MetainfoError):
        metainfo.parse(bencode.encode({b"info": info}))

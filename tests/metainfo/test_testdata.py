"""What is committed in testdata/: read, compared with its content on disk and with the script that made it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gotorrent.errors import MetainfoError
from gotorrent.metainfo import metainfo
from tests.make_testdata import CONTENT, NEUTRALISED, OURS, REFUSED, TESTDATA

GOOD = sorted(TESTDATA.glob("*.torrent"))
HOSTILE = TESTDATA / "hostile"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_content_beside_a_torrent_is_what_it_describes(path: Path) -> None:
    torrent = metainfo.load(path)
    stream = b""
    for file in torrent.layout.files:
        stream += bytes(file.length) if file.pad else TESTDATA.joinpath(*file.path).read_bytes()
    assert len(stream) == torrent.layout.total
    for piece in range(torrent.layout.piece_count):
        start = torrent.layout.piece_offset(piece)
        content = stream[start : start + torrent.layout.piece_size(piece)]
        assert hashlib.sha1(content).digest() == torrent.piece_hash(piece)


def test_content_is_complete_and_unchanged() -> None:
    assert {name: TESTDATA.joinpath(name).read_bytes() for name in CONTENT} == CONTENT


@pytest.mark.parametrize("name", OURS)
def test_our_torrents_come_out_the_same_again(name: str) -> None:
    assert (TESTDATA / name).read_bytes() == OURS[name]()


def test_every_hostile_file_is_committed_as_the_script_makes_it() -> None:
    expected = {name: data for name, (data, _) in (REFUSED | NEUTRALISED).items()}
    assert {path.stem: path.read_bytes() for path in HOSTILE.iterdir()} == expected


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_file_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(MetainfoError) as caught:
        metainfo.load(HOSTILE / f"{name}.torrent")
    sentence = str(caught.value)
    assert REFUSED[name][1] in sentence
    assert sentence.startswith(str(HOSTILE))
    assert "\n" not in sentence
    assert len(sentence) < 1000


@pytest.mark.parametrize("name", NEUTRALISED)
def test_hostile_names_become_safe_paths(name: str) -> None:
    torrent = metainfo.load(HOSTILE / f"{name}.torrent")
    assert ["/".join(file.path) for file in torrent.layout.files] == NEUTRALISED[name][1]


def test_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in TESTDATA.rglob("*") if path.is_file()) < 1_000_000

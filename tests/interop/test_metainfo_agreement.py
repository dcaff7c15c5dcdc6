"""libtorrent and we read the same in every torrent, whoever made it: info-hash, files, sizes, pieces, trackers."""

from __future__ import annotations

import warnings
from pathlib import Path

import libtorrent
import pytest

from gotorrent.metainfo import metainfo
from gotorrent.metainfo.create import CreateOptions, create
from tests.make_testdata import TESTDATA, by_libtorrent, by_mktorrent, noise

Reading = tuple[str, str, int, list[tuple[str, int, bool]], bytes, bool, list[list[str]]]


def reading_of_libtorrent(path: Path) -> Reading:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        info = libtorrent.torrent_info(str(path))
        files = info.files()
        listed = [
            (files.file_path(index), files.file_size(index), bool(files.file_flags(index) & libtorrent.file_flags_t.flag_pad_file))
            for index in range(files.num_files())
        ]
        tiers: dict[int, list[str]] = {}
        for tracker in info.trackers():
            tiers.setdefault(tracker.tier, []).append(tracker.url)
        hashes = b"".join(info.hash_for_piece(piece) for piece in range(info.num_pieces()))
        return (str(info.info_hashes().v1), info.name(), info.piece_length(), listed, hashes, info.priv(), list(tiers.values()))


def our_reading(path: Path) -> Reading:
    torrent = metainfo.load(path)
    listed = [("/".join(file.path), file.length, file.pad) for file in torrent.layout.files]
    tiers = [list(tier) for tier in torrent.trackers]
    layout = torrent.layout
    return (torrent.info_hash.hex(), torrent.name, layout.piece_length, listed, torrent.pieces, torrent.private, tiers)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.torrent")), ids=lambda path: path.stem)
def test_we_read_each_sample_as_libtorrent_does(path: Path) -> None:
    assert our_reading(path) == reading_of_libtorrent(path)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A folder with what makes torrents differ: an empty file, sub-folders, hidden, long and non-ASCII names."""
    root = tmp_path / "some content"
    for name, size in (("a", 70_000), ("b/empty", 0), ("b/c/日本.bin", 33_333), (".hidden", 1), ("z" * 200, 16384)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(name, size))
    return root


@pytest.mark.parametrize("hybrid", [False, True])
def test_we_read_a_torrent_that_libtorrent_made(content: Path, tmp_path: Path, hybrid: bool) -> None:
    path = tmp_path / "made.torrent"
    path.write_bytes(by_libtorrent(content, hybrid=hybrid))
    assert our_reading(path) == reading_of_libtorrent(path)


@pytest.mark.parametrize("name", [".", "a"])
def test_we_read_a_torrent_that_mktorrent_made(content: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "made.torrent"
    by_mktorrent(content / name, path)
    assert our_reading(path) == reading_of_libtorrent(path)


@pytest.mark.parametrize("name", [".", "a"])
def test_libtorrent_reads_a_torrent_that_we_made(content: Path, tmp_path: Path, name: str) -> None:
    tiers = (("http://a.example/announce", "udp://b.example:80"), ("https://c.example/announce",))
    options = CreateOptions(trackers=tiers, private=True, comment="é", source="S", web_seeds=("http://w.example/",), date=1)
    path = tmp_path / "made.torrent"
    made = create(content / name, options)
    path.write_bytes(made.data)
    assert our_reading(path) == reading_of_libtorrent(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        info = libtorrent.torrent_info(str(path))
        assert info.comment() == "é"
        assert [seed["url"].rstrip("/") for seed in info.web_seeds()] == ["http://w.example"]


def test_piece_hashes_are_those_of_mktorrent(content: Path, tmp_path: Path) -> None:
    by_mktorrent(content / "a", tmp_path / "theirs.torrent")
    ours = create(content / "a", CreateOptions(piece_size=32768)).metainfo
    assert ours.pieces == metainfo.load(tmp_path / "theirs.torrent").pieces

"""Which pieces are on disk, and whose files those are."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import ReadError, WriteError
from gotorrent.metainfo.layout import FileEntry, Layout
from gotorrent.storage import check
from gotorrent.storage.check import FileStat, check_pieces, complete_pieces, inspect, judge, piece_matches
from gotorrent.wire.bitfield import Bitfield
from tests.storage.content import PIECE, content_of, folder, make_bytes, put, single

DATA = make_bytes(5 * PIECE + 100)


def bits(size: int, *indices: int) -> Bitfield:
    field = Bitfield(size)
    for index in indices:
        field.add(index)
    return field


def test_a_piece_matches_its_hash_and_nothing_else() -> None:
    metainfo = single("f", DATA)
    for piece in range(6):
        data = DATA[piece * PIECE : (piece + 1) * PIECE]
        assert piece_matches(metainfo, piece, memoryview(data))
        assert not piece_matches(metainfo, piece, data[:-1])
        assert not piece_matches(metainfo, (piece + 1) % 6, data)


# --- inspect


def test_inspect_tells_size_and_time_and_what_is_missing(tmp_path: Path) -> None:
    metainfo, _ = folder("t", [("a", 5), (".pad/1", 3), ("b", 5), ("c/d", 1)])
    put(tmp_path / "t", {"a": b"123", "b": b""})
    os.utime(tmp_path / "t" / "a", ns=(1, 123_456_789))
    found = inspect(content_of(metainfo, tmp_path))
    assert found[0] == FileStat(3, 123_456_789)
    assert found[1] is None
    assert found[2] is not None
    assert found[2].size == 0
    assert found[3] is None


def test_inspect_names_the_file_that_stands_where_a_folder_must_be(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a").write_bytes(b"x")
    metainfo, _ = folder("t", [("a/b/c/d", 1)])
    with pytest.raises(WriteError, match=rf"^{tmp_path}/t/a is in the way: the torrent needs a folder there"):
        inspect(content_of(metainfo, tmp_path))


def test_inspect_refuses_a_folder_where_a_file_must_be(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(WriteError, match="/f is in the way: it is not a regular file; use another -dir, or move it"):
        inspect(content_of(single("f", b"x"), tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_inspect_refuses_a_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(WriteError, match="is in the way"):
        inspect(content_of(single("f", b"x"), tmp_path))


def test_inspect_calls_a_circle_of_links_unreadable(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to(tmp_path / "f")
    with pytest.raises(ReadError, match=r"cannot read .*/f: Too many levels of symbolic links"):
        inspect(content_of(single("f", b"x"), tmp_path))


# --- complete_pieces


@given(
    st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 50)), st.booleans()), min_size=1, max_size=8),
    st.integers(1, 20),
)
def test_a_piece_is_worth_hashing_when_all_its_bytes_are_there(entries: list[tuple[int, int | None, bool]], length: int) -> None:
    files, found, there = [], [], []
    for number, (size, on_disk, pad) in enumerate(entries):
        files.append(FileEntry((str(number),), size, len(there), pad))
        found.append(None if pad or on_disk is None else FileStat(on_disk, 0))
        there += [pad or (on_disk is not None and byte < on_disk) for byte in range(size)]
    layout = Layout(length, files)
    wanted = [piece for piece in range(layout.piece_count) if all(there[piece * length : (piece + 1) * length])]
    assert complete_pieces(layout, found) == wanted


# --- check_pieces


@pytest.mark.parametrize("threads", [0, 1, 5])
def test_good_pieces_are_found_and_bad_ones_are_not(tmp_path: Path, threads: int) -> None:
    wrong = bytearray(DATA)
    wrong[2 * PIECE + 7] ^= 1
    wrong[-1] ^= 1
    (tmp_path / "f").write_bytes(wrong)
    metainfo, told, lock = single("f", DATA), [], threading.Lock()

    def progress(count: int) -> None:
        with lock:
            told.append(count)

    content = content_of(metainfo, tmp_path)
    assert check_pieces(metainfo, content, range(6), progress, threading.Event(), threads) == [0, 1, 3, 4]
    assert sum(told) == len(DATA)
    assert check_pieces(metainfo, content, [4, 2, 0], progress, threading.Event(), threads) == [0, 4]
    assert check_pieces(metainfo, content, [], progress, threading.Event(), threads) == []
    content.close()


def test_pieces_over_many_files_and_pads(tmp_path: Path) -> None:
    metainfo, parts = folder("t", [("a", 10_000), (".pad/1", 6384), ("b", 5), ("c", 20_000), ("d", 30_000)])
    put(tmp_path / "t", {**parts, "d": b"\0" + parts["d"][1:]})
    content = content_of(metainfo, tmp_path)
    good = check_pieces(metainfo, content, range(metainfo.layout.piece_count), lambda _: None, threading.Event())
    spoilt = (PIECE + 20_005) // PIECE
    assert good == [piece for piece in range(metainfo.layout.piece_count) if piece != spoilt]
    content.close()


def test_a_file_that_vanishes_or_shrinks_does_not_match(tmp_path: Path) -> None:
    metainfo = single("f", DATA)
    content = content_of(metainfo, tmp_path)
    assert check_pieces(metainfo, content, range(6), lambda _: None, threading.Event()) == []
    (tmp_path / "f").write_bytes(DATA[: 2 * PIECE + 5])
    assert check_pieces(metainfo, content, range(6), lambda _: None, threading.Event()) == [0, 1]
    content.close()


def test_it_ends_early_when_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    metainfo, stop, told = single("f", DATA), threading.Event(), []

    def progress(count: int) -> None:
        told.append(count)
        stop.set()

    content = content_of(metainfo, tmp_path)
    assert check_pieces(metainfo, content, range(6), progress, stop, 1) == [0]
    assert len(told) == 1
    content.close()


# --- judge: whose data is it?


def judged(tmp_path: Path, files: dict[str, bytes], have: Bitfield, made: set[int]) -> None:
    metainfo, _ = folder("t", [("a", PIECE), ("b", 2 * PIECE), ("c", 10), ("empty", 0)])
    put(tmp_path / "t", files)
    content = content_of(metainfo, tmp_path)
    judge(metainfo, content, inspect(content), have, made)


def test_files_that_are_missing_or_empty_are_nobodys(tmp_path: Path) -> None:
    judged(tmp_path, {"b": b""}, Bitfield(4), set())


def test_one_good_piece_makes_a_file_ours(tmp_path: Path) -> None:
    judged(tmp_path, {"a": b"x" * PIECE, "b": b"x" * 9}, bits(4, 0, 2), set())


def test_a_file_that_we_made_is_ours_whatever_is_in_it(tmp_path: Path) -> None:
    judged(tmp_path, {"b": b"rubbish"}, Bitfield(4), {1})


def test_a_file_that_matches_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as caught:
        judged(tmp_path, {"b": b"my thesis"}, bits(4, 0), {0, 2})
    assert str(caught.value) == (
        f"{tmp_path}/t/b is there already and matches the torrent nowhere: it may be something else; nothing was written. "
        "Use another -dir, or -force to overwrite it"
    )
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("made", [set(), {1}])
def test_a_longer_file_is_refused_even_when_all_matches(tmp_path: Path, made: set[int]) -> None:
    with pytest.raises(WriteError, match="t/b is 1 bytes longer than in t: it may be something else; nothing was written"):
        judged(tmp_path, {"b": b"x" * (2 * PIECE + 1)}, Bitfield.full(4), made)


def test_what_was_put_where_an_empty_file_belongs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="longer"):
        judged(tmp_path, {"empty": b"x"}, Bitfield.full(4), set())


def test_a_file_that_cannot_be_read_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("gotorrent.storage.files._open_to_read", refuse)
    with pytest.raises(ReadError, match=r"cannot read .*/t/b: Permission denied"):
        judged(tmp_path, {"b": b"x" * 2 * PIECE}, Bitfield(4), set())


def test_hashing_is_done_in_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    metainfo = single("f", DATA)
    monkeypatch.setattr(check, "piece_matches", lambda *_: False)
    content = content_of(metainfo, tmp_path)
    assert check_pieces(metainfo, content, range(6), lambda _: None, threading.Event()) == []
    content.close()

"""What a torrent finds on disk at its start, and what it remembers at its end."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotorrent.errors import GoTorrentError, ReadError, WriteError
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.storage import check, files, preparation, resume
from gotorrent.storage.files import Content, FilePool
from gotorrent.storage.preparation import Preparation
from gotorrent.storage.resume import ResumeFile
from gotorrent.wire.bitfield import Bitfield
from tests.storage.content import PIECE, folder, make_bytes, put, single, tree

DATA = make_bytes(5 * PIECE + 100)
FILE = single("f", DATA)
FOLDER, PARTS = folder("t", [("a", 3 * PIECE), ("sub/b", 2 * PIECE), ("leer", 0), ("sub/é", 100)])


class Disk:
    """A folder and a profile; each `run` is one run of a client there."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.profile = root / "profile"
        self.data.mkdir()
        self.pool = FilePool(4)
        self.progress: list[float] = []

    def prepare(self, metainfo: Metainfo, *, force: bool = False) -> tuple[Preparation, Content]:
        content = Content(metainfo.layout, self.data, self.pool)
        return Preparation(metainfo, content, ResumeFile(self.profile, metainfo, self.data), force=force), content

    def run(self, metainfo: Metainfo, *, force: bool = False, clean: bool | None = None) -> list[int]:
        """The pieces that a start finds; then a stop (`clean`), a crash after a save (False), or none at all (None)."""
        prepare, content = self.prepare(metainfo, force=force)
        try:
            have = prepare.run(threading.Event(), self.progress.append)
            if clean is not None:
                prepare.save(have, clean=clean)
            return list(have)
        finally:
            content.close()

    def state(self) -> dict[str, object]:
        (path,) = (self.profile / "resume").iterdir()
        state = json.loads(path.read_bytes())
        assert isinstance(state, dict)
        return state


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.pool.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pieces that were hashed, in the order of it."""
    seen: list[int] = []
    real = check.piece_matches

    def note(metainfo: Metainfo, piece: int, data: memoryview) -> bool:
        seen.append(piece)
        return real(metainfo, piece, data)

    monkeypatch.setattr(check, "piece_matches", note)
    return seen


# --- whose data


def test_an_empty_folder_gets_nothing_but_its_empty_files(disk: Disk, hashed: list[int]) -> None:
    assert disk.run(FOLDER) == []
    assert tree(disk.data) == {"t/leer": b""}
    assert hashed == []
    assert disk.state()["made"] == [0, 1, 2, 3]
    assert disk.state()["clean"] is False


def test_what_is_complete_is_adopted(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", PARTS)
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert sorted(hashed) == [0, 1, 2, 3, 4, 5]
    assert disk.progress[-1] == 1.0
    assert all(0 < fraction <= 1 for fraction in disk.progress)


def test_good_pieces_are_kept_and_bad_ones_are_missing(disk: Disk) -> None:
    spoilt = bytearray(DATA)
    spoilt[PIECE] ^= 1
    put(disk.data, {"f": bytes(spoilt)})
    assert disk.run(FILE) == [0, 2, 3, 4, 5]
    assert tree(disk.data) == {"f": bytes(spoilt)}
    assert disk.state()["made"] == [], "it was there before us"


def test_the_beginning_of_a_file_is_adopted(disk: Disk) -> None:
    put(disk.data, {"f": DATA[: 2 * PIECE + 5]})
    assert disk.run(FILE) == [0, 1]


@pytest.mark.parametrize("size", [1, 5 * PIECE + 100])
def test_a_foreign_file_is_refused_untouched(disk: Disk, size: int) -> None:
    put(disk.data, {"f": b"x" * size})
    with pytest.raises(WriteError, match="matches the torrent nowhere") as caught:
        disk.run(FILE)
    assert caught.value.exit_code == 5
    assert tree(disk.data) == {"f": b"x" * size}
    assert not disk.profile.exists(), "nothing was decided, so nothing is remembered"


def test_a_foreign_file_in_a_folder_refuses_the_whole(disk: Disk) -> None:
    put(disk.data / "t", {"a": PARTS["a"], "sub/b": b"x" * 2 * PIECE})
    with pytest.raises(WriteError, match="sub/b is there already"):
        disk.run(FOLDER)
    assert tree(disk.data / "t") == {"a": PARTS["a"], "sub/b": b"x" * 2 * PIECE}


def test_a_longer_file_is_refused_though_its_pieces_match(disk: Disk) -> None:
    put(disk.data, {"f": DATA + b"and more"})
    with pytest.raises(WriteError, match="is 8 bytes longer than in f"):
        disk.run(FILE)
    assert tree(disk.data) == {"f": DATA + b"and more"}


def test_force_takes_a_foreign_file(disk: Disk) -> None:
    put(disk.data, {"f": b"x" * 100})
    assert disk.run(FILE, force=True) == []


def test_force_shortens_a_longer_file_and_keeps_its_pieces(disk: Disk) -> None:
    put(disk.data, {"f": DATA + b"and more"})
    assert disk.run(FILE, force=True) == [0, 1, 2, 3, 4, 5]
    assert tree(disk.data) == {"f": DATA}


def test_what_we_made_is_ours_after_a_crash_before_its_first_piece(disk: Disk) -> None:
    assert disk.run(FILE) == []
    put(disk.data, {"f": b"half a pie"})
    assert disk.run(FILE) == []
    put(disk.data, {"f": b"longer " * 20_000})
    with pytest.raises(WriteError, match="longer"):
        disk.run(FILE)


def test_the_manifest_is_saved_before_the_first_file_is_made(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    real, there = files.open_below, []

    def watch(root: Path, parts: tuple[str, ...], *, new: bool = False) -> int:
        there.append((disk.state()["made"], tree(disk.data)))
        return real(root, parts, new=new)

    monkeypatch.setattr(files, "open_below", watch)
    disk.run(FOLDER)
    assert there == [([0, 1, 2, 3], {})]


def test_a_manifest_that_cannot_be_saved_leaves_the_folder_empty(disk: Disk) -> None:
    disk.profile.write_bytes(b"in the way")
    with pytest.raises(WriteError, match="cannot remember the state"):
        disk.run(FOLDER)
    assert tree(disk.data) == {}


def test_two_new_torrents_of_one_name_do_not_share_a_file(disk: Disk) -> None:
    first, first_content = disk.prepare(FILE)
    assert not first.run(threading.Event(), disk.progress.append).count
    second, _ = disk.prepare(single("f", make_bytes(9 * PIECE, "another")), force=True)
    with pytest.raises(WriteError, match="/f belongs to another torrent of this client"):
        second.run(threading.Event(), disk.progress.append)
    first_content.close()


def test_a_file_that_came_after_the_look_is_not_written(disk: Disk) -> None:
    prepare, content = disk.prepare(FILE)
    prepare.run(threading.Event(), disk.progress.append)
    put(disk.data, {"f": b"my thesis"})
    with pytest.raises(WriteError, match="/f: something that is not ours is in the way"):
        content.write(0, memoryview(DATA)[:PIECE])
    assert tree(disk.data) == {"f": b"my thesis"}
    content.close()


@pytest.mark.parametrize("when", ["before the stop", "after the stop"])
def test_a_file_that_we_meant_to_make_and_did_not_is_not_ours_the_next_time(disk: Disk, when: str) -> None:
    prepare, content = disk.prepare(FOLDER)
    have = prepare.run(threading.Event(), disk.progress.append)
    content.write(0, memoryview(PARTS["a"])[:PIECE])
    have.add(0)
    if when == "before the stop":
        put(disk.data / "t", {"sub/b": b"my thesis"})
    prepare.save(have, clean=True)
    content.close()
    assert disk.state()["made"] == [0, 2]
    put(disk.data / "t", {"sub/b": b"my thesis"})
    with pytest.raises(WriteError, match="sub/b is there already"):
        disk.run(FOLDER)


# --- seeding needs no write permission


def refuse_writes(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Make every write below `root` fail as on a read-only disk: permission bits do not hold root back."""

    def refuse(where: Path, parts: tuple[str, ...], *, new: bool = False) -> int:
        raise OSError(30, "Read-only file system", str(where))

    monkeypatch.setattr(files, "open_below", refuse)


def test_complete_content_in_a_read_only_folder_is_seeded(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(disk.data / "t", {name: data for name, data in PARTS.items() if data})
    refuse_writes(monkeypatch, disk.data)
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert "t/leer" not in tree(disk.data)
    assert disk.run(FOLDER, clean=True) == [0, 1, 2, 3, 4, 5]


def test_seeding_writes_no_byte_beside_the_content(disk: Disk) -> None:
    put(disk.data / "t", PARTS)
    before = {path: path.stat().st_mtime_ns for path in disk.data.rglob("*")}
    disk.run(FOLDER, clean=True)
    assert {path: path.stat().st_mtime_ns for path in disk.data.rglob("*")} == before


def test_an_incomplete_download_into_a_read_only_folder_is_a_sentence(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(disk.data / "t", {"a": PARTS["a"]})
    refuse_writes(monkeypatch, disk.data)
    with pytest.raises(WriteError, match=r"cannot write .*/t/leer: Read-only file system; use another -dir"):
        disk.run(FOLDER)


def test_a_file_that_cannot_be_read_is_said(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(disk.data / "t", PARTS)
    real = files._open_to_read

    def refuse(path: Path) -> int:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(files, "_open_to_read", refuse)
    with pytest.raises(ReadError, match=r"cannot read .*/t/sub/b: Permission denied") as caught:
        disk.run(FOLDER)
    assert caught.value.exit_code == 4


# --- what is remembered


def test_after_a_clean_stop_nothing_is_hashed(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", PARTS)
    disk.run(FOLDER, clean=True)
    hashed.clear()
    disk.progress.clear()
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert hashed == []
    assert disk.progress == []


def test_after_a_clean_stop_half_way_the_missing_pieces_are_not_hashed(disk: Disk, hashed: list[int]) -> None:
    disk.run(FILE)
    put(disk.data, {"f": bytes(PIECE) + DATA[PIECE : 2 * PIECE] + bytes(3 * PIECE) + DATA[-100:]})
    assert disk.run(FILE, clean=True) == [1, 5]
    hashed.clear()
    assert disk.run(FILE, clean=True) == [1, 5]
    assert hashed == []


def test_after_a_crash_everything_is_hashed(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", PARTS)
    disk.run(FOLDER, clean=False)
    hashed.clear()
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert sorted(hashed) == [0, 1, 2, 3, 4, 5]


def test_starting_an_incomplete_download_takes_the_clean_mark_away(disk: Disk, hashed: list[int]) -> None:
    put(disk.data, {"f": DATA[: 2 * PIECE]})
    disk.run(FILE, clean=True)
    assert disk.state()["clean"] is True
    disk.run(FILE)
    assert disk.state()["clean"] is False
    hashed.clear()
    assert disk.run(FILE) == [0, 1]
    assert sorted(hashed) == [0, 1]


@pytest.mark.parametrize("change", ["time", "shorter", "gone", "replaced"])
def test_only_the_pieces_of_a_changed_file_are_hashed_again(disk: Disk, hashed: list[int], change: str) -> None:
    put(disk.data / "t", PARTS)
    disk.run(FOLDER, clean=True)
    hashed.clear()
    path, wanted = disk.data / "t" / "sub" / "b", [0, 1, 2, 3, 4, 5]
    if change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "shorter":
        path.write_bytes(PARTS["sub/b"][:-1])
        wanted = [0, 1, 2, 3, 5]
    elif change == "gone":
        path.unlink()
        wanted = [0, 1, 2, 5]
    else:
        path.write_bytes(b"x" + PARTS["sub/b"][1:])
        wanted = [0, 1, 2, 4, 5]
    assert disk.run(FOLDER) == wanted
    assert sorted(hashed) == {"time": [3, 4], "shorter": [3], "gone": [], "replaced": [3, 4]}[change]


def test_a_file_that_came_while_we_were_away_is_hashed(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", {"a": PARTS["a"]})
    assert disk.run(FOLDER, clean=True) == [0, 1, 2]
    hashed.clear()
    put(disk.data / "t", {"sub/b": PARTS["sub/b"]})
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4]
    assert sorted(hashed) == [3, 4]


def test_another_folder_is_looked_at_for_itself(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", PARTS)
    disk.run(FOLDER, clean=True)
    hashed.clear()
    shutil.move(disk.data, disk.data.with_name("moved"))
    disk.data = disk.data.with_name("moved")
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert len(hashed) == 6


def test_a_damaged_state_costs_only_time(disk: Disk, hashed: list[int]) -> None:
    put(disk.data / "t", PARTS)
    disk.run(FOLDER, clean=True)
    (path,) = (disk.profile / "resume").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    hashed.clear()
    assert disk.run(FOLDER) == [0, 1, 2, 3, 4, 5]
    assert len(hashed) == 6


def test_the_state_of_a_newer_version_stops_the_torrent_and_stays(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(disk.data / "t", PARTS)
    with monkeypatch.context() as newer:
        newer.setattr(resume, "VERSION", 2)
        disk.run(FOLDER, clean=True)
    before = disk.state()
    with pytest.raises(ReadError, match="newer GoTorrent"):
        disk.run(FOLDER, clean=True)
    assert disk.state() == before


# --- stopping


def test_a_stop_while_hashing_decides_and_remembers_nothing(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "check_pieces", lambda *args: args[-1].set() or [0])
    put(disk.data, {"f": b"x" * len(DATA)})
    prepare, content = disk.prepare(FILE)
    prepare.run(threading.Event(), disk.progress.append)
    prepare.save(Bitfield(6), clean=True)
    assert not disk.profile.exists()
    content.close()


def test_a_failed_start_remembers_nothing_at_its_end(disk: Disk) -> None:
    put(disk.data, {"f": b"x" * len(DATA)})
    prepare, content = disk.prepare(FILE)
    with pytest.raises(GoTorrentError):
        prepare.run(threading.Event(), disk.progress.append)
    prepare.save(Bitfield(6), clean=True)
    assert not disk.profile.exists()
    content.close()

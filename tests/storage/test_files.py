"""Files on disk: the bounded pool, torrents over several files, and everything that may be in the way."""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotorrent import system
from gotorrent.errors import ReadError, WriteError
from gotorrent.metainfo.layout import FileEntry, Layout
from gotorrent.storage import files
from gotorrent.storage.files import Content, FilePool, open_below, read_error, write_error
from gotorrent.wire.bitfield import Bitfield
from tests.storage.content import content_of, folder, make_bytes, put, single, tree
from tests.waiting import wait_until

THREADS = 16


@pytest.fixture
def pool() -> Iterator[FilePool]:
    pool = FilePool(4)
    yield pool
    pool.close()


@pytest.fixture(params=["native", "portable"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening below a folder with the system's help, and without."""
    if request.param == "portable":
        monkeypatch.setattr(files, "_NOFOLLOW", 0)
        monkeypatch.setattr(system, "PORTABLE", True)


def layout(*sizes: int, piece: int = 16) -> Layout:
    entries, offset = [], 0
    for number, size in enumerate(sizes):
        entries.append(FileEntry(("t", f"f{number}"), size, offset))
        offset += size
    return Layout(piece, entries)


def opened() -> int:
    return len(list(Path("/dev/fd").iterdir()))


# --- the pool


def test_4_slots_and_16_threads_never_mix_two_files(tmp_path: Path) -> None:
    pool, size, count = FilePool(4), 4096, 24
    content = Content(layout(*[size] * count), tmp_path, pool)
    wrong: list[str] = []

    def work(number: int) -> None:
        rng, back = random.Random(number), bytearray(256)
        for _ in range(60):
            index, part = rng.randrange(count), number * 256
            mine = bytes([index, number]) * 128
            offset = index * size + part
            try:
                content.write(offset, memoryview(mine))
                content.read_into(offset, [memoryview(back)])
            except ReadError as error:
                wrong.append(str(error))
            if back != mine:
                wrong.append(f"file {index} part {number}")

    before = opened()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened() - before <= 4
    content.close()
    assert opened() == before
    assert not wrong
    for index in range(count):
        data = (tmp_path / "t" / f"f{index}").read_bytes().ljust(size, b"\0")
        for number in range(THREADS):
            assert data[number * 256 :][:256] in (bytes(256), bytes([index, number]) * 128), (index, number)


def test_a_leased_file_is_never_closed_and_the_oldest_free_one_is(tmp_path: Path, pool: FilePool) -> None:
    with pool.lease(tmp_path, ("kept",), write=True) as kept:
        inode = os.fstat(kept).st_ino
        for number in range(20):
            with pool.lease(tmp_path, (f"f{number}",), write=True) as fd:
                os.write(fd, b"x")
        assert os.fstat(kept).st_ino == inode
    with pool.lease(tmp_path, ("f19",), write=True) as again, pool.lease(tmp_path, ("kept",), write=True) as kept_again:
        assert kept_again == kept, "used later than all that were closed"
        assert again != kept


def test_who_finds_every_slot_leased_waits_for_one(tmp_path: Path, pool: FilePool) -> None:
    got, go = threading.Event(), threading.Event()
    leases = [pool.lease(tmp_path, (f"f{number}",), write=True) for number in range(4)]
    for lease in leases:
        lease.__enter__()

    def wait() -> None:
        go.set()
        with pool.lease(tmp_path, ("f9",), write=True):
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    go.wait(5)
    assert not got.wait(0.05)
    with pool.lease(tmp_path, ("f1",), write=True):
        pass  # what is open already is shared, not waited for
    leases[2].__exit__(None, None, None)
    assert got.wait(5)
    waiting.join()
    for number in (0, 1, 3):
        leases[number].__exit__(None, None, None)


def test_close_waits_for_the_uses_that_run(tmp_path: Path, pool: FilePool) -> None:
    lease = pool.lease(tmp_path, ("f",), write=True)
    fd = lease.__enter__()
    closing = threading.Thread(target=pool.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    os.fstat(fd)
    lease.__exit__(None, None, None)
    closing.join(5)
    assert not closing.is_alive()


def test_closing_one_torrent_leaves_the_files_of_others(tmp_path: Path, pool: FilePool) -> None:
    one, other = Content(layout(5), tmp_path / "a", pool), Content(layout(5), tmp_path / "b", pool)
    one.write(0, memoryview(b"12345"))
    other.write(0, memoryview(b"67890"))
    before = opened()
    one.close()
    assert opened() == before - 1
    one.close()
    one.write(0, memoryview(b"54321"))
    assert tree(tmp_path) == {"a/t/f0": b"54321", "b/t/f0": b"67890"}
    other.close()


def test_a_file_that_cannot_be_opened_takes_no_slot(tmp_path: Path, pool: FilePool) -> None:
    for number in range(10):
        with pytest.raises(FileNotFoundError), pool.lease(tmp_path, (f"{number}",), write=False):
            pass
    with pool.lease(tmp_path, ("f",), write=True):
        pass


# --- offsets


@pytest.mark.usefixtures("both_ways")
def test_every_range_of_a_torrent_of_many_files(tmp_path: Path) -> None:
    wanted = [("a/one", 7), ("empty", 0), (".pad/9", 9), ("b/two", 16), ("three", 1), (".pad/2", 2), ("four", 30)]
    metainfo, parts = folder("t", wanted)
    content = content_of(metainfo, tmp_path)
    whole = b"".join(parts.get(name, bytes(size)) for name, size in wanted)
    content.write(0, memoryview(whole))
    content.create_empty_files()
    assert tree(tmp_path / "t") == parts, "pad files never touch the disk"
    for start in range(len(whole)):
        for end in range(start, len(whole) + 1):
            views = [bytearray((end - start) // 2), bytearray(0), bytearray(end - start - (end - start) // 2)]
            content.read_into(start, [memoryview(view) for view in views])
            assert b"".join(views) == whole[start:end]
    for start in range(0, len(whole), 5):
        content.write(start, memoryview(whole[start : start + 11]))
    assert tree(tmp_path / "t") == parts
    content.close()


def test_writes_of_pieces_in_any_order_make_the_files(tmp_path: Path) -> None:
    metainfo, parts = folder("Übung", [("日本語/音.bin", 40_000), ("🎵", 1), ("leer", 0), ("z", 70_000)])
    content = content_of(metainfo, tmp_path)
    whole = b"".join(parts.values())
    order = list(range(metainfo.layout.piece_count))
    random.Random(1).shuffle(order)
    for piece in order:
        offset = metainfo.layout.piece_offset(piece)
        content.write(offset, memoryview(whole)[offset : offset + metainfo.layout.piece_size(piece)])
    content.create_empty_files()
    content.create_empty_files()
    assert tree(tmp_path / "Übung") == parts
    content.close()


def test_reads_of_what_is_missing_or_too_short_are_sentences(tmp_path: Path) -> None:
    content = content_of(single("f", bytes(100)), tmp_path)
    with pytest.raises(ReadError, match=r"f has vanished: put it back"):
        content.read_into(0, [memoryview(bytearray(10))])
    (tmp_path / "f").write_bytes(bytes(50))
    content.read_into(40, [memoryview(bytearray(10))])
    with pytest.raises(ReadError, match="became shorter"):
        content.read_into(41, [memoryview(bytearray(10))])
    content.close()


def test_cutting_shortens_only_what_is_too_long(tmp_path: Path) -> None:
    metainfo, parts = folder("t", [("long", 10), ("short", 10), ("missing", 10), ("empty", 0)])
    put(tmp_path / "t", {"long": parts["long"] + b"more", "short": b"12345", "empty": b"not empty"})
    content = content_of(metainfo, tmp_path)
    content.cut_to_size()
    content.close()
    assert tree(tmp_path / "t") == {"long": parts["long"], "short": b"12345", "empty": b""}


# --- what may be in the way


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("inside", [True, False], ids=["to a file inside", "to one outside"])
def test_nothing_is_written_through_a_link_to_a_file(tmp_path: Path, inside: bool) -> None:
    target = (tmp_path if inside else tmp_path.parent) / f"target-{tmp_path.name}"
    target.write_bytes(b"precious")
    (tmp_path / "f").symlink_to(target)
    content = content_of(single("f", b"12345678"), tmp_path)
    with pytest.raises(WriteError, match=r"/f: a part of that path is a symbolic link or a file; use another -dir"):
        content.write(0, memoryview(b"evil"))
    content.close()
    assert target.read_bytes() == b"precious"


@pytest.mark.usefixtures("both_ways")
def test_nothing_is_made_through_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to(tmp_path / "new")
    content = content_of(single("f", b"12345678"), tmp_path)
    with pytest.raises(WriteError, match="symbolic link"):
        content.write(0, memoryview(b"evil"))
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("depth", [0, 1])
def test_nothing_is_written_through_a_link_to_a_folder(tmp_path: Path, depth: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    if depth:
        (root / "t").mkdir()
        (root / "t" / "sub").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    else:
        (root / "t").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    metainfo, _ = folder("t", [("sub/f", 8), ("sub/empty", 0)])
    content = content_of(metainfo, root)
    with pytest.raises(WriteError, match="symbolic link"):
        content.write(0, memoryview(b"evil"))
    with pytest.raises(WriteError, match="symbolic link"):
        content.create_empty_files()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.usefixtures("both_ways")
def test_the_download_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    content = content_of(single("f", b"12345678"), tmp_path / "link")
    content.write(0, memoryview(b"12345678"))
    content.close()
    assert (tmp_path / "real" / "f").read_bytes() == b"12345678"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_named_pipe_in_the_way_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    content = content_of(single("f", b"12345678"), tmp_path)
    with pytest.raises(WriteError, match="not a regular file"):
        content.write(0, memoryview(b"data"))
    with pytest.raises(ReadError, match="not a regular file"):
        content.read_into(0, [memoryview(bytearray(4))])
    with pytest.raises(ReadError, match="not a regular file"):
        content.probe(0)


@pytest.mark.usefixtures("both_ways")
def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    content = content_of(single("f", b"12345678"), tmp_path)
    with pytest.raises(WriteError, match=r"cannot write .*/f: Is a directory"):
        content.write(0, memoryview(b"data"))


@pytest.mark.usefixtures("both_ways")
def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"precious")
    metainfo, _ = folder("t", [("f", 8)])
    with pytest.raises(WriteError, match=r"symbolic link or a file|something that is not ours is in the way"):
        content_of(metainfo, tmp_path).write(0, memoryview(b"data"))
    with pytest.raises(WriteError, match=r"symbolic link or a file|something that is not ours is in the way"):
        content_of(metainfo, tmp_path / "t").write(0, memoryview(b"data"))
    assert (tmp_path / "t").read_bytes() == b"precious"


@pytest.mark.usefixtures("both_ways")
def test_failed_opens_leave_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path)
    before = opened()
    for parts in (("a", "b", "c"), ("a", "b"), ("a",)):
        with pytest.raises(OSError):
            open_below(tmp_path, parts)
    assert opened() == before


@pytest.mark.usefixtures("both_ways")
def test_a_file_that_was_absent_must_be_made_by_us(tmp_path: Path, pool: FilePool) -> None:
    content = Content(layout(8, 8), tmp_path, pool)
    content.absent = {file.path for file in content.layout.files}
    put(tmp_path / "t", {"f1": b"precious"})
    content.write(0, memoryview(b"12345678"))
    with pytest.raises(WriteError, match=r"/t/f1: something that is not ours is in the way"):
        content.write(8, memoryview(b"evil"))
    pool.close()
    content.write(4, memoryview(b"8765"))
    assert tree(tmp_path / "t") == {"f0": b"12348765", "f1": b"precious"}


# --- what a refused read or write means


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk that holds /d is full: make room, then start again; nothing verified is lost"),
        (errno.EDQUOT, "cannot write /d/f: Disk quota exceeded"),
        (errno.ELOOP, "symbolic link or a file; use another -dir"),
        (errno.ENOTDIR, "symbolic link or a file; use another -dir"),
        (errno.EEXIST, "cannot write /d/f: something that is not ours is in the way; use another -dir, or move it"),
        (errno.EACCES, "cannot write /d/f: Permission denied; use another -dir, or change who may write there"),
        (errno.EROFS, "cannot write /d/f: Read-only file system; use another -dir"),
        (errno.EFBIG, "cannot write /d/f: File too large"),
    ],
)
def test_what_a_refused_write_means(number: int, words: str) -> None:
    error = write_error(OSError(number, os.strerror(number)), Path("/d/f"))
    assert words in str(error)
    assert error.exit_code == 5


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOENT, "/d/f has vanished"), (errno.EIO, "cannot read /d/f: Input/output error")]
)
def test_what_a_refused_read_means(number: int, words: str) -> None:
    error = read_error(OSError(number, os.strerror(number)), Path("/d/f"))
    assert words in str(error)
    assert error.exit_code == 4


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: object, offset: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(system, "write_all", full)
    content = content_of(single("f", b"12345678"), tmp_path)
    with pytest.raises(WriteError, match="is full: make room"):
        content.write(0, memoryview(b"data"))
    content.close()


# --- two torrents in one place


def test_two_torrents_may_read_the_same_files(tmp_path: Path, pool: FilePool) -> None:
    one, other = Content(layout(40), tmp_path, pool), Content(layout(40, piece=8), tmp_path, pool)
    one.register(Bitfield.full(3))
    other.register(Bitfield.full(5))


@pytest.mark.parametrize("first_writes", [True, False])
def test_two_torrents_may_not_meet_in_a_file_that_one_writes(tmp_path: Path, pool: FilePool, first_writes: bool) -> None:
    one, other = Content(layout(40), tmp_path, pool), Content(layout(40, piece=8), tmp_path / "x" / "..", pool)
    (tmp_path / "x").mkdir()
    one.register(Bitfield(3) if first_writes else Bitfield.full(3))
    with pytest.raises(WriteError, match="belongs to another torrent of this client too: use another -dir"):
        other.register(Bitfield.full(5) if first_writes else Bitfield(5))
    one.close()
    other.register(Bitfield(5))


def test_a_torrent_that_is_complete_meanwhile_writes_no_more(tmp_path: Path, pool: FilePool) -> None:
    one, other = Content(layout(40), tmp_path, pool), Content(layout(40), tmp_path, pool)
    have = Bitfield(3)
    one.register(have)
    for piece in range(3):
        have.add(piece)
    other.register(Bitfield.full(3))


def test_torrents_in_one_folder_with_other_files_do_not_meet(tmp_path: Path, pool: FilePool) -> None:
    def made(*names: str) -> Content:
        entries = [FileEntry(("t", name), 16, 16 * number) for number, name in enumerate(names)]
        return Content(Layout(16, entries), tmp_path, pool)

    made("a", "b").register(Bitfield(2))
    made("c").register(Bitfield(1))
    Content(Layout(16, [FileEntry(("other",), 16, 0)]), tmp_path, pool).register(Bitfield(1))
    half = Bitfield(2)
    half.add(1)
    with pytest.raises(WriteError, match=r"/t/b belongs"):
        made("d", "b").register(half)
    half = Bitfield(2)
    half.add(0)
    with pytest.raises(WriteError, match=r"/t/c belongs"):
        made("e", "c").register(half)


def test_a_use_in_a_thread_that_fails_frees_its_slot(tmp_path: Path, pool: FilePool) -> None:
    with pytest.raises(RuntimeError), pool.lease(tmp_path, ("f",), write=True):
        raise RuntimeError
    pool.close()
    wait_until(lambda: not pool._files, 1)


def test_make_bytes_is_stable() -> None:
    assert make_bytes(4) == make_bytes(4) != make_bytes(4, 1)

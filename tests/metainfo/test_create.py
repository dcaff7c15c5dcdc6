"""Creating torrents: the same bytes for the same input, nothing dropped silently, nothing overwritten, nothing left behind."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from gotorrent.errors import ReadError, UsageError, WriteError
from gotorrent.metainfo import bencode, create, hasher, metainfo
from gotorrent.metainfo.create import CreateOptions, automatic_piece_size, write_torrent
from tests.make_testdata import noise

KIB = 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    for name, size in (("b", 50_000), ("a/z", 20_000), ("a-b", 3), (".hidden", 7), ("a/empty", 0), ("é", 40_000)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(noise(name, size))
    return root


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(noise("data", 100_000))
    made = create.create(path, CreateOptions(trackers=(("http://a/announce",),), date=5))
    assert bencode.decode(made.data) == {
        b"announce": b"http://a/announce",
        b"created by": made.metainfo.created_by.encode(),
        b"creation date": 5,
        b"encoding": b"UTF-8",
        b"info": {
            b"length": 100_000,
            b"name": b"data.bin",
            b"piece length": 16384,
            b"pieces": b"".join(hashlib.sha1(noise("data", 100_000)[at : at + 16384]).digest() for at in range(0, 100_000, 16384)),
        },
    }
    assert made.metainfo.info_hash == metainfo.parse(made.data).info_hash
    assert made.skipped == ()


def test_a_folder_in_the_order_of_path_bytes(folder: Path) -> None:
    made = create.create(folder, CreateOptions())
    assert made.metainfo.multi_file
    listed = [("/".join(file.path), file.length) for file in made.metainfo.layout.files]
    assert listed == [
        ("folder/.hidden", 7),
        ("folder/a-b", 3),
        ("folder/a/empty", 0),
        ("folder/a/z", 20_000),
        ("folder/b", 50_000),
        ("folder/é", 40_000),
    ]
    stream = b"".join(folder.parent.joinpath(name).read_bytes() for name, _ in listed)
    assert made.metainfo.pieces == b"".join(hashlib.sha1(stream[at : at + 16384]).digest() for at in range(0, len(stream), 16384))


def test_all_options(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100_000)
    options = CreateOptions(
        trackers=(("http://a/announce", " udp://b:1 "), ("https://c/announce",)),
        piece_size=32 * KIB,
        private=True,
        comment="Grüße",
        source="S",
        web_seeds=("http://w/",),
        hash_threads=3,
    )
    read = create.create(path, options).metainfo
    assert read.trackers == (("http://a/announce", "udp://b:1"), ("https://c/announce",))
    assert (read.private, read.comment, read.source, read.web_seeds, read.creation_date) == (
        True,
        "Grüße",
        "S",
        ("http://w/",),
        None,
    )
    assert read.layout.piece_length == 32 * KIB


def test_the_same_input_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = create.create(folder, CreateOptions(hash_threads=1)).data
    copy = tmp_path / "copy" / "folder"
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert create.create(copy, CreateOptions(hash_threads=4)).data == first


@pytest.mark.parametrize("piece_size", [16 * KIB, hasher.BUFFER, hasher.BUFFER * 2, hasher.RUN, hasher.RUN * 2])
@pytest.mark.parametrize("total", [1, 3 * 16384, hasher.BUFFER + 1, 2 * hasher.RUN + 12_345])
@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_of_any_size_are_hashed_right(tmp_path: Path, piece_size: int, total: int, threads: int) -> None:
    content = noise("big", total)
    root = tmp_path / "f"
    root.mkdir()
    cut = total // 3
    (root / "a").write_bytes(content[:cut])
    (root / "b").write_bytes(b"")
    (root / "c").write_bytes(content[cut:])
    calls: list[tuple[int, int]] = []
    options = CreateOptions(piece_size=piece_size, hash_threads=threads)
    made = create.create(root, options, lambda done, whole: calls.append((done, whole)))
    assert made.metainfo.pieces == b"".join(
        hashlib.sha1(content[at : at + piece_size]).digest() for at in range(0, total, piece_size)
    )
    assert calls == sorted(calls)
    assert calls[-1] == (total, total)


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (1, 16 * KIB),
        (2000 * 16 * KIB, 16 * KIB),
        (2000 * 16 * KIB + 1, 32 * KIB),
        (1 << 30, 1 << 20),
        (2000 << 24, 1 << 24),
        ((2000 << 24) + 1, 1 << 24),
        (1 << 50, 1 << 24),
    ],
)
def test_automatic_piece_size(total: int, size: int) -> None:
    assert automatic_piece_size(total) == size


def test_automatic_piece_count_is_between_1000_and_2000() -> None:
    for total in range(1001 * 16 * KIB, 1 << 35, 99_999_999):
        assert 1000 <= -(-total // automatic_piece_size(total)) <= 2048


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"piece_size": 8 * KIB}, "power of two"),
        ({"piece_size": 32 << 20}, "power of two"),
        ({"piece_size": 48 * KIB}, "power of two"),
        ({"piece_size": -1}, "power of two"),
        ({"trackers": (("ftp://a",),)}, "'ftp://a' is no tracker URL"),
        ({"trackers": ((), ("localhost",))}, "'localhost' is no tracker URL"),
        ({"web_seeds": ("udp://a",)}, "'udp://a' is no web seed URL"),
    ],
)
def test_options_that_cannot_be(folder: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        create.create(folder, CreateOptions(**options))


@pytest.mark.parametrize("piece_size", [16 * KIB, 16 << 20])
def test_piece_size_limits(folder: Path, piece_size: int) -> None:
    assert create.create(folder, CreateOptions(piece_size=piece_size)).metainfo.layout.piece_length == piece_size


def test_nothing_to_share(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UsageError, match="the file is empty"):
        create.create(tmp_path / "empty", CreateOptions())
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "empty").write_bytes(b"")
    with pytest.raises(UsageError, match="no file with content"):
        create.create(tmp_path / "folder", CreateOptions())
    with pytest.raises(UsageError, match="has no name"):
        create.create(Path("/"), CreateOptions())
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        create.create(Path("/dev/null"), CreateOptions())
    with pytest.raises(ReadError, match=r"no such file or folder: .*missing"):
        create.create(tmp_path / "missing", CreateOptions())


def test_the_name_of_the_current_and_the_parent_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert create.create(Path(), CreateOptions()).metainfo.name == "folder"
    monkeypatch.chdir(folder / "a")
    assert create.create(Path(".."), CreateOptions()).metainfo.name == "folder"


def test_links_and_special_files_are_skipped_with_a_word(folder: Path, tmp_path: Path) -> None:
    expected = create.create(folder, CreateOptions()).data
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
        made = create.create(folder, CreateOptions())
    assert made.data == expected
    special = "not a file: a socket, pipe or device"
    assert [(str(path.relative_to(folder)), why) for path, why in made.skipped] == [
        ("a/loop", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("link", "a symbolic link"),
        ("pipe", special),
        ("socket", special),
    ]


def test_a_link_that_was_named_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    made = create.create(tmp_path / "alias", CreateOptions()).metainfo
    assert made.name == "alias"
    assert made.pieces == create.create(folder, CreateOptions()).metainfo.pieces


def test_an_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("a-b") and real(path, mode))
    with pytest.raises(ReadError, match=r"no permission to read .*folder/a-b"):
        create.create(folder, CreateOptions())


def test_an_unreadable_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ReadError, match=r"cannot read .*folder/a: Permission denied"):
        create.create(folder, CreateOptions())


def test_a_file_that_vanishes_or_fails_while_it_is_hashed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = create._check_names
    monkeypatch.setattr(create, "_check_names", lambda *arguments: (real(*arguments), (folder / "b").unlink()))
    with pytest.raises(ReadError, match=r"cannot read .*folder/b: No such file"):
        create.create(folder, CreateOptions())


@pytest.mark.parametrize("size", [49_999, 50_001, 50_000])
def test_a_file_that_changes_while_it_is_hashed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    def change(*_: object) -> None:
        (folder / "b").write_bytes(b"y" * size)
        os.utime(folder / "b", (1, 1))

    monkeypatch.setattr(create, "_check_names", change)
    with pytest.raises(ReadError, match=r"folder/b has (changed|become shorter)"):
        create.create(folder, CreateOptions())


@pytest.mark.parametrize(
    "name", ["back\\slash", "new\nline", "right\u202eleft", b"\xff".decode(errors="surrogateescape"), "zero\u200bwidth"]
)
def test_names_that_readers_would_change_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="rename it") as caught:
        create.create(folder, CreateOptions())
    str(caught.value).encode()


def test_names_that_some_system_takes_for_one_are_refused(folder: Path) -> None:
    (folder / "B").write_bytes(b"x")
    with pytest.raises(UsageError, match="two files"):
        create.create(folder, CreateOptions())


def test_too_many_files_or_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "MAX_PIECES", 7)
    create.create(folder, CreateOptions())
    monkeypatch.setattr(create, "MAX_PIECES", 6)
    with pytest.raises(UsageError, match="7 pieces are too many"):
        create.create(folder, CreateOptions())
    monkeypatch.setattr(create, "MAX_PIECES", 500_000)
    monkeypatch.setattr(create, "MAX_FILES", 6)
    create.create(folder, CreateOptions())
    monkeypatch.setattr(create, "MAX_FILES", 5)
    with pytest.raises(UsageError, match="more than 5 files"):
        create.create(folder, CreateOptions())


def test_an_interrupt_stops_the_threads_before_they_are_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    hashed: list[int] = []
    real = hasher._Hasher._hash_run
    monkeypatch.setattr(hasher._Hasher, "_hash_run", lambda self, first, *rest: (hashed.append(first), real(self, first, *rest)))
    monkeypatch.setattr(hasher, "PROGRESS_INTERVAL", 0.001)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create.create(path, CreateOptions(hash_threads=2), interrupt)
    assert len(hashed) < (1 << 30) // hasher.RUN // 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hash-")]


def test_progress_counts_every_byte_once(folder: Path) -> None:
    made = create.create(folder, CreateOptions())
    layout = made.metainfo.layout
    work = hasher._Hasher(layout, [str(folder.parent.joinpath(*file.path)) for file in layout.files])
    work.pieces_per_run = 2
    work.work()
    assert work.done == layout.total
    assert bytes(work.digests) == made.metainfo.pieces


def test_written_whole_with_ordinary_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a.torrent"
    write_torrent(b"data", target)
    assert target.read_bytes() == b"data"
    (tmp_path / "plain").write_bytes(b"")
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.torrent", "plain"]


def test_an_existing_file_is_replaced_only_with_force(tmp_path: Path) -> None:
    target = tmp_path / "a.torrent"
    target.write_bytes(b"old")
    for attempt in (create.check_target, lambda path: write_torrent(b"new", path)):
        with pytest.raises(WriteError, match="already exists"):
            attempt(target)
    assert target.read_bytes() == b"old"
    write_torrent(b"new", target, force=True)
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_at_the_last_moment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    target = tmp_path / "a.torrent"
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    monkeypatch.setattr(create, "check_target", lambda path, force: target.write_bytes(b"other"))
    with pytest.raises(WriteError, match="already exists"):
        write_torrent(b"ours", target)
    assert target.read_bytes() == b"other"
    assert list(tmp_path.iterdir()) == [target]


def _no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", _no_links)
    target = tmp_path / "a.torrent"
    write_torrent(b"data", target)
    assert target.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [target]
    monkeypatch.setattr(Path, "replace", _no_links)
    with pytest.raises(WriteError, match="Operation not permitted"):
        write_torrent(b"data", tmp_path / "b.torrent")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_stopped_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_by: BaseException) -> None:
    def stop(_: int) -> None:
        raise stopped_by

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises((KeyboardInterrupt, WriteError)) as caught:
        write_torrent(b"data", tmp_path / "a.torrent")
    assert isinstance(caught.value, KeyboardInterrupt) or "No space left" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="is a folder"):
        write_torrent(b"", tmp_path, force=True)
    with pytest.raises(WriteError, match="there is no folder"):
        write_torrent(b"", tmp_path / "missing" / "a.torrent")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(WriteError, match="already exists"):
        write_torrent(b"", tmp_path / "dangling")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(WriteError, match="no permission to write into"):
        write_torrent(b"", tmp_path / "a.torrent")

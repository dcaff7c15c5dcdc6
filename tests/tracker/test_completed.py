from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import ReadError, WriteError
from gotorrent.tracker import completed
from gotorrent.tracker.completed import HEAD, read_completed, write_completed

ONE = b"\x00\n " + bytes(range(17))
LINE = ONE.hex().encode() + b" 7\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "completed"


def test_no_file_is_no_count(path):
    assert read_completed(path) == {}


@given(counts=st.dictionaries(st.binary(min_size=20, max_size=20), st.integers(0, 10**15 - 1), max_size=9))
def test_what_is_written_is_read_back(tmp_path_factory, counts):
    path = tmp_path_factory.mktemp("state") / "completed"
    write_completed(path, counts)
    assert read_completed(path) == counts


def test_it_is_for_its_owner(path):
    write_completed(path, {ONE: 7})
    assert path.read_bytes() == HEAD + b"\n" + LINE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is no tracker's state"),
        (b"gotorrent tracker, completed downloads, version 2\n", "newer version"),
        (HEAD + b"x\n", "newer version"),
        (HEAD + b"\n" + LINE + LINE[:-1], "line 3 is damaged"),
        (HEAD + b"\n" + LINE[:20], "line 2 is damaged"),
        (HEAD + b"\n" + LINE.replace(b"7", b"-7"), "line 2 is damaged"),
        (HEAD + b"\n" + LINE.replace(b"7", b"7" * 16), "line 2 is damaged"),
        (HEAD + b"\n" + b"g" * 40 + b" 1\n", "line 2 is damaged"),
        (HEAD + b"\n\n", "line 2 is damaged"),
        (b"\x00" * 5000, "is no tracker's state"),
    ],
)
def test_a_damaged_one_is_refused_and_left_alone(path, text, words):
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(ReadError, match=words):
        read_completed(path)
    assert path.read_bytes() == text


def test_a_giant_one_is_refused(path, monkeypatch):
    write_completed(path, {ONE: 7})
    monkeypatch.setattr(completed, "MAX_FILE", path.stat().st_size)
    assert read_completed(path) == {ONE: 7}
    monkeypatch.setattr(completed, "MAX_FILE", path.stat().st_size - 1)
    with pytest.raises(ReadError, match="longer than"):
        read_completed(path)


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(ReadError, match="cannot read"):
        read_completed(tmp_path)
    with pytest.raises(WriteError, match="cannot write"):
        write_completed(tmp_path, {})


def test_a_full_disk_leaves_the_old_one(path, monkeypatch):
    write_completed(path, {ONE: 7})

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left"):
        write_completed(path, {ONE: 8})
    assert read_completed(path) == {ONE: 7}
    assert [entry.name for entry in path.parent.iterdir()] == ["completed"]

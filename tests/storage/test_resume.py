"""What is remembered between two runs, and what of it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gotorrent.errors import ReadError, WriteError
from gotorrent.storage import resume
from gotorrent.storage.check import FileStat
from gotorrent.storage.resume import ResumeFile, ResumeState
from gotorrent.wire.bitfield import Bitfield
from tests.storage.content import folder, single

METAINFO, _ = folder("t", [("a", 100_000), ("b", 5), ("c", 60_000)])


def state() -> ResumeState:
    have = Bitfield(METAINFO.layout.piece_count)
    have.add(0)
    have.add(9)
    return ResumeState(have, [FileStat(100_000, 1_700_000_000_123_456_789), None, FileStat(7, 0)], {1, 2}, True, 10, 2**60)


@pytest.fixture
def file(tmp_path: Path) -> ResumeFile:
    return ResumeFile(tmp_path / "profile", METAINFO, tmp_path / "data")


def rewrite(file: ResumeFile, **changes: Any) -> None:
    """Save a good state, then change some of its keys; None removes one."""
    file.save(state())
    data = {**json.loads(file.path.read_bytes()), **changes}
    file.path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def test_nothing_is_remembered_of_a_new_torrent(file: ResumeFile) -> None:
    assert file.load() is None
    assert not file.path.parent.exists(), "looking makes nothing"


def test_what_is_saved_is_loaded(file: ResumeFile) -> None:
    file.save(state())
    found = file.load()
    assert found is not None
    assert list(found.have) == [0, 9]
    assert (found.files, found.made, found.clean) == (state().files, {1, 2}, True)
    assert (found.uploaded, found.downloaded) == (10, 2**60)
    assert found.have.count == 2


def test_only_its_owner_may_read_it(file: ResumeFile) -> None:
    file.save(state())
    assert file.path.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name], "no temporary file is left"


def test_another_folder_and_another_torrent_have_states_of_their_own(tmp_path: Path, file: ResumeFile) -> None:
    file.save(state())
    assert ResumeFile(tmp_path / "profile", METAINFO, tmp_path / "other").load() is None
    assert ResumeFile(tmp_path / "profile", single("x", b"x"), tmp_path / "data").load() is None
    assert ResumeFile(tmp_path / "profile", METAINFO, tmp_path / "other" / ".." / "data").load() is not None
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert ResumeFile(tmp_path / "profile", METAINFO, tmp_path / "link").load() is not None


def test_a_newer_version_is_refused_untouched(file: ResumeFile) -> None:
    rewrite(file, version=resume.VERSION + 1, have={"new": "format"})
    before = file.path.read_bytes(), file.path.stat().st_mtime_ns
    with pytest.raises(ReadError, match=r"\.json was written by a newer GoTorrent: use that one, or another -profile"):
        file.load()
    assert (file.path.read_bytes(), file.path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"null", b"[]", b"3", b'"x"', b"{}", b"\xff\xfe", b"\0" * 100, b"[" * 100_000, b'{"version": 1}', b"9" * 5000,
    ],
)  # fmt: skip
def test_what_is_not_a_state_counts_as_none(file: ResumeFile, raw: bytes) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(raw)
    assert file.load() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"have": "AAAA"}, {"have": "!!"}, {"have": 5}, {"have": "äöü"}, {"have": None}, {"have": "gA=="}, {"have": "//8="},
        {"files": []}, {"files": [None] * 4}, {"files": 3}, {"files": [[], None, None]}, {"files": [[1], None, None]},
        {"files": [["x", 1], None, None]}, {"files": [[1e999, 1], None, None]}, {"files": [{"a": 1}, None, None]},
        {"files": None}, {"made": 7}, {"made": None}, {"uploaded": "much"}, {"downloaded": float("inf")},
        {"uploaded": float("nan")}, {"info_hash": "00" * 20}, {"info_hash": None}, {"clean": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_state_counts_as_none(file: ResumeFile, changes: dict[str, Any]) -> None:
    assert METAINFO.layout.piece_count == 10  # so that "//8=" has its 6 spare bits set, and "AAAA" is a byte too long
    rewrite(file, **changes)
    assert file.load() is None


def test_numbers_of_files_that_do_not_exist_are_dropped(file: ResumeFile) -> None:
    rewrite(file, made=[-1, 0, 3, 2**70, "x", None, [1], 2])
    found = file.load()
    assert found is not None
    assert found.made == {0, 2}


@pytest.mark.parametrize("clean", ["yes", 1, [True]])
def test_only_true_is_clean(file: ResumeFile, clean: Any) -> None:
    rewrite(file, clean=clean)
    found = file.load()
    assert found is not None
    assert not found.clean


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["have", "files", "made", "clean", "uploaded", "info_hash", "version"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
)
def test_any_value_anywhere_is_a_state_or_none(file: ResumeFile, key: str, value: Any) -> None:
    rewrite(file, **{key: value})
    try:
        found = file.load()
    except ReadError:
        assert key == "version"
        return
    if found is not None:
        assert all(0 <= piece < 10 for piece in found.have)
        assert len(found.files) == 3


def test_a_huge_file_is_not_read(file: ResumeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.save(state())
    size = file.path.stat().st_size
    monkeypatch.setattr(resume, "MAX_STATE_SIZE", size)
    assert file.load() is not None
    monkeypatch.setattr(resume, "MAX_STATE_SIZE", size - 1)
    assert file.load() is None


def test_a_profile_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "profile").write_bytes(b"a file, not a folder")
    file = ResumeFile(tmp_path / "profile", METAINFO, tmp_path)
    assert file.load() is None
    with pytest.raises(WriteError, match=r"cannot remember the state of this torrent in .*: Not a directory"):
        file.save(state())

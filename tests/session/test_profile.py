"""The folder of one client, and who may use it."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gotorrent.errors import UsageError, WriteError
from gotorrent.session import profile
from gotorrent.session.profile import default_profile, open_profile

HOLD = """
import sys
from pathlib import Path
from gotorrent.session.profile import open_profile
with open_profile(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds `folder` until the end of the block."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profile, "default_profile", lambda: tmp_path / "usual")
    return tmp_path / "usual"


def test_the_usual_folder_is_made_for_its_owner_alone(home: Path) -> None:
    with open_profile() as opened:
        assert (opened.path, opened.notice) == (home, "")
        assert home.stat().st_mode & 0o077 == 0


def test_a_folder_that_was_named_is_used(tmp_path: Path, home: Path) -> None:
    with open_profile(tmp_path / "deep" / "mine") as opened:
        assert opened.path == tmp_path / "deep" / "mine"
    assert not home.exists()


def test_a_named_folder_that_another_process_uses_is_refused(tmp_path: Path) -> None:
    with other_process(tmp_path / "p"):
        words = r"/p is in use by another client: stop that one, or use another -profile"
        with pytest.raises(UsageError, match=words), open_profile(tmp_path / "p"):
            pytest.fail("two clients in one profile")
        with open_profile(tmp_path / "q"):
            pass


def test_a_second_client_in_the_usual_folder_runs_beside_the_first_and_says_so(home: Path) -> None:
    with other_process(home):
        with open_profile() as opened:
            assert opened.path not in (home, *home.parents)
            assert opened.path.is_dir()
            assert opened.path.stat().st_mode & 0o077 == 0
            assert opened.notice == f"another client uses {home}: this one runs beside it, and forgets its state when it ends"
            (opened.path / "resume").mkdir()
        assert not opened.path.exists()


def test_the_lock_goes_with_its_process_however_it_ends(tmp_path: Path) -> None:
    with other_process(tmp_path / "p") as process:
        process.kill()
        process.wait()
        with open_profile(tmp_path / "p"):
            pass


def test_the_lock_ends_with_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError), open_profile(tmp_path / "p"):
            raise RuntimeError


def test_two_in_one_process_are_two_as_well(tmp_path: Path) -> None:
    with open_profile(tmp_path / "p"), pytest.raises(UsageError), open_profile(tmp_path / "p"):
        pass


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        words = r"cannot use the folder .*file.* for the client's state: .*; use -profile"
        with pytest.raises(WriteError, match=words) as caught, open_profile(path):
            pytest.fail("a profile below a file")
        assert caught.value.exit_code == 5


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl")
def test_a_file_system_without_locks_is_not_another_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    words = "No locks available; use -profile with a folder on a local disk"
    with pytest.raises(WriteError, match=words), open_profile(tmp_path / "p"):
        pytest.fail("a profile without a lock")


@pytest.mark.parametrize(
    ("platform", "variable", "wanted"),
    [
        ("linux", None, ".local/state/gotorrent"),
        ("linux", "XDG_STATE_HOME", "elsewhere/gotorrent"),
        ("darwin", None, "Library/Application Support/GoTorrent"),
        ("win32", None, "AppData/Local/GoTorrent"),
        ("win32", "LOCALAPPDATA", "elsewhere/GoTorrent"),
    ],
)
def test_the_usual_folder_of_each_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, wanted: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert default_profile() == tmp_path / wanted

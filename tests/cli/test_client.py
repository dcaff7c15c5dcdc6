"""The command `client.py`: its flags, what it refuses, its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gotorrent import __version__
from gotorrent.cli import client

ROOT = Path(__file__).parents[2]
HEAVY = {"requests", "tqdm", "waitress", "flask", "yaml", "gotorrent.session.session"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "value"),
    [("16384", 16384), ("256K", 262_144), ("1M", 1_048_576), ("1m", 1_048_576), ("2MiB", 2_097_152), ("1kb", 1024)],
)
def test_sizes(text: str, value: int) -> None:
    assert client._size(text) == value


@pytest.mark.parametrize("text", ["", "K", "1.5M", "-1", "1T", "1KM", "٣"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        client._size(text)


def test_addresses() -> None:
    assert client._address("peer.example:6881") == ("peer.example", 6881)
    assert client._address("[::1]:6881") == ("::1", 6881)


@pytest.mark.parametrize("text", ["peer", ":1", "peer:", "peer:0", "peer:65536", "::1:6881", "[]:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"this is not|0 is no port"):
        client._address(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-create", "a", "-show", "b"], "-create and -show are two tasks"),
        (["-demo", "a.torrent"], "-demo and a torrent are two tasks"),
        (["-create", "a", "b.torrent"], "two tasks"),
        (["-json", "-quiet", "a"], "contradict"),
        (["-piece-size", "1M", "a.torrent"], "-piece-size is about making a torrent: it goes with -create PATH"),
        (["-seed"], "it goes with -create PATH"),
        (["-exit"], "-exit needs a torrent"),
        (["-dir", "d"], "-dir needs a torrent"),
        (["-port", "70000"], "-port 70000: this is not a whole number from 0 to 65535"),
        (["-seed-ratio", "2"], "there is no flag -seed-ratio"),
        (["-config", "nowhere.yaml", "a.torrent"], "there is no configuration file nowhere.yaml"),
    ],
)
def test_usage_errors_end_with_code_2_and_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert client.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("client.py: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_a_broken_configuration_is_named_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text("client:\n  peer_port: many\n", encoding="utf-8")
    assert client.main(["-show", "x.torrent"]) == 2
    assert "config.yaml line 2: client.peer_port must be a whole number" in capsys.readouterr().err


def test_bad_sources_end_with_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("page.torrent").write_bytes(b"<html>")
    assert client.main(["nowhere.torrent", "-no-ui"]) == 4
    assert client.main(["page.torrent", "-no-ui"]) == 3
    assert client.main(["-show", "magnet:?xt=urn:btih:1"]) == 3
    assert client.main(["-create", "nowhere"]) == 4
    assert capsys.readouterr().err.count("\n") == 4


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert client.main(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(f"  -{flag.name}" in text for flag in client._FLAGS)
    assert client.main(["--version"]) == 0
    assert capsys.readouterr().out == f"GoTorrent {__version__}\n"


@pytest.mark.parametrize("arguments", [["-h"], ["-zzz"], ["-version"]])
def test_a_bare_command_pays_for_no_heavy_package(arguments: list[str]) -> None:
    code = f"import sys; from gotorrent.cli import client; client.main({arguments}); sys.exit(','.join({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert not any(name in done.stderr for name in HEAVY)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} client.py -h | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert "Traceback" not in done.stderr

"""Hostile names: whatever comes in, what goes out stays inside the folder and fits on a disk."""

from __future__ import annotations

import random
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent.errors import MetainfoError
from gotorrent.metainfo import paths

hostile_characters = list("./\\: \x00\x1b\n\x7f\u202e\u200b\ufeff\u200dCONcon1a€日\U0001f389<>|?*\"'$~-")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plain.txt", "plain.txt"),
        ("..hidden", "..hidden"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("", ""),
        (".", ""),
        ("/", "_"),
        ("/etc/passwd", "_etc_passwd"),
        ("../../evil", ".._.._evil"),
        ("..\\..\\evil", ".._.._evil"),
        ("C:\\Windows", "C:_Windows"),
        ("a\x00b", "a_b"),
        ("a\x1b[31mb\r\n", "a_[31mb__"),
        ("a\x7f\x9bb", "a__b"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\u200b\u2060\ufeffb\u2028c", "ab_c"),
        ("\ud800", "_"),
        ("bad\ufffd", "bad_"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u0301", "e\u0301"),
        ("AUX", "AUX"),
        ("end. ", "end. "),
        ("what?*", "what?*"),
    ],
)
def test_names_on_posix(name: str, safe: str) -> None:
    assert paths.safe_part(name, windows=False) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plain.txt", "plain.txt"),
        ("C:\\Windows", "C__Windows"),
        ("stream:name", "stream_name"),
        ('<>:"|?*', "_______"),
        ("end. . ", "end"),
        ("...", ""),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Lpt1", "_Lpt1"),
        ("com¹.log", "_com¹.log"),
        ("con .txt", "_con .txt"),
        ("AUX. ", "_AUX"),
        ("CONIN$", "_CONIN$"),
        ("console", "console"),
        ("com10", "com10"),
    ],
)
def test_names_on_windows(name: str, safe: str) -> None:
    assert paths.safe_part(name, windows=True) == safe


@pytest.mark.parametrize("name", ["..", ".\u202e.", "\ufeff..", "..\u2066"])
@pytest.mark.parametrize("windows", [True, False])
def test_names_that_climb_are_refused(name: str, windows: bool) -> None:
    with pytest.raises(MetainfoError, match="leads out"):
        paths.safe_path(["a", name, "b"], windows=windows)


@pytest.mark.parametrize("windows", [True, False])
def test_no_random_name_escapes_or_is_too_long(windows: bool) -> None:
    chance = random.Random(3)
    for _ in range(20_000):
        name = "".join(chance.choices(hostile_characters, k=chance.randrange(12))) * chance.choice([1, 1, 1, 60])
        try:
            safe = paths.safe_part(name, windows=windows)
        except MetainfoError:
            continue
        assert safe not in (".", "..")
        assert Path(safe).name == safe or not safe
        assert not set(safe) & set("/\\\x00\x1b\n\x7f\u202e\u200b\ufeff")
        assert len(safe.encode()) <= paths.MAX_PART
        assert paths.safe_part(safe, windows=windows) == safe
        if windows:
            assert not safe.endswith((".", " "))
            assert not set(safe) & set('<>:"|?*')


@given(st.text(max_size=300), st.booleans())
def test_any_text_becomes_a_safe_name_or_is_refused(name: str, windows: bool) -> None:
    try:
        safe = paths.safe_part(name, windows=windows)
    except MetainfoError:
        return
    assert len(safe.encode()) <= paths.MAX_PART
    assert "/" not in safe
    assert paths.safe_part(safe, windows=windows) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 255),
        ("x" * 300 + ".torrent", "x" * 247 + ".torrent"),
        ("日" * 85, "日" * 85),
        ("日" * 86, "日" * 85),
        ("日" * 100 + ".日本", "日" * 82 + ".日本"),
        ("." + "x" * 300, "." + "x" * 254),
        ("a." + "x" * 300, "a." + "x" * 253),
    ],
)
def test_long_names_are_cut_to_255_bytes_and_keep_their_extension(name: str, safe: str) -> None:
    assert paths.safe_part(name, windows=False) == safe


def test_path_depth_limit() -> None:
    assert len(paths.safe_path(["d"] * paths.MAX_DEPTH)) == paths.MAX_DEPTH
    with pytest.raises(MetainfoError, match="101 folders deep"):
        paths.safe_path(["d"] * (paths.MAX_DEPTH + 1))


@pytest.mark.parametrize("parts", [[], [""], [".", ""], ["\u202e"]])
def test_a_path_without_a_name_is_refused(parts: list[str]) -> None:
    with pytest.raises(MetainfoError, match="no name"):
        paths.safe_path(parts)


@pytest.mark.parametrize(
    ("raw", "encoding", "name"),
    [
        ("日本".encode(), "", "日本"),
        ("日本".encode(), "shift_jis", "日本"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        ("中文".encode("gbk"), "GBK", "中文"),
        (b"a\xff", "", "a\ufffd"),
        (b"a\xff", "idna", "a\ufffd"),
        (b"a\xff", "zlib", "a\ufffd"),
        (b"a\xff", "../evil", "a\ufffd"),
    ],
)
def test_names_are_decoded_as_utf8_or_as_declared(raw: bytes, encoding: str, name: str) -> None:
    assert paths.decode_name(raw, encoding) == name


@pytest.mark.parametrize("encoding", sorted(paths._ENCODINGS))
def test_every_declared_encoding_exists_and_never_fails(encoding: str) -> None:
    assert paths.decode_name(b"\xff\xfe\x80\x81\x00abc", encoding)


@pytest.mark.parametrize(
    "found",
    [
        [("a",), ("a",)],
        [("a",), ("A",)],
        [("d", "Straße"), ("d", "STRASSE")],
        [("é",), (unicodedata.normalize("NFD", "É"),)],
        [("D", "x"), ("d", "X")],
        [("a",), ("a", "b")],
        [("a", "b", "c"), ("A",)],
        [("a", "b"), ("a", "b", "c", "d")],
        [("a",), ("a-b",), ("a", "b"), ("a b",)],
    ],
)
def test_paths_that_some_system_takes_for_one_are_refused(found: list[tuple[str, ...]]) -> None:
    for order in (found, found[::-1]):
        with pytest.raises(MetainfoError, match=r"two files|both a file and a folder"):
            paths.check_distinct(order)


def test_distinct_paths_are_fine() -> None:
    paths.check_distinct([("a",), ("b", "a"), ("b", "c", "a"), ("B", "x"), ("ab",), ("b", "c2")])


def test_many_deep_paths_cost_no_more_than_themselves() -> None:
    found = [(f"d{number}",) * paths.MAX_DEPTH for number in range(10_000)]
    tracemalloc.start()
    try:
        paths.check_distinct(found)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()

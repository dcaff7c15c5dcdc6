"""The commands that are printed can be pasted."""

from __future__ import annotations

import shutil
import sys

import pytest

from gotorrent.cli import invocation


def started(monkeypatch: pytest.MonkeyPatch, original: list[str], arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "orig_argv", original)
    monkeypatch.setattr(sys, "argv", arguments)


@pytest.mark.parametrize(
    ("original", "arguments", "this", "other"),
    [
        (["python", "client.py", "-x", "y"], ["client.py", "-x", "y"], ["python", "client.py"], ["python", "tracker.py"]),
        (["python3", "-X", "dev", "a b/client.py"], ["a b/client.py"], ["python3", "-X", "dev", "a b/client.py"],
         ["python3", "-X", "dev", "a b/tracker.py"]),
        (["/env/bin/python", "/env/bin/gotorrent", "-h"], ["/env/bin/gotorrent", "-h"], ["gotorrent"], ["gotorrent-tracker"]),
    ],
)  # fmt: skip
def test_as_the_person_typed_it(
    monkeypatch: pytest.MonkeyPatch, original: list[str], arguments: list[str], this: list[str], other: list[str]
) -> None:
    started(monkeypatch, original, arguments)
    monkeypatch.setattr(shutil, "which", lambda name: f"/env/bin/{name}")
    assert invocation.this_program() == this
    assert invocation.other_program("tracker.py", "gotorrent-tracker") == other


def test_a_script_that_is_not_on_the_path_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, ["/env/bin/python", "/env/bin/gotorrent"], ["/env/bin/gotorrent"])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert invocation.this_program() == ["/env/bin/gotorrent"]
    assert invocation.other_program("tracker.py", "gotorrent-tracker") == ["/env/bin/gotorrent-tracker"]


@pytest.mark.parametrize(("system", "text"), [("linux", "client.py 'a b'"), ("win32", 'client.py "a b"')])
def test_quoted_for_the_shell_at_hand(monkeypatch: pytest.MonkeyPatch, system: str, text: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert invocation.shown(["client.py", "a b"]) == text

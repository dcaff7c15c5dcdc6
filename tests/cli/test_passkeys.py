"""The sentences of `tracker.py -passkey`; what it does to the file is in tests/tracker/test_access.py."""

from __future__ import annotations

import pytest

from gotorrent.cli.output import Output
from gotorrent.cli.passkeys import passkeys
from gotorrent.config import TrackerConfig
from gotorrent.errors import UsageError


@pytest.fixture
def run(tmp_path, capsys):
    def one(action, *names):
        code = passkeys(TrackerConfig(passkey_file=str(tmp_path / "keys")), action, names, Output())
        return code, capsys.readouterr().out

    return one


def test_nobody_yet(run, tmp_path):
    assert run("list") == (0, f"0 passkeys in {tmp_path / 'keys'}\n")


def test_in_the_order_of_names(run):
    for name in ("boole", "Ada", "Curry"):
        run("add", name)
    assert [line.partition("  ")[2] for line in run("list")[1].splitlines()[:3]] == ["Ada", "boole", "Curry"]
    assert run("revoke", "boole")[1].startswith("The passkey of boole, made ")
    assert "2 passkeys" in run("list")[1]


@pytest.mark.parametrize("words", [["add"], ["add", "Ada", "Lovelace"], ["list", "x"], ["revoke"], ["remove", "x"], ["", "x"]])
def test_other_words(run, words):
    with pytest.raises(UsageError, match="-passkey is followed by add NAME, list, or revoke KEY"):
        run(*words)


def test_without_a_file_to_keep_them_in():
    with pytest.raises(UsageError, match="needs the setting passkey_file"):
        passkeys(TrackerConfig(), "list", [], Output())

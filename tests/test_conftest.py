"""The guards in conftest.py bite: a test that leaks, leaves the machine or is skipped where all is required does fail."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent

TIDY = [
    "with socket.create_server(('127.0.0.1', 0)) as s: socket.create_connection(s.getsockname()).close()",
    "pytest.raises(socket.gaierror, socket.getaddrinfo, 'tracker.example', 80)",
    "threading.Thread(target=threading.Event().wait, args=(0.2,)).start()",
    "open(tmp_path / 'f', 'w').close()",
]

UNTIDY = {
    "threading.Thread(target=threading.Event().wait, args=(9,), daemon=True, name='lost').start()": "left behind: thread lost",
    "kept.append(open(tmp_path / 'f', 'w'))": "left behind: descriptor*/f",
    "kept.append(socket.socket())": "left behind: descriptor*socket:",
    "pytest.raises(OSError, socket.create_connection, ('192.0.2.1', 80), 5)": "tried to reach 192.0.2.1:80",
    "with socket.socket(type=socket.SOCK_DGRAM) as s: pytest.raises(OSError, s.sendto, b'', ('192.0.2.1', 9))": "192.0.2.1:9",
}

SKIPPED = ["pytest.skip('no aria2c')", "pytest.importorskip('no_such_module')"]


def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bodies: Iterable[str], *, require_all: bool = False, top: str = ""
) -> pytest.RunResult:
    """Run a test of each body, in a pytest of its own under our conftest."""
    conftest = (HERE / "conftest.py").read_text(encoding="utf-8")
    monkeypatch.setenv("GOTORRENT_REQUIRE_ALL", "1" if require_all else "0")
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    pytester.makeconftest(conftest.replace("LEAK_GRACE = 2.0", "LEAK_GRACE = 0.5"))
    tests = [f"def test_{number}(tmp_path):\n    {body}" for number, body in enumerate(bodies)]
    pytester.makepyfile("\n".join(["import os, pytest, socket, threading", "kept = []", top, *tests]))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


def test_a_leak_or_a_step_outside_is_an_error(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, UNTIDY)
    result.assert_outcomes(passed=len(UNTIDY), errors=len(UNTIDY))
    result.stdout.fnmatch_lines([f"*{sentence}*" for sentence in UNTIDY.values()])


def test_what_is_tidy_and_local_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pytester, monkeypatch, TIDY).assert_outcomes(passed=len(TIDY))


def test_a_skip_is_a_failure_only_where_all_is_required(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pytester, monkeypatch, SKIPPED).assert_outcomes(skipped=2)
    result = run(pytester, monkeypatch, SKIPPED, require_all=True)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*GOTORRENT_REQUIRE_ALL=1 requires every test*"] * 2)


def test_so_is_the_skip_of_a_whole_file(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pytester, monkeypatch, [], require_all=True, top="pytest.importorskip('no_such_module')").assert_outcomes(errors=1)

"""What the two scripts say before they can start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gotorrent.cli import door

ROOT = Path(__file__).parents[2]


def say(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command that cannot start prints on standard error: that and nothing else, exit code 1."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.parametrize("script", ["client.py", "tracker.py"])
def test_outside_an_environment_one_command_makes_one_and_runs_the_script(script: str) -> None:
    text = say(sys.executable, "-S", "-E", script)
    assert "packages that are not installed here: bencodepy, flask, prometheus_client, requests, tqdm, waitress, yaml" in text
    python = ".venv\\Scripts\\python.exe" if os.name == "nt" else ".venv/bin/python"
    command = f"{sys.executable} -m venv .venv && {python} -m pip install -e . && {python} {script}"
    assert text.splitlines()[1:] == [f"    {command}"]


def test_inside_an_environment_that_is_the_one_to_install_into(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True, timeout=60)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    text = say(python, ROOT / "client.py", cwd=tmp_path)
    assert text.splitlines()[1:] == [f"    {python} -m pip install -e {ROOT}"]


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 1))
    with pytest.raises(SystemExit) as caught:
        door.check("client.py")
    assert "needs Python 3.10 or newer" in str(caught.value.code)
    assert str(caught.value.code).endswith(" is 3.8.1.")


def test_nothing_is_said_when_all_is_there() -> None:
    door.check("client.py")

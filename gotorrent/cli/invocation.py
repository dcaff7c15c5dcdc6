"""How this program was started, so that the commands it prints can be pasted as they are. No BEP rules it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def this_program() -> list[str]:
    """The words that started this program, without its arguments: `python client.py`, `gotorrent`."""
    words = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv[1:])]
    script = Path(sys.argv[0])
    if script.suffix == ".py" or len(words) != 2:
        return words
    return [_installed(script)]


def other_program(script: str, command: str) -> list[str]:
    """The same for the other program of this project: `script` beside this script, or `command` installed beside this one."""
    words = this_program()
    if words[-1].endswith(".py"):
        return [*words[:-1], str(Path(words[-1]).with_name(script))]
    return [_installed(Path(sys.argv[0]).with_name(command))]


def _installed(script: Path) -> str:
    """An installed command: its name where the shell finds it by that, else its path."""
    return script.name if shutil.which(script.name) == str(script) else str(script)


def shown(words: Sequence[str]) -> str:
    """A command as text that this system's shell reads back as the same words."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

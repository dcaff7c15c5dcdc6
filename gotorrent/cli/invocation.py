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
    if script.suffix != ".py" and len(words) == 2 and shutil.which(script.name) == str(script):
        return [script.stem if script.suffix == ".exe" else script.name]
    return words


def other_program(script: str, command: str) -> list[str]:
    """The same for the other program of this project, `script` beside this script or the installed `command`."""
    words = this_program()
    if words and words[-1].endswith(".py"):
        return [*words[:-1], str(Path(words[-1]).with_name(script))]
    return [command]


def shown(words: Sequence[str]) -> str:
    """A command as text that this system's shell reads back as the same words."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

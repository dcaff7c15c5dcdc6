"""What a process has used, as it says itself, and the question-and-answer loop of the measured processes.

Peak memory is VmHWM where the system tells: `ru_maxrss` survives fork and exec, so a small program would inherit the peak of the
one that started it. It counts everything resident, the interpreter and pages of mapped files too.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cpu_seconds() -> float:
    """Processor time of this process, all its threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory(pid: int | str = "self") -> int:
    """Most bytes that were ever resident in a process that is running."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def answer(ready: dict[str, Any], commands: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Say that this process is ready, then answer each line of input with a line of JSON, until the input ends.

    Each answer also has the process's `cpu` (seconds so far) and `peak` (bytes).
    """
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        name, *values = line.split()
        result = commands[name](*values) if name in commands else {}
        print(json.dumps({"cpu": cpu_seconds(), "peak": peak_memory(), **result}), flush=True)

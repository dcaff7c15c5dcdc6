"""Programs that a test starts: each with a log of its own, each ended by its own process id. No BEP rules this module."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago, for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def need(program: str) -> str:
    """The full path of `program`; skips the test where it is not installed."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


class Program:
    """A running program. What it prints goes to `log`, and from there into the message of a test that fails."""

    def __init__(self, command: Sequence[str | Path], log: Path, *, piped: bool = False) -> None:
        """Start `command` in the project's folder; `piped` gives it a text pipe for input and one for output."""
        pipe = subprocess.PIPE if piped else None
        self.name = Path(str(command[0])).name
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=ROOT,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or output,
                stderr=output,
                text=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if error is not None:
            error.args = (f"{error.args[0] if error.args else ''}\n--- {self.name}: {self.tail()}", *error.args[1:])

    def tail(self, size: int = 3000) -> str:
        """The end of what the program printed."""
        return self.log.read_text(errors="replace")[-size:]

    def running(self) -> bool:
        """True as long as the program has not ended; a test that waits for something fails at once when it has."""
        code = self.process.poll()
        assert code is None, f"{self.name} ended with code {code}:\n{self.tail()}"
        return True

    def wait(self, timeout: float) -> int:
        """The exit code, as soon as the program has ended by itself."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s:\n{self.tail()}") from None

    def stop(self, timeout: float = 10.0) -> int:
        """Ask the program to end as Ctrl-C would, kill it after `timeout` seconds; its exit code (negative when killed)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        return code

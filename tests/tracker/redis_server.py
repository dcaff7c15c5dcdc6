"""A real Redis for tests: in a process of its own, on a free port of loopback, with nothing on disk. No BEP rules it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.interop.programs import free_port, need
from tests.waiting import wait_until


class RedisServer:
    """`start` and `kill` as often as a test likes: it comes back on the same port, empty."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("redis")
        self._program = need("redis-server")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, 10, "redis-server answers")

    def answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._folder / "redis.log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def signal(self, number: int) -> None:
        """Stop it (SIGSTOP) as a machine that hangs would, or let it go on (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

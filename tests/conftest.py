"""What holds for every test: nothing leaks, nothing leaves this machine, and where all is required a skip is a failure.

GOTORRENT_REQUIRE_ALL=1   a test that is skipped (a program or package is missing) fails; `.ci/run` sets it
GOTORRENT_HYPOTHESIS=deep many more generated examples
"""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.waiting import wait_until

REQUIRE_ALL = os.environ.get("GOTORRENT_REQUIRE_ALL") == "1"
LEAK_GRACE = 2.0  # seconds for threads that were told to end

hypothesis.settings.register_profile("fast", max_examples=40, deadline=None)
hypothesis.settings.register_profile("deep", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("GOTORRENT_HYPOTHESIS", "fast"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _skip_is_failure((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _skip_is_failure((yield))


def _skip_is_failure(report: Any) -> Any:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, but GOTORRENT_REQUIRE_ALL=1 requires every test: {reason}"
    return report


def _descriptors() -> dict[int, str]:
    """Open file descriptors of this process and what they are; empty where the system does not tell."""
    found = {}
    if sys.platform == "linux":
        for link in Path("/proc/self/fd").iterdir():
            try:
                found[int(link.name)] = str(link.readlink())
            except OSError:
                continue  # the descriptor of the listing itself
    return found


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fail when a test leaves a thread, daemon or not, or an open file descriptor behind."""
    threads = set(threading.enumerate())
    descriptors = _descriptors()

    def left() -> list[str]:
        names = [f"thread {thread.name}" for thread in threading.enumerate() if thread not in threads]
        return names + [f"descriptor {fd}: {what}" for fd, what in _descriptors().items() if descriptors.get(fd) != what]

    yield
    if not left():
        return
    gc.collect()
    try:
        wait_until(lambda: not left(), LEAK_GRACE)
    except AssertionError:
        pytest.fail(f"the test left behind: {', '.join(left())}", pytrace=False)


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail when a test connects, sends or looks up a name outside loopback; the code under test sees a dead network."""
    refused: list[str] = []

    def is_local(host: object) -> bool:
        if host in (None, "", "localhost", b"localhost"):
            return True
        try:
            address = ipaddress.ip_address(str(host).partition("%")[0])
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback or address.is_unspecified

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            refused.append(f"{address[0]}:{address[1]}")
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    real_connect, real_connect_ex, real_sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    real_getaddrinfo = socket.getaddrinfo

    def connect(sock: socket.socket, address: Any) -> None:
        if sock.type != socket.SOCK_DGRAM:  # "connecting" a datagram socket sends nothing: it asks for our own address
            check(sock, address)
        real_connect(sock, address)

    def connect_ex(sock: socket.socket, address: Any) -> int:
        try:
            check(sock, address)
        except OSError:
            return errno.ENETUNREACH
        return real_connect_ex(sock, address)

    def sendto(sock: socket.socket, data: Any, *rest: Any) -> int:
        check(sock, rest[-1])
        return real_sendto(sock, data, *rest)

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        try:
            ipaddress.ip_address(str(host).partition("%")[0])
        except ValueError:
            if not is_local(host):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        return real_getaddrinfo(host, *rest, **options)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    monkeypatch.setattr(socket.socket, "sendto", sendto)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    if refused:
        pytest.fail(f"the test tried to reach {', '.join(refused)}: tests stay on loopback", pytrace=False)

"""Create: hashing alone and the whole `client.py -create`, against the whole of `mktorrent`, two threads each.

Whole processes are timed from start to exit; ours pays for the interpreter and its imports there. "Hashing" is the time inside
our process from the call of `create` to its result. Needs Debian's package `mktorrent` for the anchor; without it only ours runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench.content import PIECE_SIZE, Content
from tests.bench.report import GIB, MIB, spread, table
from tests.bench.usage import peak_memory

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
Run = tuple[float, float, int]  # seconds, CPU seconds, peak bytes


def _whole(command: list[str], output: Path) -> Run:
    """Run `command` to its end; it writes `output`, which is removed. Its peak is looked at every 10 ms while it runs."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    ended, peak = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(0.01):
            peak[0] = max(peak[0], peak_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    if process.returncode != 0 or not output.is_file():
        raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
    output.unlink()
    return seconds, usage.ru_utime + usage.ru_stime, peak[0]


def _hashing(shared: Content) -> Run:
    command = [sys.executable, "-m", "tests.bench.our_hashing", str(shared.file), str(PIECE_SIZE), str(THREADS)]
    result = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    return result["seconds"], result["cpu"], result["peak"]


def _ours(shared: Content) -> Run:
    output = shared.folder / "ours.torrent"
    size = f"{PIECE_SIZE // 1024}K"
    command = [sys.executable, "client.py", "-create", str(shared.file), "-o", str(output), "-piece-size", size]
    return _whole([*command, "-tracker", "none", "-quiet"], output)


def _mktorrent(shared: Content) -> Run:
    output = shared.folder / "mktorrent.torrent"
    piece = str(PIECE_SIZE.bit_length() - 1)
    return _whole(["mktorrent", "-t", str(THREADS), "-l", piece, "-o", str(output), str(shared.file)], output)


def run(shared: Content, runs: int, say: Callable[[str], None]) -> str:
    """The report as text."""
    cases: dict[str, Callable[[Content], Run]] = {"ours, hashing": _hashing, "ours, whole process": _ours}
    if shutil.which("mktorrent"):
        cases[f"mktorrent -t {THREADS}, whole process"] = _mktorrent
    results: dict[str, list[Run]] = {name: [] for name in cases}
    for number in range(-1, runs):
        for name, case in cases.items():
            sample = case(shared)
            if number >= 0:
                results[name].append(sample)
                say(f"run {number + 1}: {name} {shared.size / sample[0] / 1e6:.0f} MB/s")
    rows = [("create", "MB/s", "CPU s/GiB", "peak MiB")]
    rows += [
        (
            name,
            spread([shared.size / seconds / 1e6 for seconds, _, _ in samples]),
            spread([cpu * GIB / shared.size for _, cpu, _ in samples], 2),
            spread([peak / MIB for _, _, peak in samples]),
        )
        for name, samples in results.items()
    ]
    lines = [table(rows), ""]
    speeds = {name: 1 / median(seconds for seconds, _, _ in samples) for name, samples in results.items()}
    *ours, last = speeds
    if last.startswith("mktorrent"):
        lines += [f"speed    {name} : {last} = {speeds[name] / speeds[last]:.2f}" for name in ours]
    return "\n".join(lines)

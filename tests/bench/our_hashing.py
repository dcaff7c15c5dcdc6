"""Hashes a file as `-create` does, in a process of its own, and prints what it took: `FILE PIECE_SIZE THREADS`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from gotorrent.metainfo.create import CreateOptions, create
from tests.bench.usage import cpu_seconds, peak_memory

if __name__ == "__main__":
    file, piece_size, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    used, start = cpu_seconds(), time.monotonic()
    create(file, CreateOptions(piece_size=piece_size, hash_threads=threads))
    seconds = time.monotonic() - start
    print(json.dumps({"seconds": seconds, "cpu": cpu_seconds() - used, "peak": peak_memory()}))

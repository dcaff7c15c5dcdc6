"""Spare threads that hash and write full pieces while those who received them go on receiving. No BEP rules it.

One fast peer is one thread, and hashing and writing are most of its work: alone it leaves a second processor idle. Handing over
costs some processor time, so this trades work for speed. There is no queue: a piece is taken at once by a thread that has nothing
to do, or not at all, and then its owner finishes it as usual. So nothing piles up.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue

MAX_THREADS = 4
"""More than a download of ten gigabits a second keeps busy."""

_log = logging.getLogger(__name__)


class Finisher:
    """The spare threads of one session: one less than there are processors. They start when the first piece comes."""

    def __init__(self, threads: int | None = None) -> None:
        self._limit = min(MAX_THREADS, (os.cpu_count() or 1) - 1) if threads is None else threads
        self._done = threading.Condition()  # guards the counts
        self._idle = 0
        self._running: Counter[object] = Counter()  # pieces in the hands of spare threads, by owner
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[tuple[object, Callable[[], object]] | None] = SimpleQueue()
        self._stopped = False

    def offer(self, owner: object, work: Callable[[], object]) -> bool:
        """Whether a thread that has nothing to do has taken `work` on, which must not raise. Never waits."""
        with self._done:
            if self._stopped:
                return False
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._limit:
                thread = threading.Thread(target=self._run, name="finisher")
                try:
                    thread.start()
                except RuntimeError:  # the system has no thread left
                    return False
                self._threads.append(thread)
            else:
                return False
            self._running[owner] += 1
        self._work.put((owner, work))
        return True

    def stop(self) -> None:
        """End the threads, after what they have taken on. Idempotent."""
        with self._done:
            self._stopped = True
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def wait_for(self, owner: object, timeout: float) -> bool:
        """Whether all that was offered by `owner` is done within `timeout` seconds."""
        with self._done:
            return self._done.wait_for(lambda: not self._running[owner], timeout)

    def _run(self) -> None:
        while (taken := self._work.get()) is not None:
            owner, work = taken
            try:
                work()
            except Exception:
                _log.exception("finishing a piece")
            with self._done:
                self._idle += 1
                self._running[owner] -= 1
                if not self._running[owner]:
                    del self._running[owner]
                    self._done.notify_all()

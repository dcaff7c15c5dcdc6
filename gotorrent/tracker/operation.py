"""A tracker from its settings, and its upkeep while it runs. No BEP rules it.

One thread looks every half second after what is not a request: lists and keys that have changed are read, the counts of completed
downloads are saved, and a store that must be asked over the network is swept. Peers on private addresses are dialled in threads
of `dialback`. `reload` exchanges what can be exchanged without losing a peer; the other settings need a restart.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from pathlib import Path

from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.config import TrackerConfig
from gotorrent.errors import WriteError
from gotorrent.tracker.completed import read_completed, write_completed
from gotorrent.tracker.dialback import DialBack
from gotorrent.tracker.networks import Networks
from gotorrent.tracker.redis_store import RedisStore
from gotorrent.tracker.rules import Rules, proxies
from gotorrent.tracker.store import Store
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker

TICK = 0.5  # seconds between two looks
SAVE_SECONDS = 60.0  # between two saves of the counts
NOT_KEPT = ("", "none")  # values of state_file
RELOADED = frozenset((
    *("min_interval", "numwant_default", "numwant_max", "rate_limit", "rate_burst", "trusted_networks", "trusted_proxies"),
    *("believe_ip", "allow_file", "deny_file", "passkey_file", "show_addresses"),
))  # fmt: skip

_log = logging.getLogger(__name__)


class Operation:
    """`tracker` is what the doors ask. `start` and `stop` it once each."""

    def __init__(self, config: TrackerConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        """Raises `ConfigError`, `UsageError` or `ReadError` when a setting, or a file that it names, cannot be used."""
        self._memory: Swarms | None = None
        self._redis: RedisStore | None = None
        store: Store
        if config.store == "memory":
            store = self._memory = Swarms(config)
        else:
            store = self._redis = RedisStore(config, config.store)
        self.tracker = Tracker(config, store)
        self._clock = clock
        self._rules = Rules(config)
        self._apply(config, self._rules)
        self._dialback = DialBack(clock) if config.dial_back else None
        self.tracker.watch = self._dialback
        self._state = Path(config.state_file).expanduser() if self._memory and config.state_file not in NOT_KEPT else None
        if self._state is not None and self._memory is not None:
            self._memory.restore(read_completed(self._state))
        self._saved = 0 if self._memory is None else self._memory.totals().downloaded
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracker-upkeep")

    def start(self, *, daemon: bool = False) -> None:
        """Begin the upkeep. `daemon` threads do not keep a process alive that somebody else runs; `stop` it at its exit."""
        if self._dialback is not None:
            self._dialback.start(daemon=daemon)
        self._thread.daemon = daemon
        self._thread.start()

    def stop(self) -> None:
        """End the threads and save the counts. May be repeated; without `start` it does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._save()
        if self._dialback is not None:
            self._dialback.stop()
        if self._redis is not None:
            self._redis.close()

    def reload(self, config: TrackerConfig) -> list[str]:
        """Take over new settings and read all files again; sentences for the operator. `ConfigError`: nothing has changed."""
        rules = Rules(config)
        old = self.tracker.config
        changed = [field.name for field in dataclasses.fields(old) if getattr(old, field.name) != getattr(config, field.name)]
        taken = {name: getattr(config, name) for name in changed if name in RELOADED}
        self._apply(dataclasses.replace(old, **taken), rules)
        said = [f"{name} is now {getattr(config, name)!r}" for name in taken]
        return said + [f"{name} has changed: that needs a restart" for name in changed if name not in taken]

    def _apply(self, config: TrackerConfig, rules: Rules) -> None:
        behind = proxies(config)
        self.tracker.config = config
        self.tracker.proxies = behind
        self.tracker.believed = Networks("loopback private") if config.believe_ip else None
        self.tracker.gate = self._rules = rules

    def _run(self) -> None:
        save_at = self._clock.monotonic() + SAVE_SECONDS
        while not self._stopping.wait(TICK):
            read, broken = self._rules.access.refresh()
            for sentence in read:
                _log.info(sentence)
            for sentence in broken:
                _log.warning(sentence)
            now = self._clock.monotonic()
            if self._redis is not None:
                self._redis.sweep(now)
            if now >= save_at:
                save_at = now + SAVE_SECONDS
                self._save()

    def _save(self) -> None:
        """Keep the counts, if they have changed. A disk that is full costs a warning, not the tracker."""
        if self._memory is None or self._state is None:
            return
        downloaded = self._memory.totals().downloaded
        if downloaded == self._saved:
            return
        try:
            write_completed(self._state, self._memory.downloads())
            self._saved = downloaded
        except WriteError as error:
            _log.warning("completed downloads are not saved: %s", error)

"""A tracker's memory in Redis, so that several tracker processes serve the same swarms. No BEP rules it.

Every request is one round trip: a Lua script that Redis runs whole. Needs Redis 6.2 or newer, one server (no Cluster), and
`maxmemory-policy noeviction`. All keys begin with `gotorrent:`, all times are seconds of Redis's own clock:

    gotorrent:s4:HASH  s6  l4  l6   sorted set: compact peers of a torrent (seeds, leechers; IPv4, IPv6) by when they are forgotten
    gotorrent:swarms                sorted set: info-hashes by when the last peer is forgotten
    gotorrent:completed             hash: info-hash -> completed downloads, kept when the swarm is gone
    gotorrent:totals                hash: s4, s6, l4, l6, completed -> how many there are in all

Each announce forgets at most `EXPIRE` old peers of each kind, each sweep at most `SWEEP` old swarms. It refuses new peers over
`max_peers`, and everything while Redis does not answer: one request a second then tries again, the others fail at once.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import TrackerConfig
from gotorrent.errors import TrackerError, UsageError
from gotorrent.tracker.store import COMPLETED, MAX_INTERVAL, STOPPED, SWARM_RATE, TRACKER_RATE, Found, Torrent, Totals

CONNECTIONS = 64  # to Redis; opened as needed, one for each thread that asks
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 1.0
AWAY_SECONDS = 1.0  # for so long nobody asks a Redis that did not answer
RETRY_SECONDS = 60  # what clients are told meanwhile
CLOCK_SECONDS = 60.0  # between two looks at Redis's clock
EXPIRE = 1000  # peers of one kind, about half a millisecond
SWEEP = 200  # swarms

_log = logging.getLogger(__name__)

_ANNOUNCE = """
local hash, peer, event, seed, want, both = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6] == '1'
local now, most, interval, timeout = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local family, other_family = '4', '6'
if #peer > 6 then family, other_family = '6', '4' end
local function key(kind) return 'gotorrent:' .. kind .. ':' .. hash end
local count = {}
local function add(kind, change)
  count[kind] = count[kind] + change
  redis.call('HINCRBY', 'gotorrent:totals', kind, change)
end
for _, kind in ipairs({'s4', 's6', 'l4', 'l6'}) do
  count[kind] = redis.call('ZCARD', key(kind))
  if count[kind] > 0 then
    local old = math.min(redis.call('ZCOUNT', key(kind), '-inf', now), EXPIRE)
    if old > 0 then
      redis.call('ZREMRANGEBYRANK', key(kind), 0, old - 1)
      add(kind, -old)
    end
  end
end
local mine, other = 'l' .. family, 's' .. family
if seed then mine, other = other, mine end
local function completed() return tonumber(redis.call('HGET', 'gotorrent:completed', hash) or 0) end
if event == STOPPED then
  for _, kind in ipairs({mine, other}) do
    if redis.call('ZREM', key(kind), peer) == 1 then add(kind, -1) end
  end
  local seeds, leechers = count.s4 + count.s6, count.l4 + count.l6
  if seeds + leechers == 0 then redis.call('ZREM', 'gotorrent:swarms', hash) end
  return {seeds, leechers, completed(), interval, '', ''}
end
local everybody = 0
for _, number in ipairs(redis.call('HMGET', 'gotorrent:totals', 's4', 's6', 'l4', 'l6')) do
  everybody = everybody + tonumber(number or 0)
end
local swarm = count.s4 + count.s6 + count.l4 + count.l6
if not redis.call('ZSCORE', key(mine), peer) and not redis.call('ZSCORE', key(other), peer) then
  if everybody >= most then return redis.error_reply('FULL') end
  swarm = swarm + 1
end
interval = math.max(interval, math.min(math.floor(math.max(swarm / SWARM_RATE, everybody / TRACKER_RATE)), MAX_INTERVAL))
local until_then = now + math.max(timeout, math.floor(interval * 3 / 2)) + 1
local arrived = redis.call('ZADD', key(mine), until_then, peer) == 1 -- the first write: refused when Redis is out of memory
if redis.call('ZREM', key(other), peer) == 1 then add(other, -1) end
if arrived then
  add(mine, 1)
  if event == COMPLETED and seed then
    redis.call('HINCRBY', 'gotorrent:completed', hash, 1)
    redis.call('HINCRBY', 'gotorrent:totals', 'completed', 1)
  end
end
redis.call('ZADD', 'gotorrent:swarms', 'GT', until_then, hash)
local function choose(kind, number)
  if number <= 0 or count[kind] == 0 then return {} end
  if kind ~= mine then return redis.call('ZRANDMEMBER', key(kind), number) end
  local found = redis.call('ZRANDMEMBER', key(kind), number + 1)
  for place = 1, #found do
    if found[place] == peer then
      table.remove(found, place)
      return found
    end
  end
  found[number + 1] = nil
  return found
end
local function family_peers(which, number)
  local leechers = count['l' .. which]
  if mine == 'l' .. which then leechers = leechers - 1 end
  if seed then return choose('l' .. which, number) end
  local found = choose('s' .. which, math.max(math.ceil(number / 2), number - leechers))
  for _, one in ipairs(choose('l' .. which, number - #found)) do found[#found + 1] = one end
  return found
end
local found = family_peers(family, want)
local rest = {}
if both then rest = family_peers(other_family, want - #found) end
if family == '6' then found, rest = rest, found end
return {count.s4 + count.s6, count.l4 + count.l6, completed(), interval, table.concat(found), table.concat(rest)}
"""

_SCRAPE = """
local answer = {}
for _, hash in ipairs(ARGV) do
  local function card(kind) return redis.call('ZCARD', 'gotorrent:' .. kind .. ':' .. hash) end
  answer[#answer + 1] = card('s4') + card('s6')
  answer[#answer + 1] = tonumber(redis.call('HGET', 'gotorrent:completed', hash) or 0)
  answer[#answer + 1] = card('l4') + card('l6')
end
return answer
"""

_SWEEP = """
for _, hash in ipairs(redis.call('ZRANGEBYSCORE', 'gotorrent:swarms', '-inf', ARGV[1], 'LIMIT', 0, SWEEP)) do
  for _, kind in ipairs({'s4', 's6', 'l4', 'l6'}) do
    local key = 'gotorrent:' .. kind .. ':' .. hash
    local count = redis.call('ZCARD', key)
    if count > 0 then
      redis.call('HINCRBY', 'gotorrent:totals', kind, -count)
      redis.call('UNLINK', key)
    end
  end
  redis.call('ZREM', 'gotorrent:swarms', hash)
end
"""

_SCRIPT_CONSTANTS = {
    "STOPPED": f"'{STOPPED}'",
    "COMPLETED": f"'{COMPLETED}'",
    "EXPIRE": str(EXPIRE),
    "SWEEP": str(SWEEP),
    "SWARM_RATE": str(SWARM_RATE),
    "TRACKER_RATE": str(TRACKER_RATE),
    "MAX_INTERVAL": str(MAX_INTERVAL),
}


class RedisStore:
    """All swarms, in the Redis at `url`. Implements `store.Store`."""

    immediate = False

    def __init__(self, config: TrackerConfig, url: str) -> None:
        """Nothing is sent yet: a Redis that is away is found out by the first request. `UsageError` for a URL that is none."""
        self.config = config
        self.place = _place(url)
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise UsageError(
                "-store redis:// needs the Python package redis, which is not installed: python -m pip install redis"
            ) from None
        self._error: type[Exception] = redis.RedisError
        self._refusal: type[Exception] = redis.ResponseError
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),  # one that broke while it was idle
        )
        self._redis: Any = redis.Redis.from_pool(pool)
        self._announce = self._script(_ANNOUNCE)
        self._scrape = self._script(_SCRAPE)
        self._sweep = self._script(_SWEEP)
        self._lock = threading.Lock()
        self._try_at = 0.0
        self._down = False
        self._ahead = 0.0  # seconds from the callers' clock to Redis's
        self._look_at_clock = 0.0

    def announce(self, info_hash: bytes, peer: bytes, event: int, seed: bool, want: int, both: bool, now: float) -> Found:
        """See `Store.announce`."""
        config = self.config
        limits = (config.max_peers, config.announce_interval, config.peer_timeout)
        moment = self._moment(now)
        seeds, leechers, downloaded, told, peers4, peers6 = self._ask(
            self._announce, info_hash, peer, event, int(seed), want, int(both), moment, *limits
        )
        return seeds, leechers, downloaded, told, peers4, peers6

    def scrape(self, info_hashes: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """See `Store.scrape`."""
        numbers = self._ask(self._scrape, *info_hashes)
        return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))

    def totals(self) -> Totals:
        """See `Store.totals`. One look at Redis."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard("gotorrent:swarms")
        pipe.hmget("gotorrent:totals", "s4", "s6", "l4", "l6", "completed")
        torrents, numbers = self._ask(pipe.execute)
        seeds4, seeds6, leechers4, leechers6, completed = (int(number or 0) for number in numbers)
        return Totals(torrents, seeds4 + seeds6, leechers4 + leechers6, completed)

    def torrents(self, limit: int) -> list[Torrent]:
        """See `Store.torrents`."""
        if limit < 1:
            return []
        hashes = self._ask(self._redis.zrevrange, "gotorrent:swarms", 0, limit - 1)
        found = zip(hashes, self.scrape(hashes) if hashes else [], strict=True)
        return [Torrent(name, seeds, leechers, done) for name, (seeds, done, leechers) in found if seeds + leechers]

    def peers(self, info_hash: bytes, limit: int) -> tuple[bytes, bytes, bytes, bytes]:
        """See `Store.peers`."""
        pipe = self._redis.pipeline(transaction=False)
        for kind in ("s4", "s6", "l4", "l6"):
            pipe.zrandmember(b"gotorrent:%b:%b" % (kind.encode(), info_hash), max(0, limit))
        seeds4, seeds6, leechers4, leechers6 = map(b"".join, self._ask(pipe.execute))
        return seeds4, seeds6, leechers4, leechers6

    def sweep(self, now: float) -> None:
        """See `Store.sweep`. While Redis is away there is nothing to forget."""
        try:
            self._ask(self._sweep, self._moment(now))
        except TrackerError:
            return

    def close(self) -> None:
        """Close all connections. The store may not be used any more."""
        self._redis.connection_pool.disconnect()
        self._redis.close()

    def _script(self, text: str) -> Any:
        """A Lua script with our constants in it: called with its arguments, sent in full only when Redis does not know it."""
        for name, value in _SCRIPT_CONSTANTS.items():
            text = re.sub(rf"\b{name}\b", value, text)
        script = self._redis.register_script(text)
        return lambda *arguments: script(args=arguments)

    def _moment(self, now: float) -> int:
        """Seconds of Redis's clock at `now` of the caller's: all trackers that share it mean the same by them.

        They are compared once a minute, since one machine may have slept.
        """
        if SYSTEM_CLOCK.monotonic() >= self._look_at_clock:
            seconds, _ = self._ask(self._redis.time)
            self._ahead = seconds - now
            self._look_at_clock = SYSTEM_CLOCK.monotonic() + CLOCK_SECONDS
        return int(now + self._ahead)

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """What Redis answers. `TrackerError` when it does not, or has not a moment ago, or refuses."""
        now = SYSTEM_CLOCK.monotonic()
        with self._lock:
            if self._down:
                if now < self._try_at:
                    raise self._away()
                self._try_at = now + AWAY_SECONDS + ANSWER_SECONDS  # this thread tries; the others need not wait with it
        try:
            answer = question(*arguments)
        except self._error as error:
            if isinstance(error, self._refusal) and str(error) == "FULL":
                raise TrackerError(
                    f"this tracker is full: it keeps {self.config.max_peers} peers at most; try again later or use another tracker"
                ) from None
            with self._lock:
                if not self._down:
                    _log.warning("Redis at %s does not do its work: %s", self.place, _one_line(error))
                self._down = True
                at_once = isinstance(error, self._refusal)  # a refusal, as for want of memory, keeps nobody waiting
                self._try_at = 0.0 if at_once else SYSTEM_CLOCK.monotonic() + AWAY_SECONDS
            raise self._away() from None
        if self._down:
            with self._lock:
                self._down = False
            _log.warning("Redis at %s works again", self.place)
        return answer

    def _away(self) -> TrackerError:
        return TrackerError("this tracker cannot reach its memory for the moment: try again in a minute", RETRY_SECONDS)


def _place(url: str) -> str:
    """Where `url` points, without the password that it may hold. Raises `UsageError` when it is no Redis URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not re.fullmatch(r"(/[0-9]{0,3})?", parts.path):
        raise UsageError("-store must be memory or redis://HOST:PORT/NUMBER")
    return f"{parts.hostname}:{port}{parts.path}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

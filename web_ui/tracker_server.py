"""The tracker's servers in threads of this process: HTTP by `announce_lane` and waitress, UDP. No BEP rules this module.

The lane accepts every connection and answers what is plainly an announce; the others are waitress's, which has one thread for all
input and output, and a few that answer. We bind the sockets ourselves and give each its own waitress server over one shared table,
since waitress's own wrapper for several addresses leaves no place for what is added here: the lane, the local address of each
connection, one request per connection, and a deadline for slow ones. Refuses request heads over 8 KiB and those that take over 5
seconds, and connections beyond the limit.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.config import TrackerConfig
from gotorrent.tracker.announce import MAX_QUERY
from gotorrent.tracker.limits import ConnectionCount
from gotorrent.tracker.networks import Networks
from gotorrent.tracker.operation import Operation
from gotorrent.tracker.overview import Overview
from gotorrent.tracker.sockets import BACKLOG, bind
from gotorrent.tracker.tracker import Tracker, packed
from gotorrent.tracker.udp import UdpServer
from web_ui.announce_lane import AnnounceLane
from web_ui.tracker_app import LOCAL_ADDRESS, announce_urls, create_app

HEAD_SECONDS = 5  # a request's head must be here by then, however steadily it drips
IDLE_SECONDS = 10  # a connection with nothing to do is closed; a reader that does not read too
MAX_BODY = 1024  # bytes; no URL of ours reads one
TICK = 0.5  # seconds between two sweeps of old peers and slow connections
STOP_SECONDS = 1  # for the requests under way when the tracker stops
_OTHER_FILES = 64  # open files that are no connections
_SELECT_LIMIT = 400  # connections where there is only select(), as on Windows: it takes 512 descriptors

_Handed = tuple[socket.socket, socket.socket, tuple[str, int], bytes]  # listening socket, connection, its address, bytes read

_log = logging.getLogger(__name__)


class TrackerServer:
    """A whole tracker on its own threads. Use it as a context manager, or `start` and `stop` it once; `stop` may be repeated."""

    def __init__(
        self, config: TrackerConfig, host: str | None = None, port: int | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`host` and `port` override the configuration; port 0 takes any free one. Nothing is bound before `start`.

        Raises what `Operation` raises for settings that cannot be.
        """
        self.config = config
        self.host = config.host if host is None else host
        self.port = config.port if port is None else port
        self.udp_port = config.udp_port
        self.operation = Operation(config, clock)
        self.tracker = self.operation.tracker
        self._clock = clock
        self._table: dict[int, Any] = {}  # waitress's: descriptor -> what reads and writes it
        self._servers: list[_Server] = []
        self._handed: deque[_Handed] = deque()  # connections on their way from the lane to waitress
        self._lane: AnnounceLane | None = None
        self._stopping = threading.Event()
        self._closing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._udp: UdpServer | None = None

    @property
    def urls(self) -> list[str]:
        """Announce URLs: the one for this machine, then those for others on the network."""
        return announce_urls(self.host, self.port)

    @property
    def running(self) -> bool:
        """Is it answering? False before `start`, after `stop`, and when its thread died."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen and answer from now on. Raises `PortBusyError` or `UsageError` when it cannot listen there."""
        sockets, udp_sockets = bind(self.host, self.port, self.udp_port)
        self.port = sockets[0].getsockname()[1]
        self.udp_port = udp_sockets[0].getsockname()[1] if udp_sockets else 0
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns whenever a request waits for a thread
        adjustments = Adjustments(
            threads=self.config.threads,
            sockets=sockets,
            connection_limit=_connection_limit(self.config.connections),
            backlog=BACKLOG,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=1,
            max_request_header_size=MAX_QUERY,
            max_request_body_size=MAX_BODY,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=False,  # which proxy is believed is decided in gotorrent.tracker.proxy
            ident="GoTorrent",
        )
        self._overview = Overview(self.tracker, self._clock.monotonic())
        app = create_app(self.tracker, self._clock, self.host, self.udp_port, self._overview)
        workers = _Workers()
        workers.set_thread_count(self.config.threads)
        count = ConnectionCount(self.config.connections_per_address, Networks(self.config.trusted_networks))
        for sock in sockets:
            info = (sock.family, sock.type, sock.proto, sock.getsockname())
            server = _Server(app, self._table, _sock=sock, dispatcher=workers, adj=adjustments, sockinfo=info, bind_socket=False)
            server.count = count
            server.tracker = self.tracker
            self._servers.append(server)
        self._lane = AnnounceLane(self.tracker, sockets, self._clock, self._hand_on)
        self._thread = threading.Thread(target=self._run, args=(workers,), name="tracker-http")
        self._udp = UdpServer(self.tracker, udp_sockets, self._clock)
        self.operation.start()
        self._udp.start()
        self._thread.start()
        self._lane.start()

    def stop(self) -> None:
        """Close every connection and socket, and end the threads."""
        if self._lane is not None:
            self._lane.stop()
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join()
        if self._udp is not None:
            self._udp.stop()
        self.operation.stop()

    def __enter__(self) -> TrackerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _hand_on(self, listener: socket.socket, connection: socket.socket, address: tuple[str, int], data: bytes) -> None:
        """Give a connection to waitress's thread; one beyond the limit is closed. Called in the lane's threads."""
        if len(self._table) + len(self._handed) >= self._servers[0].adj.connection_limit:
            connection.close()
            return
        self._handed.append((listener, connection, address, data))
        self._wake()

    def _wake(self) -> None:
        with self._closing:
            if self._table:
                self._servers[0].pull_trigger()

    def _adopt(self) -> None:
        """Begin what has been handed on."""
        while self._handed:
            listener, connection, address, data = self._handed.popleft()
            server = next(server for server in self._servers if server.socket is listener)
            channel = _Channel(server, connection, address, server.adj, map=self._table)
            if data:
                channel.received(data)

    def _run(self, workers: _Workers) -> None:
        next_sweep = 0.0
        try:
            while not self._stopping.is_set():
                wasyncore.loop(TICK, use_poll=True, map=self._table, count=1)
                self._adopt()
                now = self._clock.monotonic()
                if now >= next_sweep:
                    if self.tracker.store.immediate:
                        self.tracker.store.sweep(now)
                    self._overview.record(now)
                    next_sweep = now + TICK
        finally:
            workers.stop()  # before the table is closed: they wake this loop through a descriptor in it
            with self._closing:
                self._adopt()
                wasyncore.close_all(self._table)


class _Task(WSGITask):
    """One request; its environment also says at which of our addresses it came in."""

    channel: _Channel
    request: Any

    def get_environment(self) -> Any:
        environ = super().get_environment()
        environ[LOCAL_ADDRESS] = self.channel.local_address
        return environ

    def build_response_header(self) -> bytes:
        self.request.headers["CONNECTION"] = "close"  # a client comes back in a minute: its connection is not kept for that
        return super().build_response_header()


class _Parser(HTTPRequestParser):
    """One request as it comes in. What Python's URL splitter refuses is a bad request, not a failure of the server."""

    path = ""  # waitress logs it when the client is gone, and would have none of a request that it could not read

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("Bad URI or header") from error


class _Channel(HTTPChannel):
    """One connection, which remembers our address on it and when its unfinished request began."""

    task_class = _Task
    parser_class = _Parser
    server: Any

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        try:
            self.local_address = str(sock.getsockname()[0])
        except OSError:  # it is gone already
            self.local_address = ""
        super().__init__(server, sock, addr, adj, map=map)
        self.request_since = self.last_activity
        self.source = server.counted(packed(str(addr[0])))
        self.counted = server.count.enter(self.source)
        if not self.counted:
            self.handle_close()

    def del_channel(self, map: Any = None) -> None:
        """Forget the connection, which is being closed."""
        super().del_channel(map)
        if self.counted:
            self.counted = False
            self.server.count.leave(self.source)

    def received(self, data: bytes) -> bool:
        if not self.connected:
            return False
        before = self.request
        going_on = super().received(data)
        if self.request is not before:
            self.request_since = self.last_activity
        return going_on


class _Server(TcpWSGIServer):
    """One listening socket, on which the lane accepts."""

    channel_class = _Channel
    active_channels: Any
    adj: Adjustments
    count: ConnectionCount
    tracker: Tracker

    def counted(self, source: bytes) -> bytes:
        """The address whose connections are counted; none (`b""`) for a proxy of ours, which may hold as many as it likes."""
        proxies = self.tracker.proxies
        return b"" if proxies is not None and source in proxies else source

    def readable(self) -> bool:
        """Never: only the maintenance that waitress does when it asks."""
        super().readable()
        return False

    def maintenance(self, now: int) -> None:
        """Close what has nothing to say (waitress) and what says it too slowly (we)."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.request is not None and now - channel.request_since > HEAD_SECONDS:
                channel.will_close = True


class _Workers(ThreadedTaskDispatcher):
    """The threads that answer; unlike waitress's own, `stop` waits until they have really ended."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[threading.Thread] = []

    def start_new_thread(self, target: Callable[[int], object], thread_no: int) -> None:
        thread = threading.Thread(target=target, args=(thread_no,), name=f"tracker-web-{thread_no}", daemon=True)
        self._started.append(thread)
        thread.start()

    def stop(self) -> None:
        self.shutdown(timeout=STOP_SECONDS)
        for thread in self._started:
            thread.join(STOP_SECONDS)


def _connection_limit(wanted: int) -> int:
    """How many connections this system allows us, at most `wanted`: beyond that, accepting would fail over and over."""
    try:
        import resource
    except ImportError:
        return min(wanted, _SELECT_LIMIT)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted + _OTHER_FILES <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + _OTHER_FILES, hard))
        return wanted
    allowed = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - _OTHER_FILES)
    if allowed < wanted:
        _log.warning("this system allows %d open files, so %d connections and not %d", soft, allowed, wanted)
    return allowed

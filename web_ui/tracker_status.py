"""What programs may ask a tracker about itself: `/healthz`, `/stats.json`, and `/metrics` for Prometheus. No BEP rules it.

Counts only: no info-hash, no address of a peer, no passkey, nothing that a peer sent. Who runs a tracker that strangers can reach
and wants to keep even the counts to himself closes these addresses in the proxy before it.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Response, request

from gotorrent import __version__
from gotorrent.clock import Clock
from gotorrent.errors import TrackerError
from gotorrent.tracker.counters import DOORS
from gotorrent.tracker.tracker import Tracker


def add_status(app: Flask, tracker: Tracker, clock: Clock) -> None:
    """Give `app` the three URLs."""
    started = clock.monotonic()

    @app.get("/healthz")
    def health() -> Response:
        """200 while announces can be answered; 503, and why, while the store is away."""
        try:
            tracker.store.totals()
        except TrackerError as error:
            return Response(f"{error}\n", 503, content_type="text/plain; charset=utf-8")
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @app.get("/stats.json")
    def stats() -> Response:
        numbers = {"version": __version__, "uptime": round(clock.monotonic() - started, 1), **_numbers(tracker)}
        return Response(json.dumps(numbers), content_type="application/json")

    @app.get("/metrics")
    def metrics() -> Response:
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(_registry(tracker)), content_type=content_type)


def _numbers(tracker: Tracker) -> dict[str, Any]:
    """Everything that is counted. Without the totals while the store is away."""
    counters = tracker.counters
    try:
        totals = tracker.store.totals()._asdict()
    except TrackerError:
        totals = {}
    return {
        "store_up": bool(totals),
        **totals,
        "unreachable": len(tracker.watch.unreachable()) if tracker.watch is not None else 0,
        "announces": dict(zip(DOORS, counters.announces, strict=True)),
        "scrapes": dict(zip(DOORS, counters.scrapes, strict=True)),
        "refused": dict(zip(DOORS, counters.refused, strict=True)),
        "udp_connects": sum(counters.connects),
        "udp_bad_connections": sum(counters.bad_connections),
    }


_GAUGES = {
    "torrents": "Torrents that have peers",
    "unreachable": "Peers on private addresses that could not be reached on the port they announced",
    "store_up": "1 while the store answers",
}
_BY_DOOR = {
    "announces": "Announces answered with peers",
    "scrapes": "Scrapes answered with counts",
    "refused": "Announces and scrapes answered with a reason",
}
_TOTALS = {
    "downloaded": "Completed downloads",
    "udp_connects": "UDP connection ids handed out",
    "udp_bad_connections": "UDP packets with a forged or outdated connection id",
}


def _registry(tracker: Tracker) -> Any:
    """The numbers as Prometheus wants them, read once per request, and those of this process."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    class Numbers:
        """Reads the numbers when Prometheus asks."""

        def collect(self) -> Any:
            numbers = _numbers(tracker)
            for name, doc in _GAUGES.items():
                if name in numbers:
                    yield GaugeMetricFamily(f"gotorrent_tracker_{name}", doc, value=float(numbers[name]))
            if "seeds" in numbers:
                peers = GaugeMetricFamily("gotorrent_tracker_peers", "Peers, by whether they have everything", labels=["kind"])
                peers.add_metric(["seed"], numbers["seeds"])
                peers.add_metric(["leecher"], numbers["leechers"])
                yield peers
            for name, doc in _TOTALS.items():
                if name in numbers:
                    yield CounterMetricFamily(f"gotorrent_tracker_{name}", doc, value=float(numbers[name]))
            for name, doc in _BY_DOOR.items():
                family = CounterMetricFamily(f"gotorrent_tracker_{name}", doc, labels=["transport", "family"])
                for door, count in numbers[name].items():
                    family.add_metric([door[:-1], f"ipv{door[-1]}"], count)
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers())
    ProcessCollector(registry=registry)
    return registry

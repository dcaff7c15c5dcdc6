from gotorrent.tracker.counters import DOORS, HTTP4, HTTP6, RECENT, UDP4, UDP6, Counters, Event


def test_a_number_for_each_door_and_only_recent_events():
    counters = Counters()
    assert [DOORS[door] for door in (HTTP4, HTTP6, UDP4, UDP6)] == ["http4", "http6", "udp4", "udp6"]
    for kind in (counters.announces, counters.scrapes, counters.refused, counters.connects, counters.bad_connections):
        assert kind == [0] * len(DOORS)
    for when in range(RECENT + 5):
        counters.recent.append(Event(when, 1, bytes(20), bytes(6), True, HTTP4))
    assert len(counters.recent) == RECENT and counters.recent[0].when == 5

"""What waits for a browser that is slow."""

from __future__ import annotations

import asyncio

from demeter.app.live import MOST_WAITING, Notice, ReadingNotice, Subscriber, UsageNotice, notices_in


def take(subscriber: Subscriber) -> tuple[list[Notice], bool] | None:
    return asyncio.run(subscriber.take(0.01))


def test_of_many_readings_of_one_meter_only_the_newest_waits():
    subscriber = Subscriber(1, 2)
    for minute in range(60):
        subscriber.offer(ReadingNotice(1, 2, 3, f"12:{minute:02}"))
    assert take(subscriber) == ([ReadingNotice(1, 2, 3, "12:59")], False)
    assert take(subscriber) == ([], False)


def test_a_client_hopelessly_behind_is_told_to_load_again_and_keeps_nothing():
    subscriber = Subscriber(1, 2)
    for meter in range(MOST_WAITING + 1):
        subscriber.offer(ReadingNotice(1, 2, meter, "12:00"))
    assert take(subscriber) == ([], True)


def test_notices_of_other_sites_and_organizations_never_wait():
    subscriber = Subscriber(1, 2)
    subscriber.offer(ReadingNotice(1, 9, 3, "12:00"))
    subscriber.offer(ReadingNotice(9, 2, 3, "12:00"))
    assert take(subscriber) == ([], False)


def test_a_closed_stream_ends():
    subscriber = Subscriber(1, 2)
    subscriber.close()
    assert take(subscriber) is None


def test_a_service_point_computed_many_times_is_told_once_and_apart_from_its_readings():
    subscriber = Subscriber(1, 2)
    payload = '{"organization": 1, "site": 2, "service_points": [3, 4, 3]}'
    for _ in range(3):
        for notice in notices_in("demeter_usage", payload):
            subscriber.offer(notice)
    subscriber.offer(ReadingNotice(1, 2, 3, "12:00"))
    told, resync = take(subscriber)
    assert told == [UsageNotice(1, 2, 4), UsageNotice(1, 2, 3), ReadingNotice(1, 2, 3, "12:00")]
    assert not resync


def test_notifications_that_are_not_ours_tell_nothing():
    for garbage in ("", "[]", "null", '{"organization": 1, "site": 2}', '{"service_points": [1]}'):
        assert notices_in("demeter_usage", garbage) == notices_in("demeter_readings", garbage) == []

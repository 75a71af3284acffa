"""Time that tests can move, and ids that sort by it."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.kit.clock import ManualClock, SystemClock, new_id


async def test_advancing_wakes_those_whose_time_has_come_in_order() -> None:
    clock = ManualClock()
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (3, 1, 2, 9)]
    await clock.wait_for_sleepers(4)
    clock.advance(3)
    await asyncio.gather(*tasks[:3])
    assert woken == [1, 2, 3]
    assert not tasks[3].done()
    assert clock.sleepers == 1
    tasks[3].cancel()


async def test_a_sleep_that_was_cancelled_leaves_nothing_behind() -> None:
    clock = ManualClock()
    task = asyncio.ensure_future(clock.sleep(5))
    await clock.wait_for_sleepers()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0
    clock.advance(10)


def test_both_faces_of_a_clock_move_together() -> None:
    clock = ManualClock(datetime(2026, 2, 3, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 2, 3, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


def test_the_machines_clock_knows_its_zone() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_ids_are_version_7_and_grow() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    seconds = (ids[0].int >> 80) / 1000
    assert abs(seconds - datetime.now(UTC).timestamp()) < 60

"""Read receipts: told until messaging has them, over broken streams and restarts, and no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.ends.device.device import READS_AT_A_TIME
from tests.ends.device.owner import Owner
from tests.ends.device.pen import Pen
from tests.ends.fakes.town import Town

Switch = Callable[[], Awaitable[Owner]]


async def receive(owner: Owner, pen: Pen, count: int) -> list[str]:
    """So many messages, each seen by its person; their ids."""
    written = [pen.write(owner.person, owner.end_id, f"{n}") for n in range(count)]
    await owner.get(*written)
    for message in owner.device.history():
        owner.device.mark_read(message)
    return [envelope.message_id for envelope in written]


async def test_what_the_person_has_seen_is_told_once(owner: Owner, pen: Pen, town: Town) -> None:
    ids = await receive(owner, pen, 3)
    await owner.until(lambda: set(town.messaging.reads) == set(ids))
    for message in owner.device.history():
        owner.device.mark_read(message)
    [another] = [pen.write(owner.person, owner.end_id, "more")]
    await owner.get(another)
    assert sorted(town.messaging.reads) == sorted(ids)


async def test_more_than_go_into_a_frame_are_all_told(owner: Owner, pen: Pen, town: Town) -> None:
    ids = await receive(owner, pen, READS_AT_A_TIME + 10)
    await owner.until(lambda: set(town.messaging.reads) == set(ids))
    assert len(town.messaging.reads) == len(ids)


async def test_what_was_not_confirmed_is_told_on_the_next_stream(
    owner: Owner, pen: Pen, town: Town
) -> None:
    town.messaging.confirms = False
    ids = await receive(owner, pen, 2)
    await owner.until(lambda: set(town.messaging.reads) == set(ids))
    ids += await receive(owner, pen, 1)
    await owner.until(lambda: set(town.messaging.reads) == set(ids))
    assert len(town.messaging.reads) == len(ids), "on one stream each is told once"
    town.messaging.reads.clear()
    town.messaging.confirms = True
    await town.messaging.break_streams()
    await owner.until(lambda: set(town.messaging.reads) == set(ids))


async def test_receipts_survive_a_restart(
    owner: Owner, pen: Pen, town: Town, switch_on: Switch
) -> None:
    town.messaging.confirms = False
    ids = await receive(owner, pen, 2)
    await owner.switch_off()
    town.messaging.reads.clear()
    town.messaging.confirms = True
    again = await switch_on()
    await again.until(lambda: set(town.messaging.reads) == set(ids))
    assert all(message.read for message in again.device.history())


async def test_what_a_person_wrote_is_not_told_as_read(owner: Owner, pen: Pen, town: Town) -> None:
    await owner.device.reply(pen.business_id, "mine")
    [mine] = owner.device.history()
    owner.device.mark_read(mine)
    ids = await receive(owner, pen, 1)
    await owner.until(lambda: town.messaging.reads)
    assert town.messaging.reads == ids

"""A business's keys: made once, stored before they are published, never too many or too few."""

from __future__ import annotations

import asyncio

import pytest

from services.ends.edge.accounts import ONE_TIME_KEYS_AT_A_TIME, ONE_TIME_KEYS_LEFT_MIN
from services.ends.edge.store import Store
from services.kit.errors import Refusal
from tests.ends.edge.desk import Desk
from tests.ends.fakes.troubles import away

KEYS_OF_A_REQUEST_MAX = 200  # In PublishedKeys.


@pytest.fixture
def newcomer(desk: Desk) -> Desk:
    """An edge process and a business that never called."""
    return Desk(desk.database, desk.identity, desk.vault, desk.clock)


def published(desk: Desk) -> list[bytes]:
    """Every one-time key that identity ever got."""
    return [key.public_key for key in desk.identity.edges[desk.business_id].keys.one_time_keys]


async def own_keys(desk: Desk) -> bytes:
    """The long-term key of the account that is stored."""
    loaded = await desk.accounts.load(desk.business_id)
    assert loaded is not None
    return loaded[0].ed25519_key


async def test_the_first_call_makes_and_publishes_the_keys_and_no_other_does(
    newcomer: Desk,
) -> None:
    replica = newcomer.restart(replica="1")
    await asyncio.gather(
        *(one.accounts.ensure(newcomer.business_id) for one in (newcomer, replica) * 5)
    )
    edge = newcomer.identity.edges[newcomer.business_id]
    assert edge.keys.ed25519_key == await own_keys(newcomer)
    assert edge.keys.HasField("fallback_key")
    assert ONE_TIME_KEYS_AT_A_TIME <= len(published(newcomer)) <= KEYS_OF_A_REQUEST_MAX
    calls = newcomer.identity.troubles.calls["PublishEdgeKeys"]
    await newcomer.restart().accounts.ensure(newcomer.business_id)
    await newcomer.accounts.ensure(newcomer.business_id)
    assert newcomer.identity.troubles.calls["PublishEdgeKeys"] == calls


async def test_while_identity_refuses_every_call_fails_and_no_keys_pile_up(
    newcomer: Desk,
) -> None:
    newcomer.identity.troubles.refusals["PublishEdgeKeys"] = away()
    for _ in range(8):
        with pytest.raises(Refusal):
            await newcomer.restart().accounts.ensure(newcomer.business_id)
    newcomer.identity.troubles.refusals.clear()
    await newcomer.accounts.ensure(newcomer.business_id)
    assert len(published(newcomer)) == ONE_TIME_KEYS_AT_A_TIME


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_crash_while_publishing_loses_no_key_that_identity_has(
    newcomer: Desk, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Cut off before the account is stored with its new keys, and after identity has them."""
    save = Store.save_account
    saved = 0

    async def crash(store: Store, *args: object, **given: object) -> None:
        nonlocal saved
        if saved == steps:
            raise KeyboardInterrupt
        saved += 1
        await save(store, *args, **given)  # type: ignore[arg-type]

    with monkeypatch.context() as crashing:
        crashing.setattr(Store, "save_account", crash)
        with pytest.raises(KeyboardInterrupt):
            await newcomer.accounts.ensure(newcomer.business_id)
    restarted = newcomer.restart()
    await restarted.accounts.ensure(newcomer.business_id)
    loaded = await restarted.accounts.load(newcomer.business_id)
    assert loaded is not None
    assert loaded[0].unpublished_count == 0
    assert len(published(restarted)) == ONE_TIME_KEYS_AT_A_TIME
    assert restarted.identity.edges[newcomer.business_id].keys.ed25519_key == await own_keys(
        restarted
    )


async def test_an_answer_that_was_lost_publishes_the_same_keys_again(newcomer: Desk) -> None:
    newcomer.identity.troubles.lost_answers["PublishEdgeKeys"] = 1
    with pytest.raises(Refusal):
        await newcomer.accounts.ensure(newcomer.business_id)
    await newcomer.accounts.ensure(newcomer.business_id)
    assert len(published(newcomer)) == ONE_TIME_KEYS_AT_A_TIME


async def test_keys_are_replenished_when_few_are_left(desk: Desk) -> None:
    edge = desk.identity.edges[desk.business_id]
    claimed = ONE_TIME_KEYS_AT_A_TIME - ONE_TIME_KEYS_LEFT_MIN
    for number in range(claimed):
        edge.claim()
        await desk.accounts.replenish(desk.business_id, 1)
        assert len(edge.one_time_keys) == ONE_TIME_KEYS_AT_A_TIME - number - 1
    edge.claim()
    await desk.accounts.replenish(desk.business_id, 1)
    assert len(edge.one_time_keys) == ONE_TIME_KEYS_LEFT_MIN - 1 + ONE_TIME_KEYS_AT_A_TIME


async def test_a_process_that_does_not_know_how_many_are_left_asks(desk: Desk) -> None:
    edge = desk.identity.edges[desk.business_id]
    while edge.one_time_keys:
        edge.claim()
    restarted = desk.restart()
    await restarted.accounts.ensure(desk.business_id)
    await restarted.accounts.replenish(desk.business_id, 1)
    assert len(edge.one_time_keys) == ONE_TIME_KEYS_AT_A_TIME + 1

"""What a person types: the demonstration, hudhud call, the example program, the terminal phone."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hudhud.policy.v1 import policy_service_pb2
from services.ends.device.phone import Phone
from services.kit.errors import Refusal
from services.local import call
from services.local.demonstration import play
from services.local.demonstration.story import STEPS, Disappointed, Story
from services.local.errors import LocalError
from services.local.platform import LocalPlatform
from tests.journeys.parties import Parties, receipt, wait_for_delivery

PROJECT = Path(__file__).parents[2]


async def run_python(*arguments: str, state: Path) -> tuple[int, str]:
    """Runs this Python; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=PROJECT,
        env={**os.environ, "HUDHUD_STATE_DIR": str(state), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def test_the_demonstration_turns_out_as_expected_twice(parties: Parties) -> None:
    assert await play.play(parties.doors)
    assert await play.play(parties.doors)


async def test_a_demonstration_that_disappoints_says_so(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def disappoint(_: Story) -> None:
        """Nothing good happens."""
        raise Disappointed("Expected: something good.")

    steps: tuple[Callable[[Story], Awaitable[None]], ...] = (*STEPS[:1], disappoint)
    monkeypatch.setattr(play, "STEPS", steps)
    assert not await play.play(parties.doors)


async def test_any_rpc_can_be_called_by_reflection(
    parties: Parties, capsys: pytest.CaptureFixture[str]
) -> None:
    await call.list_methods(parties.doors, "billing")
    assert "hudhud.billing.v1.BillingService/ListRates" in capsys.readouterr().out
    await call.call(parties.doors, "hudhud.billing.v1.BillingService/ListRates", "{}")
    rates = json.loads(capsys.readouterr().out)["rates"]
    assert "USD" in {rate["price"]["currencyCode"] for rate in rates}


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("ListRates", "{}", "is no method"),
        ("hudhud.billing.v1.BillingService/Steal", "{}", "no method Steal"),
        ("hudhud.billing.v1.ThievingService/ListRates", "{}", "There is no"),
        ("hudhud.billing.v1.BillingService/ListRates", "{not json", "is not a"),
        ("hudhud.billing.v1.BillingService/ListRates", '{"wrong": 1}', "wrong"),
        ("hudhud.nobody.v1.NobodyService/Act", "{}", "nobody"),
    ],
)
async def test_a_wrong_call_is_told_why(
    parties: Parties, method: str, body: str, said: str
) -> None:
    with pytest.raises(LocalError) as error:
        await call.call(parties.doors, method, body)
    assert said in str(error.value)


async def test_a_refused_call_shows_what_broke_its_rules(parties: Parties) -> None:
    with pytest.raises(Refusal) as refused:
        await call.call(parties.doors, "hudhud.billing.v1.BillingService/GetAccount", "{}")
    assert "business_id" in call.explain(refused.value)


async def test_the_example_program_sends_a_receipt(
    parties: Parties, platform: LocalPlatform
) -> None:
    person = await parties.person()
    code, printed = await run_python(
        "examples/send_receipt.py", person.phone_number, state=platform.state
    )
    assert code == 0, printed
    assert "MESSAGE_STATE_DELIVERED" in printed
    assert (await person.next_message()).incoming


async def test_a_phone_at_a_terminal(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    screen = StringIO()
    phone = Phone(person.device, Console(file=screen, width=200), language_code="ar")
    await phone.obey("Hello?")
    assert "Nobody has written to you yet" in screen.getvalue()
    message = receipt(person.phone_number)
    await shop.send(message)
    await phone.show(await person.next_message())
    await wait_for_delivery(shop, message.message_id)
    assert "متجر" in screen.getvalue()
    assert "order 77120" in screen.getvalue()
    for line in ("/to 1", "/consent", "/block", "/unblock", "/withdraw", "/report scam"):
        await phone.obey(line)
    [preference] = await person.device.preferences()
    assert (preference.marketing_consent, preference.blocked) == (False, False)
    quality = await shop.policy.GetQuality(
        policy_service_pb2.GetQualityRequest(business_id=shop.business_id)
    )
    assert quality.reported_count == 1
    for line in ("/to 7", "/report nonsense", "/dance", "/businesses", "/history", "/help"):
        await phone.obey(line)
    for said in ("Name one by its number", "Report as one of", "There is no /dance", "/consent"):
        assert said in screen.getvalue()

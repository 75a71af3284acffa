"""The terminal phone: shows what came, does what is typed, and is not commanded by a message."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hudhud.content.v1 import content_pb2
from services.ends.device.phone import Phone, printable, readable
from tests.ends.device.owner import Owner
from tests.ends.device.pen import Pen
from tests.ends.fakes.town import Town
from tests.ends.fakes.troubles import away


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def phone(owner: Owner, screen: io.StringIO) -> Phone:
    return Phone(owner.device, Console(file=screen, width=100, color_system=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Your order\n\tis here. مرحبا 👋🏽", "Your order\n\tis here. مرحبا 👋🏽"),
        ("\x1b[2J\x1b]0;bank\x07", "�[2J�]0;bank�"),
        ("100\u202e$ tsoc\u202d", "100�$ tsoc�"),
        ("a\r\x00\x9bb", "a���b"),
    ],
)
def test_a_text_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


async def test_a_message_is_shown_as_it_is_whatever_it_contains(
    owner: Owner, pen: Pen, phone: Phone, screen: io.StringIO
) -> None:
    await owner.get(pen.write(owner.person, owner.end_id, "[bold]50%[/] \x1b[31mred"))
    await phone.show(await owner.next())
    assert "[bold]50%[/] �[31mred" in screen.getvalue()


async def test_what_is_typed_is_done(
    owner: Owner, pen: Pen, phone: Phone, screen: io.StringIO, town: Town
) -> None:
    for line in ("hello", "/report", "/nothing"):
        await phone.obey(line)
    assert town.messaging.submitted == []
    assert screen.getvalue().count("Nobody has written to you yet.") == 2
    assert "There is no /nothing" in screen.getvalue()
    await owner.get(pen.write(owner.person, owner.end_id, "A question for you"))
    await phone.obey("/to 2")
    await phone.obey("/to 1")
    await phone.obey("an answer")
    await phone.obey("/report scam")
    assert len(town.messaging.submitted) == 1
    [report] = town.policy.reports
    assert report.content == owner.device.history()[0].content
    await phone.obey("/history")
    assert "A question for you" in screen.getvalue()
    assert "an answer" in screen.getvalue()


async def test_who_follows_a_link_writes_to_its_business_and_says_so_once(
    pen: Pen, phone: Phone, screen: io.StringIO, town: Town
) -> None:
    for link in ("", "https://shop", "hudhud:", "hudhud:shop"):
        await phone.obey(f"/link {link}")
    assert screen.getvalue().count("A link is hudhud: and a business's id.") == 3
    assert screen.getvalue().count("Not done:") == 1
    await phone.obey("hello")
    assert town.messaging.submitted == []
    await phone.obey(f"/link hudhud:{pen.business_id}")
    await phone.obey("hello")
    await phone.obey("are you there?")
    assert [item.came_by_link for item in town.messaging.submitted] == [True, False]


async def test_what_is_refused_is_said(
    owner: Owner, pen: Pen, phone: Phone, screen: io.StringIO, town: Town
) -> None:
    await owner.get(pen.write(owner.person, owner.end_id, "text"))
    await phone.obey("/to 1")
    town.policy.troubles.refusals["ReportMessage"] = away()
    await phone.obey("/consent")
    assert "Not done:" in screen.getvalue()


def test_every_content_can_be_read() -> None:
    for name, body in {
        "text": content_pb2.Text(body="words"),
        "template": content_pb2.Template(rendered="words"),
        "media": content_pb2.Media(media_type="image/png", caption="words"),
        "interactive": content_pb2.Interactive(body="words"),
        "choice": content_pb2.Choice(choice_id="1", label="words"),
    }.items():
        assert "words" in readable(content_pb2.Content(**{name: body}))  # type: ignore[arg-type]

"""Senders of codes: the terminal, and a file."""

import asyncio
import io
import json
import stat
from pathlib import Path

import pytest

from services.identity.codes import CodeNotSent, ConsoleCodeSender, FileCodeSender
from services.identity.domain.phone_numbers import PhoneNumber
from services.kit.clock import ManualClock

NUMBER = PhoneNumber("+963944123456", "SY")


async def test_the_terminal_shows_the_code_in_both_languages() -> None:
    terminal = io.StringIO()
    await ConsoleCodeSender(terminal).send(NUMBER, "123456")
    shown = terminal.getvalue()
    assert shown.count("123456") >= 2
    assert NUMBER.e164 in shown
    assert "رمز" in shown
    terminal.close()
    with pytest.raises(CodeNotSent):
        await ConsoleCodeSender(terminal).send(NUMBER, "123456")


async def test_the_file_gets_a_line_for_each_code_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "codes.jsonl"
    clock = ManualClock()
    senders = [FileCodeSender(path, clock) for _ in range(3)]
    codes = [f"{number:06}" for number in range(60)]
    await asyncio.gather(
        *(senders[number % 3].send(NUMBER, code) for number, code in enumerate(codes))
    )
    messages = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(message["code"] for message in messages) == codes
    assert {message["phone_number"] for message in messages} == {NUMBER.e164}
    assert {message["time"] for message in messages} == {clock.now().isoformat()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_cannot_be_written_says_so_without_the_number(tmp_path: Path) -> None:
    with pytest.raises(CodeNotSent) as failed:
        await FileCodeSender(tmp_path, ManualClock()).send(NUMBER, "123456")
    assert NUMBER.e164 not in str(failed.value)
    assert "123456" not in str(failed.value)

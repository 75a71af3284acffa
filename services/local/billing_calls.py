"""Owns how the commands of `hudhud billing` call, and how they read what was typed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.local.errors import LocalError
from services.local.state import state_folder

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from services.local.parties import Caller

# As in cli.py, what a command needs is imported when it is called.

Work = Callable[["Caller"], Awaitable[Any]]

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
currency_option = click.option("--currency", required=True, help="Of the card, as in ISO 4217.")
id_option = click.option("--id", "id_", default="", help="A UUID; the same again, once only.")


def as_operator(work: Work) -> Any:
    """What a call gives, as the operator of this machine."""
    return as_business("", work)


def as_business(api_key: str, work: Work) -> Any:
    """What a call gives, as the business of this key; without one, as the operator."""
    from services.local.parties import Caller, Doors

    async def call() -> Any:
        doors = Doors(state_folder())
        async with Caller(doors, api_key or doors.operator_credential()) as caller:
            return await work(caller)

    return asyncio.run(call())


def text_of(file: Path) -> str:
    """The text of a file."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LocalError(f"{file} is not text in UTF-8.") from None


def time_of(text: str) -> Timestamp:
    """A time that somebody typed: a day begins at 00:00 UTC."""
    from google.protobuf.timestamp_pb2 import Timestamp

    time = Timestamp()
    try:
        time.FromJsonString(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        raise LocalError(f"{text} is no time such as 2026-10-01 or 2026-10-01T00:00:00Z.") from None
    return time


def micros_typed(text: str) -> int:
    """Micros of an amount that somebody typed in the main unit."""
    from services.billing.domain.money import micros_of

    try:
        return micros_of(text)
    except ValueError as error:
        raise LocalError(f"{text} {error}.") from None

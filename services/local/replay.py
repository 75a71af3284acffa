"""`hudhud replay`: sends each line of a JSONL file down the whole road, and counts what happened.

Each line is an object with `id` and `text`, and optionally `lang` and `label`. Nothing may be lost:
every line ends delivered, blocked, refused, or malformed and named by its number.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1 import edge_service_pb2
from hudhud.policy.v1 import evidence_pb2
from services.kit.clock import new_id
from services.local.demonstration.rates import CURRENCY_CODE, rates
from services.local.errors import LocalError
from services.local.frames import send_frames
from services.local.parties import MICROS, Business, Doors, Operator, open_phone, text_message
from services.local.terminal import console

PHONE_NUMBER: Final = "+963944000001"
FRAME_ITEMS: Final = 64
ARRIVAL_SECONDS: Final = 60.0
SENDINGS_MAX = 5
AGAIN_SECONDS = 1.0  # of a pause before the second sending; twice that before the third
# After these the message may be on its way all the same; sent again, it gets its first answer.
UNDECIDED: Final = frozenset({"DEADLINE_EXCEEDED", "DEPENDENCY_UNAVAILABLE", "OVERLOADED"})
NO_LABEL: Final = "(none)"

KINDS: Final = {"direct": clearance_pb2.KIND_DIRECT, "reply": clearance_pb2.KIND_REPLY}
CATEGORIES: Final = {
    "utility": clearance_pb2.CATEGORY_UTILITY,
    "authentication": clearance_pb2.CATEGORY_AUTHENTICATION,
    "marketing": clearance_pb2.CATEGORY_MARKETING,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A sound line of the file."""

    number: int
    id: str
    text: str
    language: str
    label: str


@dataclass
class Tally:
    """What became of the lines, by id."""

    lines: dict[str, Line] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    malformed: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0

    def counts(self) -> dict[str, Counter[str]]:
        """How many lines of each label came to each outcome."""
        found: dict[str, Counter[str]] = {}
        for message_id, line in self.lines.items():
            found.setdefault(line.label, Counter())[self.outcomes.get(message_id, "lost")] += 1
        return found


def read_lines(file: Path, malformed: list[tuple[int, str]]) -> Iterator[Line]:
    """The sound lines; what is wrong with the others is added to `malformed` with their numbers.

    Raises LocalError for a file that cannot be read.
    """
    try:
        with _open(file) as stream:
            for number, text in enumerate(stream, 1):
                if not text.strip():
                    continue
                try:
                    yield _line(number, text)
                except ValueError as error:
                    malformed.append((number, str(error)))
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise LocalError(f"{file} cannot be read: {error}") from error


def _open(file: Path) -> TextIO:
    # Bytes that are not UTF-8 become U+FFFD: such a line is judged as it would arrive, not lost.
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", errors="replace")
    return file.open(encoding="utf-8", errors="replace")


def _line(number: int, text: str) -> Line:
    """Raises ValueError that says what is wrong."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(found, dict):
        raise ValueError("not an object")
    for name in ("id", "text"):
        if name not in found:
            raise ValueError(f'"{name}" is missing')
    if not isinstance(found["text"], str):
        raise ValueError('"text" is not text')
    try:
        found["text"].encode()
    except UnicodeEncodeError as error:
        raise ValueError('"text" has half a character (a lone surrogate)') from error
    return Line(
        number,
        str(found["id"]),
        found["text"],
        str(found.get("lang") or ""),
        str(found.get("label") or NO_LABEL),
    )


class Replay:
    """One run of a file."""

    def __init__(self, doors: Doors, file: Path, *, kind: str, category: str, limit: int) -> None:
        self._doors = doors
        self._file = file
        self._kind = KINDS[kind]
        self._category = (
            CATEGORIES[category] if kind == "direct" else clearance_pb2.CATEGORY_UNSPECIFIED
        )
        self._limit = limit
        self._waiting: set[str] = set()
        self._everything_arrived = asyncio.Event()
        self._arrived: set[str] = set()
        self.tally = Tally()
        self.faults: list[str] = []
        self.charged_micros = 0

    async def run(self) -> None:
        """Sends everything and waits until everything that was accepted has arrived."""
        lines = await asyncio.to_thread(self._read)
        async with AsyncExitStack() as stack:
            operator = await stack.enter_async_context(Operator(self._doors))
            await operator.ensure_rates(rates())
            business_id, api_key = await operator.register_business(
                "Replay", {}, credit_micros=1_000_000 * MICROS, currency_code=CURRENCY_CODE
            )
            business = await stack.enter_async_context(
                Business(self._doors, "Replay", business_id, api_key)
            )
            phone = await open_phone(self._doors, PHONE_NUMBER)
            await stack.enter_async_context(phone)
            if self._kind == clearance_pb2.KIND_REPLY:
                await phone.reply(business_id, "Hello, are you there?")
            receiving = asyncio.get_running_loop().create_task(self._receive(phone))
            start = time.monotonic()
            try:
                await self._send_all(business, lines)
                await self._wait_for_arrivals()
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
            self.tally.seconds = time.monotonic() - start
            await self._check_money(operator, business)

    def _read(self) -> list[Line]:
        lines = list(read_lines(self._file, self.tally.malformed))
        if self._limit and len(lines) > self._limit:
            # Evenly over the file, which is how sources and labels keep their shares.
            step = len(lines) / self._limit
            lines = [lines[int(position * step)] for position in range(self._limit)]
        return lines

    async def _send_all(self, business: Business, lines: list[Line]) -> None:
        """Sends the lines, and what a busy machine left undecided again, under the same ids."""
        self.tally.lines = {str(new_id()): line for line in lines}
        undecided = await self._send(business, list(self.tally.lines))
        for sending in range(1, SENDINGS_MAX):
            if undecided:
                await asyncio.sleep(sending * AGAIN_SECONDS)
                undecided = await self._send(business, [item.message_id for item in undecided])
        for outcome in undecided:
            self._note(outcome)

    async def _send(
        self, business: Business, message_ids: list[str]
    ) -> list[edge_service_pb2.SendOutcome]:
        """Sends them once, notes what became of them, and returns what is undecided."""
        undecided: list[edge_service_pb2.SendOutcome] = []
        with Progress(
            TextColumn("sending"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.0f} a second"),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            task = progress.add_task("", total=len(message_ids), rate=0.0)
            started = time.monotonic()
            done = 0

            def answered(response: edge_service_pb2.SendMessagesResponse) -> None:
                nonlocal done
                for outcome in response.outcomes:
                    if outcome.refusal.reason in UNDECIDED:
                        undecided.append(outcome)
                    else:
                        self._note(outcome)
                done += len(response.outcomes)
                rate = done / max(time.monotonic() - started, 0.001)
                progress.update(task, completed=done, rate=rate)

            frames = (
                edge_service_pb2.SendMessagesRequest(
                    messages=map(self._message, message_ids[start : start + FRAME_ITEMS])
                )
                for start in range(0, len(message_ids), FRAME_ITEMS)
            )
            await send_frames(business, frames, answered)
        return undecided

    def _message(self, message_id: str) -> edge_service_pb2.OutgoingMessage:
        message = text_message(
            PHONE_NUMBER,
            self.tally.lines[message_id].text,
            kind=self._kind,
            category=self._category,
        )
        message.message_id = message_id
        return message

    def _note(self, outcome: edge_service_pb2.SendOutcome) -> None:
        match outcome.WhichOneof("outcome"):
            case "accepted":
                self.charged_micros += outcome.accepted.price.amount_micros
                if outcome.message_id in self._arrived:
                    self.tally.outcomes[outcome.message_id] = "delivered"
                else:
                    self._waiting.add(outcome.message_id)
            case "blocked":
                self.tally.outcomes[outcome.message_id] = "blocked"
                for code in {evidence.code for evidence in outcome.blocked.evidence}:
                    name = evidence_pb2.Evidence.Code.Name(code).removeprefix("CODE_")
                    self.tally.reasons["blocked", name] += 1
            case _:
                self.tally.outcomes[outcome.message_id] = "refused"
                self.tally.reasons["refused", outcome.refusal.reason] += 1

    async def _receive(self, phone: Any) -> None:
        async for message in phone.messages():
            self._arrived.add(message.message_id)
            if message.message_id in self._waiting:
                self._waiting.discard(message.message_id)
                self.tally.outcomes[message.message_id] = "delivered"
            if not self._waiting:
                self._everything_arrived.set()

    async def _wait_for_arrivals(self) -> None:
        """Waits as long as something still arrives."""
        while self._waiting:
            before = len(self._waiting)
            self._everything_arrived.clear()
            try:
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    await self._everything_arrived.wait()
            except TimeoutError:
                if len(self._waiting) == before:
                    return

    async def _check_money(self, operator: Operator, business: Business) -> None:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while (account := await business.account()).reserved.amount_micros:
            if time.monotonic() > deadline:
                self.faults.append("money is still reserved although everything has arrived")
                break
            await asyncio.sleep(0.1)
        spent = 1_000_000 * MICROS - account.available.amount_micros
        if spent != self.charged_micros:
            self.faults.append(
                f"charged {spent} micros, where what was accepted costs {self.charged_micros}"
            )
        self.faults.extend((await operator.check_ledger()).faults)


def show(replay: Replay) -> None:
    """Prints what became of the lines."""
    tally = replay.tally
    counts = tally.counts()
    columns = ["delivered", "blocked", "refused", "lost"]
    table = Table("label", *columns, "in all", "blocked share", title="What became of each line")
    for label in sorted(counts):
        row = counts[label]
        total = sum(row.values())
        table.add_row(
            escape(label),
            *(str(row[column]) for column in columns),
            str(total),
            f"{row['blocked'] / total:.1%}",
        )
    console.print(table)
    for (outcome, reason), count in tally.reasons.most_common():
        console.print(f"  {outcome:8} {reason:32} {count}")
    for number, problem in tally.malformed[:20]:
        console.print(f"  [yellow]line {number}[/]: {escape(problem)}")
    if len(tally.malformed) > 20:
        console.print(f"  and {len(tally.malformed) - 20} more malformed lines")
    rate = len(tally.outcomes) / tally.seconds if tally.seconds else 0
    console.print(f"{len(tally.outcomes)} messages in {tally.seconds:.1f} s: {rate:.0f} a second")
    if replay.faults:
        for fault in replay.faults:
            console.print(f"[red]✗[/] {fault}")
    else:
        console.print("[green]✓[/] The ledger holds, and is charged exactly what was delivered.")


def report(replay: Replay) -> dict[str, Any]:
    """The same for machines. No text of any message is in it."""
    tally = replay.tally
    return {
        "counts": {label: dict(row) for label, row in tally.counts().items()},
        "reasons": [
            {"outcome": outcome, "reason": reason, "count": count}
            for (outcome, reason), count in tally.reasons.most_common()
        ],
        "malformed": [{"line": number, "problem": text} for number, text in tally.malformed],
        "seconds": tally.seconds,
        "messages_per_second": len(tally.outcomes) / tally.seconds if tally.seconds else 0,
        "charged_micros": replay.charged_micros,
        "ledger_faults": replay.faults,
        "items": [
            {
                "id": line.id,
                "label": line.label,
                "lang": line.language,
                "outcome": tally.outcomes.get(message_id, "lost"),
            }
            for message_id, line in tally.lines.items()
        ],
    }


def succeeded(replay: Replay) -> bool:
    """Whether nothing was lost and the money is right."""
    lost = sum(row["lost"] for row in replay.tally.counts().values())
    return lost == 0 and not replay.faults

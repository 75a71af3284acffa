"""Plays the story with a progress display and shows what became of each message."""

from __future__ import annotations

from contextlib import AsyncExitStack

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.kit.errors import Refusal
from services.local.demonstration.story import (
    PHONE_NUMBER,
    STEPS,
    Disappointed,
    Story,
    money,
)
from services.local.parties import Doors
from services.local.terminal import console

_OUTCOME_COLOURS = {"delivered": "green", "blocked": "red", "refused": "yellow"}


async def play(doors: Doors, phone_number: str = PHONE_NUMBER) -> bool:
    """Plays the whole story; returns whether everything turned out as expected."""
    console.print("\n[bold]The demonstration[/]: an airline, a shop, and Layla in Damascus.\n")
    async with AsyncExitStack() as stack:
        story = Story(doors, stack, phone_number)
        if not await _play_steps(story):
            return False
        _show(story)
    return True


async def _play_steps(story: Story) -> bool:
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=len(STEPS))
        for step in STEPS:
            sentence = (step.__doc__ or "").strip()
            progress.update(task, description=sentence)
            try:
                await step(story)
            except (Disappointed, Refusal, TimeoutError) as error:
                reason = str(error) or "nothing happened for too long."
                progress.console.print(f"  [red]✗[/] {sentence}")
                progress.console.print(f"    {reason}", markup=False)
                return False
            progress.console.print(f"  [green]✓[/] {sentence}")
            progress.advance(task)
    return True


def _show(story: Story) -> None:
    table = Table("", "from", "message", "outcome", "category", "cost", title="What happened")
    for number, row in enumerate(story.rows, 1):
        colour = _OUTCOME_COLOURS[row.outcome]
        table.add_row(
            str(number),
            row.sender,
            row.what,
            f"[{colour}]{row.outcome}[/]",
            row.category,
            "free" if row.cost_micros == 0 else row.cost,
        )
    console.print(table)
    for number, row in enumerate(story.rows, 1):
        if row.note:
            console.print(f"  {number}: {row.note}", markup=False, soft_wrap=True)
    console.print()

    balances = Table("account", "available", "reserved", title="Balances")
    for name, account in story.accounts:
        balances.add_row(name, money(account.available), money(account.reserved))
    console.print(balances)

    assert story.ledger is not None
    ledger = Table("currency", "debits", "credits", "revenue", "entries", title="The ledger")
    for currency in story.ledger.currencies:
        ledger.add_row(
            currency.debits.currency_code,
            money(currency.debits),
            money(currency.credits),
            money(currency.revenue),
            str(currency.entry_count),
        )
    console.print(ledger)
    console.print("[green]The ledger holds: debits equal credits, and no fault was found.[/]")

"""Owns ExportLabels."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from services.kit.database import Database
from services.policy.domain.labels import LabelEntry
from services.policy.store import labels

ENTRIES_AT_A_TIME: Final = 100


async def export_labels(database: Database) -> AsyncGenerator[list[LabelEntry], None]:
    """All that stands and all that was withdrawn, as it was at one moment, some at a time."""
    async with database.transaction(
        "export_labels", isolation="repeatable_read", read_only=True
    ) as connection:
        some: list[LabelEntry] = []
        async for entry in labels.stream(connection):
            some.append(entry)
            if len(some) == ENTRIES_AT_A_TIME:
                yield some
                some = []
        if some:
            yield some

"""Owns how a business is told about its money: an event, once a day for each level it has set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import uuid5

from services.billing import wire
from services.billing.domain.alerts import Alert
from services.billing.store.usage import insert_alerts
from services.kit import outbox
from services.kit.database import Connection
from services.kit.outbox import Event

SUBJECT: Final = "hudhud.billing.account.alert"


async def tell(connection: Connection, alerts: Sequence[Alert], now: datetime) -> None:
    """Write down who is to be told, unless they were today; the relay does the rest."""
    told = await insert_alerts(connection, alerts, now)
    await outbox.append(
        connection,
        [
            Event(
                uuid5(alert.business_id, f"{alert.kind} {alert.level} {alert.day}"),
                SUBJECT,
                wire.alert(alert, now).SerializeToString(),
            )
            for alert in told
        ],
    )

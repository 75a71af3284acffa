"""Owns what billing tells of itself in numbers."""

from __future__ import annotations

from typing import Final

from prometheus_client import Gauge

from services.billing.store.reservations import SAMPLE
from services.kit.metrics import Sample

RESERVATIONS: Final = Sample(
    SAMPLE,
    (Gauge("hudhud_reservations_open", "Messages that money is held for, about"),),
)

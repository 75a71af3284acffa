"""Owns what billing tells of itself in numbers."""

from __future__ import annotations

from typing import Final

from prometheus_client import Gauge

from services.kit.metrics import Sample

# An estimate, kept by PostgreSQL itself: counting for real would read every row.
RESERVATIONS: Final = Sample(
    "SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'open_reservations'",
    (Gauge("hudhud_reservations_open", "Messages that money is held for, about"),),
)

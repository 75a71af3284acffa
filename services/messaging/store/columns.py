"""Owns the turning of rows into columns, which is how a batch goes into `unnest`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def columns(rows: Iterable[Sequence[Any]], count: int) -> Sequence[Sequence[Any]]:
    """Rows as `count` columns, which are empty where there are no rows."""
    return list(zip(*rows, strict=True)) or [()] * count

"""The figures that `make bench` measured and that are kept here, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Final

MEASURED: Final = Path(__file__).parent / "measured.json"

PROCESSES: Final = ("edge", "policy", "messaging", "billing", "identity", "postgres", "nats")
SERVICES: Final = PROCESSES[:5]


class Figures(Mapping[str, float]):
    """What was measured. A figure that was not raises KeyError with its name."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = dict(values)

    @classmethod
    def read(cls, file: Path = MEASURED) -> Figures:
        """The figures in a `bench.json`. Raises ValueError for what is none, and OSError."""
        values: dict[str, float] = {}
        listed = json.loads(file.read_text("utf-8"))
        if not isinstance(listed, list):
            raise ValueError(f"{file.name} has no list of figures")
        for figure in listed:
            match figure:
                case {"name": str(name), "value": int() | float() as value} if isfinite(value):
                    values[name] = float(value)
                case _:
                    raise ValueError(f"{file.name}: {figure!r} is no figure")
        return cls(values)

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def cpu(self, stage: str, process: str) -> float:
        """Microseconds of one process for one message (or stream) of a stage."""
        return self[f"cpu_{stage}_{process}"]

    def road_cpu(self, process: str) -> float:
        """Microseconds for one message from acceptance to the charge: sent singly, 64 at once."""
        return self.cpu("unary_64_at_once", process) + self.cpu("delivery", process)

    def total(self, prefix: str) -> float:
        """The sum of all figures whose names begin so."""
        found = [value for name, value in self._values.items() if name.startswith(prefix)]
        if not found:
            raise KeyError(prefix)
        return sum(found)

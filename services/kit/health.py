"""Owns what the standard health service (grpc.health.v1) says of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.errors import CommonReasons, Refusal

SERVICE_NAME = "grpc.health.v1.Health"
# The name to ask for whether the process is alive at all: it is, from the first moment to the last,
# as long as it answers. Whoever starts what hangs asks this, and leaves alone what is just not
# ready, or finishes before it stops.
ALIVE = "alive"

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """NOT_SERVING until told otherwise; the empty name stands for the whole process."""

    def __init__(self) -> None:
        self._statuses: dict[str, Any] = {"": _Status.NOT_SERVING, ALIVE: _Status.SERVING}
        self._changed = asyncio.Condition()

    async def serving(self, names: Iterable[str]) -> None:
        """These services, and so the process, answer calls now."""
        await self._change(dict.fromkeys(["", *names], _Status.SERVING))

    async def stopping(self) -> None:
        """Nothing takes new calls any more."""
        await self._change(dict.fromkeys(self._statuses.keys() - {ALIVE}, _Status.NOT_SERVING))

    async def _change(self, statuses: dict[str, Any]) -> None:
        async with self._changed:
            self._statuses.update(statuses)
            self._changed.notify_all()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """The status now."""
        status = self._statuses.get(request.service)
        if status is None:
            raise Refusal(
                CommonReasons.SERVICE_UNKNOWN, metadata={"service": request.service[:100]}
            )
        return _Status(status=status)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Every status now."""
        return health_pb2.HealthListResponse(
            statuses={name: _Status(status=status) for name, status in self._statuses.items()}
        )

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ARG002, N802
        """The status now, and each time it changes."""
        told = None
        while True:
            async with self._changed:
                while (status := self._status(request.service)) == told:
                    await self._changed.wait()
            yield _Status(status=status)
            told = status

    def _status(self, name: str) -> Any:
        return self._statuses.get(name, _Status.SERVICE_UNKNOWN)

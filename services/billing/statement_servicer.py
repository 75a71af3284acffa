"""Owns the translation between the calls of `hudhud.billing.v1.StatementService` and actions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hudhud.billing.v1 import statement_service_pb2 as pb
from hudhud.billing.v1 import statement_service_pb2_grpc
from services.billing import statement_wire as wire
from services.billing.actions.get_statement import get_statement
from services.billing.actions.get_usage import get_usage
from services.kit.access import current_caller
from services.kit.database import Database


class StatementServicer(statement_service_pb2_grpc.StatementServiceServicer):
    """Translates, and decides nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetStatement(
        self, request: pb.GetStatementRequest, context: Any
    ) -> pb.GetStatementResponse:
        current_caller().must_act_for(request.business_id)
        statement = await get_statement(
            self._database, UUID(request.business_id), request.first_day, request.last_day
        )
        return pb.GetStatementResponse(statement=wire.statement(statement))

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        current_caller().must_act_for(request.business_id)
        usage = await get_usage(
            self._database, UUID(request.business_id), request.first_day, request.last_day
        )
        return pb.GetUsageResponse(
            series=[wire.series(key, points, usage.currency_code) for key, points in usage.series]
        )

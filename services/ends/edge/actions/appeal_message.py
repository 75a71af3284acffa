"""Appealing: a message that was blocked is made again as it was, and shown to a reviewer."""

from __future__ import annotations

from hudhud.policy.v1 import appeal_pb2
from services.ends.edge.actions.prepare import Preparer
from services.ends.edge.domain import Outgoing
from services.ends.edge.ports import Appeals
from services.kit.errors import Refusal


class AppealMessage:
    """Appeals for businesses."""

    def __init__(self, preparer: Preparer, appeals: Appeals) -> None:
        self._preparer = preparer
        self._appeals = appeals

    async def __call__(self, message: Outgoing, statement: str) -> appeal_pb2.Appeal:
        """The appeal, now or as it was made before. Raises Refusal.

        The franking key is derived from the message, so that the same message commits to the same.
        """
        [prepared] = await self._preparer.prepare([message])
        if isinstance(prepared, Refusal):
            raise prepared
        return await self._appeals.appeal(prepared, statement)

"""Looking up what became of an appeal."""

from __future__ import annotations

from hudhud.policy.v1 import appeal_pb2
from services.ends.edge.ports import Appeals


async def get_appeal(appeals: Appeals, business_id: str, message_id: str) -> appeal_pb2.Appeal:
    """As policy tells it. Raises Refusal."""
    return await appeals.get_appeal(business_id, message_id)

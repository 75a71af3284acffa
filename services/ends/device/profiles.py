"""Who the businesses are: their names, their edges' keys, and the ids they know this person by."""

from __future__ import annotations

from hudhud.identity.v1 import business_pb2, identity_service_pb2
from services.ends.device.platform import Connections, may_pass
from services.kit.errors import Refusal


class Profiles:
    """Profiles as identity tells them, remembered while the device runs."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._profiles: dict[str, business_pb2.BusinessProfile] = {}

    async def get(self, business_id: str) -> business_pb2.BusinessProfile:
        """A business's profile. Raises Refusal."""
        profile = self._profiles.get(business_id)
        if profile is None:
            profile = await self.refresh(business_id)
        return profile

    async def refresh(self, business_id: str) -> business_pb2.BusinessProfile:
        """The same, asked anew. Raises Refusal."""
        response = await self._connections.identity.GetBusinessProfile(
            identity_service_pb2.GetBusinessProfileRequest(business_id=business_id)
        )
        profile: business_pb2.BusinessProfile = response.profile
        self._profiles[business_id] = profile
        return profile

    async def latest(self, business_id: str) -> business_pb2.BusinessProfile:
        """The same, or the one that is remembered while identity does not answer."""
        try:
            return await self.refresh(business_id)
        except Refusal as refusal:
            if may_pass(refusal) and business_id in self._profiles:
                return self._profiles[business_id]
            raise

    async def edge(self, business_id: str, end_id: str) -> business_pb2.EndKeys | None:
        """The keys of one of a business's edges, or None if identity knows no such edge of it."""
        for ask in (self.get, self.refresh):
            for edge in (await ask(business_id)).edges:
                if edge.end_id == end_id:
                    return edge
        return None


def display_name(profile: business_pb2.BusinessProfile, language_code: str) -> str:
    """The business's name in a language, or its general one."""
    names = profile.business.localized_display_names
    return names.get(language_code) or profile.business.display_name

"""Preparing: from what a business's program says to something that can be screened and sealed."""

from __future__ import annotations

from collections.abc import Sequence

from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import Category, Kind, Outgoing, Prepared, Wording
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.vault import derive
from services.ends.edge.wordings import Wordings, fill_in
from services.ends.sealing.commitments import commit, derive_franking_key
from services.kit.errors import Refusal

DECLARABLE = (Category.UTILITY, Category.AUTHENTICATION, Category.MARKETING)


class Preparer:
    """Resolves, renders and commits, a batch at a time."""

    def __init__(self, contacts: Contacts, wordings: Wordings, franking_secret: bytes) -> None:
        self._contacts = contacts
        self._wordings = wordings
        self._franking_secret = derive(franking_secret, "hudhud.edge.franking.v1")

    async def prepare(self, messages: Sequence[Outgoing]) -> list[Prepared | Refusal]:
        """Each message ready to be screened, or why it makes no sense."""
        contacts = await self._contacts.resolve(
            {
                (message.business_id, message.phone_number)
                for message in messages
                if not message.contact_id
            }
        )
        wordings = await self._wordings.find(
            (message.business_id, message.template.name, message.template.language_code)
            for message in messages
            if message.template is not None
        )
        return [self._prepare(message, contacts, wordings) for message in messages]

    def _prepare(
        self,
        message: Outgoing,
        contacts: dict[tuple[str, str], str | Refusal],
        wordings: dict[tuple[str, str, str], Wording | Refusal],
    ) -> Prepared | Refusal:
        try:
            check_kind(message)
            contact_id: str | Refusal = (
                message.contact_id or contacts[message.business_id, message.phone_number]
            )
            if isinstance(contact_id, Refusal):
                return contact_id
            content = message.content
            if message.template is not None:
                call = message.template
                wording = wordings[message.business_id, call.name, call.language_code]
                if isinstance(wording, Refusal):
                    return wording
                content = fill_in(wording, call, message.reply_to_message_id)
        except Refusal as refusal:
            return refusal
        franking_key = derive_franking_key(
            self._franking_secret, f"{message.business_id}/{message.message_id}", content
        )
        return Prepared(
            message_id=message.message_id,
            business_id=message.business_id,
            contact_id=contact_id,
            kind=message.kind,
            category=message.category,
            content=content,
            franking_key=franking_key,
            commitment=commit(content, franking_key),
            time_to_live=message.time_to_live,
        )


def check_kind(message: Outgoing) -> None:
    """That kind, category and content go together. Raises Refusal."""
    if (message.kind is Kind.TEMPLATE) != (message.template is not None):
        raise Refusal(EdgeReasons.KIND_CONTENT_MISMATCH)
    if message.kind is Kind.DIRECT:
        if message.category not in DECLARABLE:
            raise Refusal(EdgeReasons.CATEGORY_REQUIRED)
    elif message.category is not Category.UNSPECIFIED:
        raise Refusal(EdgeReasons.CATEGORY_NOT_ALLOWED)

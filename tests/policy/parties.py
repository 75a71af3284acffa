"""Who takes part in the tests of policy: businesses that write, people who decide."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import evidence_pb2, template_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.clock import new_id
from tests.policy.house import Replica

TEMPLATE = clearance_pb2.KIND_TEMPLATE
DIRECT = clearance_pb2.KIND_DIRECT
REPLY = clearance_pb2.KIND_REPLY

UNSPECIFIED = clearance_pb2.CATEGORY_UNSPECIFIED
UTILITY = clearance_pb2.CATEGORY_UTILITY
AUTHENTICATION = clearance_pb2.CATEGORY_AUTHENTICATION
MARKETING = clearance_pb2.CATEGORY_MARKETING
SERVICE = clearance_pb2.CATEGORY_SERVICE

# Written for these tests.
RECEIPT = (
    "Receipt 4471: you paid 38,500 SYP for order 90213 at our Aleppo branch. Keep it for returns."
)
RECEIPT_ARABIC = "إيصال رقم ٤٤٧١: دفعت ٣٨٥٠٠ ليرة عن الطلب ٩٠٢١٣ في فرع حلب. احتفظ به عند الإرجاع."
OFFER = (
    "MEGA SALE this weekend only! Up to 70% OFF everything in store. "
    "Buy one get one free, shop now and save big!"
)
OFFER_ARABIC = (
    "تخفيضات كبرى هذا الأسبوع فقط! خصم حتى ٧٠٪ على جميع المنتجات، اشترِ قطعة واحصل على الثانية "
    "مجانًا. تسوق الآن ولا تفوّت العرض!"
)
SCAM = (
    "Congratulations! You won a prize of $5,000. Claim it now: send your bank card number and PIN "
    "at http://win-prize.top/claim before midnight."
)


def text(body: str) -> content_pb2.Content:
    """A content that is plain text."""
    return content_pb2.Content(text=content_pb2.Text(body=body))


@dataclass(frozen=True)
class Person:
    """A person with a device."""

    replica: Replica
    person_id: UUID = field(default_factory=uuid4)
    device_id: UUID = field(default_factory=uuid4)

    async def device(self, replica: Replica | None = None) -> Any:
        """A stub, as the person's device."""
        return await (replica or self.replica).device(self.person_id, self.device_id)


@dataclass(frozen=True)
class Business:
    """A business that sends."""

    replica: Replica
    business_id: UUID = field(default_factory=uuid4)

    def contact_id(self, person: Person) -> str:
        """The id by which this business knows the person."""
        return self.replica.house.pairwise.seal(self.business_id, person.person_id, "SY")

    async def stub(self) -> Any:
        """A stub on the public listener, as this business."""
        return await self.replica.business(self.business_id)

    def item(
        self,
        person: Person,
        content: content_pb2.Content | bytes | str,
        kind: Any = DIRECT,
        category: Any = None,
        **said: Any,
    ) -> pb.ScreenItem:
        """A message as an edge hands it in; `said` changes what it says."""
        if isinstance(content, str):
            content = text(content)
        data = (
            content if isinstance(content, bytes) else content.SerializeToString(deterministic=True)
        )
        franking_key = said.pop("franking_key", secrets.token_bytes(32))
        given: dict[str, Any] = {
            "message_id": str(new_id()),
            "business_id": str(self.business_id),
            "contact_id": self.contact_id(person),
            "kind": kind,
            "category": (UTILITY if kind == DIRECT else UNSPECIFIED)
            if category is None
            else category,
            "content": data,
            "franking_key": franking_key,
            "commitment": hmac.digest(franking_key, data, hashlib.sha256),
        }
        return pb.ScreenItem(**{**given, **said})

    async def screen(
        self, *items: pb.ScreenItem, replica: Replica | None = None
    ) -> list[pb.ScreenOutcome]:
        """Have messages screened, as an edge does."""
        edge = await (replica or self.replica).service()
        response = await edge.ScreenMessages(pb.ScreenMessagesRequest(items=items))
        return list(response.outcomes)

    async def allowed(self, item: pb.ScreenItem) -> pb.Allowed:
        """Have one message screened that must be allowed."""
        [outcome] = await self.screen(item)
        assert outcome.WhichOneof("outcome") == "allowed", outcome
        return outcome.allowed

    async def blocked(self, item: pb.ScreenItem) -> list[evidence_pb2.Evidence]:
        """Have one message screened that must be blocked; what is against it."""
        [outcome] = await self.screen(item)
        assert outcome.WhichOneof("outcome") == "blocked", outcome
        return list(outcome.blocked.evidence)

    async def refused(self, item: pb.ScreenItem) -> str:
        """Have one message screened that makes no sense; the reason."""
        [outcome] = await self.screen(item)
        assert outcome.WhichOneof("outcome") == "refusal", outcome
        return outcome.refusal.reason

    async def submit(
        self,
        body: str,
        examples: Mapping[str, str] | None = None,
        *,
        category: Any = UTILITY,
        name: str = "order_news",
        language_code: str = "en",
        request_id: str = "",
        buttons: Sequence[content_pb2.Button] = (),
    ) -> template_pb2.Template:
        """Submit a template."""
        stub = await self.stub()
        response = await stub.SubmitTemplate(
            pb.SubmitTemplateRequest(
                request_id=request_id or str(new_id()),
                business_id=str(self.business_id),
                name=name,
                language_code=language_code,
                category=category,
                body=body,
                examples=examples or {},
                buttons=buttons,
            )
        )
        template: template_pb2.Template = response.template
        return template

    def use(
        self, person: Person, template: template_pb2.Template, **parameters: str
    ) -> pb.ScreenItem:
        """A message of a template, as an edge renders it."""
        return self.item(person, filled_in(template, **parameters), TEMPLATE)


def filled_in(template: template_pb2.Template, **parameters: str) -> content_pb2.Content:
    """The content of a template message, as an edge renders it."""
    return content_pb2.Content(
        template=content_pb2.Template(
            name=template.name,
            language_code=template.language_code,
            parameters=parameters,
            rendered="".join(
                parameters.get(segment.parameter, "") if segment.parameter else segment.literal
                for segment in template.segments
            ),
            template_id=template.template_id,
            buttons=template.buttons,
        )
    )


def codes(evidence: Sequence[evidence_pb2.Evidence]) -> list[str]:
    """What was found, by name."""
    return [evidence_pb2.Evidence.Code.Name(each.code).removeprefix("CODE_") for each in evidence]

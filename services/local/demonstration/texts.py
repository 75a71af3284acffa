"""What is said in the demonstration, in Arabic and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hudhud.clearance.v1 import clearance_pb2


@dataclass(frozen=True)
class Wording:
    """A template as it is submitted, with the parameters that the demonstration sends."""

    name: str
    language_code: str
    body: str
    parameters: dict[str, str]
    category: clearance_pb2.Category = clearance_pb2.CATEGORY_UTILITY


RECEIPT: Final = Wording(
    "receipt",
    "ar",
    "مرحباً {{name}}، استلمنا دفعتك بقيمة {{amount}} عن الطلب رقم {{order}}. "
    "الإيصال محفوظ في حسابك. شكراً لك.",
    {"name": "ليلى", "amount": "75,000 ل.س", "order": "48213"},
)
TICKET: Final = Wording(
    "ticket",
    "ar",
    "{{name}}، تم تأكيد حجزك على الرحلة {{flight}} من {{origin}} إلى {{destination}} "
    "يوم {{date}} الساعة {{time}}. المقعد {{seat}}، رقم الحجز {{reference}}.",
    {
        "name": "ليلى",
        "flight": "QW 417",
        "origin": "دمشق",
        "destination": "عمّان",
        "date": "14/12/2026",
        "time": "09:40",
        "seat": "12A",
        "reference": "K7M2QD",
    },
)
SHIPPING: Final = Wording(
    "shipping",
    "en",
    "Hello {{name}}, your order {{order}} has left our warehouse and will arrive on {{date}}. "
    "Tracking number: {{tracking}}.",
    {"name": "Layla", "order": "48213", "date": "12 December", "tracking": "JS 5520 9417"},
)

QUESTION: Final = "مرحباً، هل يمكن تغيير عنوان التوصيل إلى المكتب بدل البيت؟"
ANSWER: Final = "أهلاً ليلى، نعم بالتأكيد. غيّرنا العنوان إلى المكتب، والتوصيل يبقى في الموعد نفسه."
ADVERTISEMENT: Final = (
    "تخفيضات نهاية الموسم! خصم 50% على كل العطور والحقائب، والتوصيل مجاني لفترة محدودة. "
    "تسوّقي الآن قبل نفاد الكمية!"
)
UNINVITED: Final = "Hello Layla, how did you like flying with us? Tell us any time."

"""Owns the sentences in which evidence is told: what was found, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ml import sentences
from services.policy.domain.evidence import Code, Evidence

_ENGLISH: Final[Mapping[Code, str]] = {
    Code.PROMOTIONAL_CONTENT: sentences.ENGLISH["promotional"],
    Code.SCAM_CONTENT: sentences.ENGLISH["scam"],
    Code.NO_MARKETING_CONSENT: (
        "The person has not consented to marketing from this business, or took the consent back. "
        "Send marketing only to people who granted it on their device."
    ),
    Code.RECIPIENT_DECLINED: (
        "The person blocked this business. Send them nothing more until they end the block."
    ),
    Code.DISGUISED_TEXT: sentences.ENGLISH["disguised"],
    Code.PARAMETER_ABUSE: (
        "A parameter carries wording that the review of the template never saw. Put only values in "
        "parameters, such as names, numbers and dates, or submit the wording for review."
    ),
    Code.CATEGORY_MISMATCH: (
        "The declared category does not allow this content: an authentication message brings a "
        "one-time code. Declare what the message is for."
    ),
}

_ARABIC: Final[Mapping[Code, str]] = {
    Code.PROMOTIONAL_CONTENT: sentences.ARABIC["promotional"],
    Code.SCAM_CONTENT: sentences.ARABIC["scam"],
    Code.NO_MARKETING_CONSENT: (
        "لم يوافق هذا الشخص على رسائل تسويقية من هذه المنشأة، أو سحب موافقته. لا ترسل التسويق "
        "إلا إلى من منح موافقته من جهازه."
    ),
    Code.RECIPIENT_DECLINED: ("حظر هذا الشخص هذه المنشأة. لا ترسل إليه شيئًا حتى يرفع الحظر."),
    Code.DISGUISED_TEXT: sentences.ARABIC["disguised"],
    Code.PARAMETER_ABUSE: (
        "تحمل إحدى قيم القالب كلامًا لم تشمله المراجعة. ضع في القيم أسماءً وأرقامًا وتواريخ فقط، "
        "أو قدّم الصياغة الجديدة للمراجعة."
    ),
    Code.CATEGORY_MISMATCH: (
        "الفئة المصرَّح بها لا تسمح بهذا المحتوى: رسالة التحقق تحمل رمزًا يُستعمل مرة واحدة. صرّح "
        "بالغرض الحقيقي من الرسالة."
    ),
}

_SENTENCES: Final = {"en": _ENGLISH, "ar": _ARABIC}


def sentence(evidence: Evidence) -> str:
    """What is told of it, in the language of the message where policy speaks it."""
    return _SENTENCES.get(evidence.language, _ENGLISH)[evidence.code]

"""What a sender is told of a judgement: what was found in the text, and what to do about it.

In the language of the message where it is one of these, otherwise in English; never with a
probability, a weight or a threshold.
"""

from collections.abc import Mapping
from typing import Final

from ml.judgement import Judgement
from ml.normalise import views
from ml.thresholds import Thresholds

# How words are hidden, as `ml.normalise` names it. Loudness is no disguise.
DISGUISES: Final = ("lookalikes", "invisible", "spaced", "leet")

ENGLISH: Final[Mapping[str, str]] = {
    "promotional": (
        "This text promotes something and was not declared as marketing. Take the offer out, or "
        "send it as marketing to people who consented."
    ),
    "scam": (
        "This text reads like an attempt to defraud: a prize, an urgent demand, a request for "
        "secrets or money. Say who you are and what it is about, and ask for neither."
    ),
    "disguised": (
        "The text hides its words with look-alike letters, invisible characters or spaced letters. "
        "Write them plainly."
    ),
    "allowed": "Nothing was found that speaks against this text.",
    "abstained": "There is too little text to judge, or it is in a script that is not known here.",
}

ARABIC: Final[Mapping[str, str]] = {
    "promotional": (
        "هذا النص يروّج لشيء ما ولم يُصرَّح بأنه تسويقي. احذف العرض، أو أرسله بوصفه رسالة تسويقية إلى "
        "من وافقوا على تلقيها."
    ),
    "scam": (
        "يبدو هذا النص محاولة احتيال: جائزة أو مطالبة مستعجلة أو طلب لبيانات سرية أو مال. عرّف "
        "بنفسك وبموضوع الرسالة ولا تطلب شيئًا من ذلك."
    ),
    "disguised": "يخفي النص كلماته بحروف متشابهة أو رموز غير مرئية أو حروف متباعدة. اكتبها بوضوح.",
    "allowed": "لم يُعثر في هذا النص على ما يمنع إرساله.",
    "abstained": "النص أقصر من أن يُحكم عليه، أو كُتب بأبجدية غير معروفة هنا.",
}

_LANGUAGES: Final = {"en": ENGLISH, "ar": ARABIC}


def told(text: str, judgement: Judgement, thresholds: Thresholds) -> list[str]:
    """The sentences for whoever sent this text as a direct message without consent."""
    known = _LANGUAGES.get(judgement.language, ENGLISH)
    if judgement.abstention:
        return [known["abstained"]]
    if not thresholds.blocks_direct(judgement):
        return [known["allowed"]]
    said = [known["scam" if judgement.scam > judgement.promotional else "promotional"]]
    if any(sign in DISGUISES for sign in views(text).evidence):
        said.append(known["disguised"])
    return said

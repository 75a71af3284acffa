"""What the trained model says of messages it must get right, in Arabic and in English."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifier import Classifier
from ml.judgement import UNKNOWN_LANGUAGE, Abstention
from ml.normalise import normalised_key

Blocked = Callable[[str], bool]

RECEIPT = "Thank you for your purchase at Marva Stores. Total SAR 412.50, paid by card ****4821."
RECEIPT_AR = "شكرا لشرائك من متجر الواحة. الإجمالي 412.50 ريال، الدفع ببطاقة ****4821."
TICKET = "Your flight XY412 Riyadh-Cairo on 12/03 departs 14:35. Gate B12. Seat 14C. Booking QX7T2P"
TICKET_AR = "تم تأكيد حجزك: رحلة XY412 من الرياض إلى القاهرة يوم 12/03 الساعة 14:35، مقعد 14C"
SHIPPING = "Your order 88213 has been shipped and will arrive on Thursday. Track it in the app."
SHIPPING_AR = "تم شحن طلبك رقم 88213 وسيصلك يوم الخميس. يمكنك تتبعه في التطبيق."
PAIRS = [
    (RECEIPT, " Enjoy 20% off your next order with code SAVE20!"),
    (RECEIPT, " Don't miss our Eid sale: up to 70% off everything. Shop now bit.ly/x7Tq2"),
    (RECEIPT_AR, " استخدم الكود SAVE20 واحصل على خصم 20% على طلبك القادم!"),
    (RECEIPT_AR, " ولا تفوت عروض العيد: خصومات تصل إلى 70% على كل شيء bit.ly/x7Tq2"),
    (TICKET, " Book your next trip before Friday and save 30% with code FLY30"),
    (TICKET_AR, " احجز رحلتك القادمة قبل الجمعة ووفر 30% مع الكود FLY30"),
    (SHIPPING, " Get 2 for 1 on all shoes this weekend only, hurry!"),
    (SHIPPING_AR, " اشتر قطعة واحصل على الثانية مجانا هذا الأسبوع فقط، لا تفوت الفرصة!"),
]
INNOCENT = [
    "482913 is your verification code. Do not share it with anyone.",
    "رمز التحقق الخاص بك هو 482913. لا تشاركه مع أي شخص.",
    "A/c XX1234 debited by Rs.4,500.00 on 12-Nov-25. Avl bal Rs 20,110.00. Not you? Call 18001234",
    "تم خصم 250.00 ريال من حسابك ****4321 بتاريخ 12/11. الرصيد المتاح 1,200.00 ريال",
    "Reminder: your appointment with Dr Sarah is tomorrow at 10:30. Reply C to confirm.",
    "نذكركم بموعدكم في عيادة الأسنان غدا الساعة 10:30. للإلغاء اتصل 920012345",
    "Your electricity bill of $84.20 is due on 15 March.",
    "صدرت فاتورة الكهرباء لحسابك بمبلغ 184 ريال. آخر موعد للسداد 15/03",
    "Where are you? Dinner is getting cold",
    "وينك يا خالد؟ العشا برد",
    "ازيك عامل ايه؟ هتيجي بكرة ولا لأ؟",
    "كيفك حبيبتي؟ شو عم تعملي اليوم؟",
    "The meeting moved to 3pm, room 204. Please bring the signed contract.",
    "تأجل الاجتماع إلى الساعة الثالثة، فضلا أحضروا العقد الموقع",
]
UNWANTED = [
    "MEGA SALE! Up to 70% off shoes and bags this weekend only. Shop now bit.ly/x7Tq2",
    "تخفيضات كبرى! خصم يصل إلى 70% على الأحذية والحقائب، تسوق الآن bit.ly/x7Tq2",
    "Congratulations! You won $10,000 in the lottery. Send your bank details to claim your prize.",
    "Your bank account has been blocked. Verify your details now at secure-verify.top/login",
    "تم إيقاف بطاقتك البنكية. حدث بياناتك فورا عبر الرابط secure-verify.top/login",
    "Need cash? Get an instant loan up to $5,000, no paperwork. Apply now!",
]
# They are too much like what people write one another to be stopped at thresholds this strict.
STILL_MISSED = [
    "مبروك! ربحت 100000 ريال في السحب. أرسل بياناتك البنكية لاستلام الجائزة",
    "محتاج فلوس؟ قرض فوري لحد 50 ألف جنيه من غير ضامن. كلمنا دلوقتي",
]


@pytest.mark.parametrize(("notice", "offer"), PAIRS)
def test_a_notice_passes_and_the_same_with_an_offer_does_not(
    blocked: Blocked, notice: str, offer: str
) -> None:
    assert not blocked(notice)
    assert blocked(notice + offer)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_messages_pass(blocked: Blocked, text: str) -> None:
    assert not blocked(text)


@pytest.mark.parametrize("text", UNWANTED)
def test_advertisements_and_scams_are_stopped(blocked: Blocked, text: str) -> None:
    assert blocked(text)


@pytest.mark.parametrize("text", STILL_MISSED)
def test_what_may_be_missed_is_found_suspicious(classifier: Classifier, text: str) -> None:
    [judgement] = classifier.judge([text])

    assert judgement.unwanted > 0.5


@pytest.mark.parametrize(
    "disguised",
    [
        "M\u200bEGA SA\u200bLE! Up to 70% o\u200bff sho\u200bes and bags this weekend. Shop now",
        "ＭＥＧＡ ＳＡＬＥ! Up to 70% off ｓｈｏｅｓ and bags this weekend only. Shop now",
        "MEGA SАLE! Uр tо 70% оff shоеs аnd bаgs this wееkеnd оnly. Shор nоw",
        "M3GA S4LE! Up t0 70% off sh0es and b4gs this weekend 0nly. Sh0p n0w",
        "M E G A  S A L E! Up to 70% off s h o e s and bags this weekend only. Shop now",
    ],
)
def test_disguise_does_not_help(blocked: Blocked, disguised: str) -> None:
    assert blocked(disguised)


@pytest.mark.parametrize(
    "courtesy",
    [
        "Good morning dear, how are you today? Hope the family is well and that you slept better. ",
        "صباح الخير يا عمر، كيف حالك اليوم؟ أتمنى أن تكون العائلة بخير وأنك نمت جيدا. ",
    ],
)
def test_courtesy_does_not_hide_an_offer(blocked: Blocked, courtesy: str) -> None:
    assert not blocked(courtesy)
    for offer in UNWANTED[:2]:
        assert blocked(courtesy + offer)
        assert blocked(f"{offer} {courtesy}")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (RECEIPT, "en"),
        (RECEIPT_AR, "ar"),
        ("Tu pedido ya salió y llega mañana por la tarde", "es"),
        ("Seu pedido saiu para entrega e chega hoje à tarde", "pt"),
    ],
)
def test_languages_are_told(classifier: Classifier, text: str, language: str) -> None:
    assert classifier.judge([text])[0].language == language


@pytest.mark.parametrize("text", ["", " ", "👍", "12", "ok", "!!!", "\u200b\u200b", "1234 5678 90"])
def test_too_little_text_gets_no_judgement(classifier: Classifier, text: str) -> None:
    judgement = classifier.judge([text])[0]

    assert judgement.abstention is Abstention.TOO_LITTLE_TEXT
    assert judgement.unwanted == 0
    assert judgement.language == UNKNOWN_LANGUAGE
    assert judgement.label is None


UNKNOWN = ["지금 구매하시면 할인해 드립니다", "კარგი ფასი დღეს", "இன்று தள்ளுபடி"]


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_unknown_script_gets_no_judgement(classifier: Classifier, text: str) -> None:
    judgement = classifier.judge([text])[0]

    assert judgement.abstention is Abstention.UNKNOWN_SCRIPT
    assert not classifier.thresholds.blocks_direct(judgement)


def test_a_judgement_does_not_depend_on_its_batch(classifier: Classifier) -> None:
    texts = [*INNOCENT, *UNWANTED, "", *(notice + offer for notice, offer in PAIRS)]
    together = classifier.judge(texts)

    for text, judgement in zip(texts, together, strict=True):
        alone = classifier.judge([text])[0]
        assert alone.unwanted == pytest.approx(judgement.unwanted, abs=1e-5)
        assert alone.language == judgement.language
    assert classifier.judge([]) == []


def test_probabilities_sum_to_one(classifier: Classifier) -> None:
    for judgement in classifier.judge([*INNOCENT, *UNWANTED]):
        total = judgement.unwanted + judgement.transactional + judgement.personal
        assert total == pytest.approx(1, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=300))
def test_anything_is_judged_and_explained(classifier: Classifier, text: str) -> None:
    explanation = classifier.explain(text)

    assert 0 <= explanation.judgement.unwanted <= 1 + 1e-6
    for span in explanation.spans:
        assert 0 <= span.start < span.end <= len(text)


@pytest.mark.parametrize(("one", "other"), [("12", "950"), ("1,200.50", "3,100.00")])
def test_equal_keys_mean_equal_judgements(classifier: Classifier, one: str, other: str) -> None:
    texts = [f"{{}} ريال خصم من حسابك، وفر {one}", f"{{}} ريال خصم من حسابك، وفر {other}"]

    assert normalised_key(texts[0]) == normalised_key(texts[1])
    first, second = classifier.judge(texts)
    assert first.unwanted == pytest.approx(second.unwanted, abs=1e-6)


@pytest.mark.parametrize(("notice", "offer"), PAIRS)
def test_an_explanation_points_at_the_offer(
    classifier: Classifier, notice: str, offer: str
) -> None:
    text = notice + offer
    explanation = classifier.explain(text)

    heaviest = explanation.spans[0]
    assert heaviest.end > len(notice), text[heaviest.start : heaviest.end]
    assert sum(span.weight for span in explanation.spans) <= 1.001


@pytest.mark.parametrize("text", UNWANTED)
def test_without_the_words_named_it_is_less_unwanted(classifier: Classifier, text: str) -> None:
    explanation = classifier.explain(text)
    rest = text
    for span in sorted(explanation.spans, key=lambda span: -span.start):
        rest = rest[: span.start] + rest[span.end :]

    before, after = classifier.judge([text, rest])
    assert after.unwanted < before.unwanted


def test_four_thousand_characters_are_judged(classifier: Classifier) -> None:
    text = "Hello my friend, how are you. " * 136 + UNWANTED[0]

    assert classifier.thresholds.blocks_direct(classifier.judge([text[-4096:]])[0])

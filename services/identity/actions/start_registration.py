"""Owns StartRegistration."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from services.identity.codes import CodeNotSent, CodeSender, new_code
from services.identity.domain.phone_numbers import BadPhoneNumber, parse_phone_number
from services.identity.domain.registrations import (
    CODE_LIFETIME,
    CODE_LIMITS_PERIOD,
    TRIES_MAX,
    Registration,
    code_hmac,
    wait_before_another_code,
)
from services.identity.errors import IdentityReasons
from services.identity.store import registrations
from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.errors import Quota, Refusal

log = logging.getLogger(__name__)

_SENDING_RETRY_SECONDS = 5.0


async def start_registration(
    database: Database,
    sender: CodeSender,
    code_key: bytes,
    phone_number_text: str,
    now: datetime,
    *,
    per_minute_max: int,
) -> Registration:
    """A registration whose code is on its way to the phone.

    Refuses with INVALID_PHONE_NUMBER, CODE_RATE_LIMITED, CODE_NOT_SENT.
    """
    try:
        phone_number = parse_phone_number(phone_number_text)
    except BadPhoneNumber as error:
        raise Refusal(IdentityReasons.INVALID_PHONE_NUMBER, str(error)) from None
    registration_id, code = new_id(), new_code()
    registration = Registration(
        registration_id,
        phone_number,
        code_hmac(registration_id, code, code_key),
        TRIES_MAX,
        now,
        now + CODE_LIFETIME,
    )
    async with database.transaction("start_registration") as connection:
        await registrations.lock_number(connection, phone_number)
        sent = await registrations.list_times(connection, phone_number, now - CODE_LIMITS_PERIOD)
        wait = wait_before_another_code(sent, now)
        if wait:
            raise _rate_limited("phone_number", "Too many codes to this number.", wait)
        minute = now.replace(second=0, microsecond=0)
        if not await registrations.count_in_minute(connection, minute, per_minute_max):
            wait = minute + timedelta(minutes=1) - now
            raise _rate_limited("platform", "Too many codes to all numbers together.", wait)
        await registrations.insert(connection, registration)
    # Counted from here on, whether or not it arrives: a sender that fails must not be a way around
    # the limits.
    try:
        await sender.send(phone_number, code)
    except CodeNotSent as error:
        log.warning(
            "a code was not sent",
            extra={"registration_id": registration_id, "why": error},
        )
        raise Refusal(
            IdentityReasons.CODE_NOT_SENT, retry_after_seconds=_SENDING_RETRY_SECONDS
        ) from error
    return registration


def _rate_limited(subject: str, description: str, wait: timedelta) -> Refusal:
    return Refusal(
        IdentityReasons.CODE_RATE_LIMITED,
        quotas=[Quota(subject, description)],
        retry_after_seconds=wait.total_seconds(),
    )

"""Owns pages of rows that are numbered in the order in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from services.policy.errors import bad_page_token

R = TypeVar("R")

PAGE_SIZE_DEFAULT = 100
_NUMBER_MAX = 2**63 - 1


def number_in(page_token: str) -> int | None:
    """The number of the last row of the page before; None: it is the first page.

    Refuses with INVALID_FIELD a token that no answer gave.
    """
    if not page_token:
        return None
    if not (page_token.isascii() and page_token.isdecimal()):
        raise bad_page_token()
    number = int(page_token)
    if number > _NUMBER_MAX:
        raise bad_page_token()
    return number


def page_of(found: Sequence[tuple[int, R]], size: int) -> tuple[list[R], str]:
    """The rows of a page, and the token of the next, empty at the end. `found` has their numbers,
    and one row more than the page where there is another page.
    """
    page = found[:size]
    next_page_token = str(page[-1][0]) if len(found) > size else ""
    return [row for _, row in page], next_page_token
